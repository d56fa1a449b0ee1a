/// logits, probabilities [T, E], choices, weights [T, C], loads [E]: the router of a mixture of experts, a softmax over the
/// experts of which every token keeps the C most probable, with weights that sum to 1 (as Mixtral and DeepSeek-V3).
package struct Router: Hashable, Sendable {
    /// E.
    package var experts: Int
    /// C ≤ E.
    package var chosen: Int

    package init(experts: Int, chosen: Int) {
        self.experts = experts
        self.chosen = chosen
    }

    /// logits [T, E], choices, weights [T, C]: logits become probabilities in place. choices = each token's experts, the
    /// most probable first and of equal ones the lower number. weights = the factors of the experts' outputs.
    package func forward(
        logits: Matrix, choices: UnsafeMutablePointer<Int32>, weights: UnsafeMutablePointer<Float>
    ) {
        assert(logits.columns == experts, "logits of \(logits.columns) experts for a router of \(experts)")
        for token in 0..<logits.rows {
            let probabilities = logits.row(token)
            VectorMath.softmax(probabilities, count: experts)
            let (choices, weights) = (choices + token * chosen, weights + token * chosen)
            // Insertion into a sorted list: C is small, and equal probabilities keep their order.
            var count = 0
            for expert in 0..<experts {
                let probability = probabilities[expert]
                if count == chosen, weights[count - 1] >= probability { continue }
                var place = count < chosen ? count : chosen - 1
                while place > 0, weights[place - 1] < probability {
                    weights[place] = weights[place - 1]
                    choices[place] = choices[place - 1]
                    place -= 1
                }
                weights[place] = probability
                choices[place] = Int32(expert)
                count = min(count + 1, chosen)
            }
            var sum: Float = 0
            for slot in 0..<chosen { sum += weights[slot] }
            for slot in 0..<chosen { weights[slot] /= sum }
        }
    }

    /// choices [T, C], loads [E]: loads = the share of all T · C choices that fell on each expert; they sum to 1.
    package func loads(choices: UnsafePointer<Int32>, into loads: UnsafeMutablePointer<Float>, tokens: Int) {
        VectorMath.fill(loads, count: experts, with: 0)
        for index in 0..<tokens * chosen { loads[Int(choices[index])] += 1 }
        VectorMath.scale(loads, count: experts, by: 1 / Float(max(tokens * chosen, 1)))
    }

    /// probabilities, dLogits [T, E], choices, dWeights [T, C], loads [E]: dLogits = the gradient by the logits, plus
    /// `auxiliaryScale` times the gradient of the load-balance loss. dLogits must not overlap the inputs.
    ///
    /// The load-balance loss is E · Σ over experts of load · mean probability, where loads count as constants (Fedus et al.,
    /// Switch Transformers, 2021, equation 4). It is 1 where both are even; Hugging Face's Mixtral returns C times as much.
    package func inputGradient(
        probabilities: Matrix, choices: UnsafePointer<Int32>, dWeights: UnsafePointer<Float>,
        loads: UnsafePointer<Float>, auxiliaryScale: Float, dLogits: Matrix
    ) {
        let push = auxiliaryScale * Float(experts) / Float(max(probabilities.rows, 1))
        for token in 0..<probabilities.rows {
            let (p, gradient) = (probabilities.row(token), dLogits.row(token))
            let (choices, dWeights) = (choices + token * chosen, dWeights + token * chosen)
            // First the gradient by the probabilities.
            for expert in 0..<experts { gradient[expert] = push * loads[expert] }
            var (sum, mean): (Float, Float) = (0, 0)
            for slot in 0..<chosen { sum += p[Int(choices[slot])] }
            for slot in 0..<chosen { mean += dWeights[slot] * p[Int(choices[slot])] }
            mean /= sum
            for slot in 0..<chosen { gradient[Int(choices[slot])] += (dWeights[slot] - mean) / sum }
            // Then through the softmax: p ∘ (g − Σ p·g).
            let projection = VectorMath.dotProduct(p, gradient, count: experts)
            for expert in 0..<experts { gradient[expert] = p[expert] * (gradient[expert] - projection) }
        }
    }
}
