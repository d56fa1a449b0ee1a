/// The router of a mixture of experts: a softmax over experts, of which every token keeps the `chosen` most probable.
///
/// Shapes: T tokens, E experts, k chosen: logits, probabilities [T, E]; choices, weights [T, k]; loads [E].
package struct Router: Hashable, Sendable {
    /// E.
    package var experts: Int
    /// k ≤ E.
    package var chosen: Int
    /// Whether a token's k weights are divided by their sum (Mixtral, DeepSeek-V3) or left as probabilities (Switch).
    package var normalises: Bool

    package init(experts: Int, chosen: Int, normalises: Bool = true) {
        self.experts = experts
        self.chosen = chosen
        self.normalises = normalises
    }

    /// Logits become probabilities in place; choices = each token's experts, the most probable first and of equal ones
    /// the lower number; weights = what their outputs are multiplied by.
    package func forward(
        logits: UnsafeMutablePointer<Float>, choices: UnsafeMutablePointer<Int32>,
        weights: UnsafeMutablePointer<Float>, tokens: Int
    ) {
        for token in 0..<tokens {
            let probabilities = logits + token * experts
            VectorMath.softmax(probabilities, count: experts)
            let (choices, weights) = (choices + token * chosen, weights + token * chosen)
            // Insertion into a sorted list: k is small, and equal probabilities keep their order.
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
            guard normalises else { continue }
            var sum: Float = 0
            for slot in 0..<chosen { sum += weights[slot] }
            for slot in 0..<chosen { weights[slot] /= sum }
        }
    }

    /// loads = the share of all T·k choices that fell on each expert; they sum to 1. Ranks that route parts of one batch
    /// may average theirs before the loss.
    package func loads(choices: UnsafePointer<Int32>, into loads: UnsafeMutablePointer<Float>, tokens: Int) {
        VectorMath.fill(loads, count: experts, with: 0)
        for index in 0..<tokens * chosen { loads[Int(choices[index])] += 1 }
        VectorMath.scale(loads, count: experts, by: 1 / Float(max(tokens * chosen, 1)))
    }

    /// The load-balance loss E · Σ over experts of load · mean probability (Fedus et al., Switch Transformers, 2021,
    /// equation 4): 1 where both are even. Hugging Face's Mixtral returns k times that.
    package func auxiliaryLoss(probabilities: UnsafePointer<Float>, loads: UnsafePointer<Float>, tokens: Int) -> Double
    {
        var total = 0.0
        for token in 0..<tokens {
            total += Double(VectorMath.dotProduct(probabilities + token * experts, loads, count: experts))
        }
        return total * Double(experts) / Double(max(tokens, 1))
    }

    /// dLogits = the gradient by the logits, given dWeights [T, k] by the weights, plus `auxiliaryScale` times that of
    /// ``auxiliaryLoss``. Loads count as constants. `choices` and `probabilities` are those of ``forward``. dLogits must
    /// not overlap the inputs.
    package func inputGradient(
        probabilities: UnsafePointer<Float>, choices: UnsafePointer<Int32>, dWeights: UnsafePointer<Float>,
        loads: UnsafePointer<Float>, auxiliaryScale: Float, dLogits: UnsafeMutablePointer<Float>, tokens: Int
    ) {
        let push = auxiliaryScale * Float(experts) / Float(max(tokens, 1))
        for token in 0..<tokens {
            let (p, gradient) = (probabilities + token * experts, dLogits + token * experts)
            let (choices, dWeights) = (choices + token * chosen, dWeights + token * chosen)
            // First the gradient by the probabilities.
            for expert in 0..<experts { gradient[expert] = push * loads[expert] }
            var (sum, mean): (Float, Float) = (1, 0)
            if normalises {
                sum = 0
                for slot in 0..<chosen { sum += p[Int(choices[slot])] }
                for slot in 0..<chosen { mean += dWeights[slot] * p[Int(choices[slot])] }
                mean /= sum
            }
            for slot in 0..<chosen { gradient[Int(choices[slot])] += (dWeights[slot] - mean) / sum }
            // Then through the softmax: p ∘ (g − Σ p·g).
            let projection = VectorMath.dotProduct(p, gradient, count: experts)
            for expert in 0..<experts { gradient[expert] = p[expert] * (gradient[expert] - projection) }
        }
    }
}
