/// The mean-free negative log-likelihood of a softmax. Shapes: logits [rows, vocab]; targets [rows].
package enum CrossEntropy {
    /// Turns the logits in place into scale · (softmax − onehot(target)): the gradient of scale · loss.
    /// - Returns: the sum over rows of −log softmax[target].
    package static func lossAndGradient(
        logits: UnsafeMutablePointer<Float>, targets: UnsafePointer<Int32>, rows: Int, vocab: Int, scale: Float
    ) -> Double {
        var total = 0.0
        for row in 0..<rows {
            let values = logits + row * vocab
            let target = Int(targets[row])
            let chosen = values[target]
            let (largest, sum) = VectorMath.shiftedExponentials(values, count: vocab)
            total += Double(largest - chosen) + Double(VectorMath.logarithm(sum))
            VectorMath.scale(values, count: vocab, by: scale / sum)
            values[target] -= scale
        }
        return total
    }

    /// The sum over rows of −log softmax[target], the logits left as they are.
    package static func loss(
        logits: UnsafePointer<Float>, targets: UnsafePointer<Int32>, rows: Int, vocab: Int
    ) -> Double {
        var total = 0.0
        for row in 0..<rows {
            let values = logits + row * vocab
            let largest = VectorMath.maximum(values, count: vocab)
            let sum = VectorMath.sumOfExponentials(values, count: vocab, largest: largest)
            total += Double(largest - values[Int(targets[row])]) + Double(VectorMath.logarithm(sum))
        }
        return total
    }
}
