/// logits [R, V], targets [R]: the negative log-likelihood of a softmax. A target below 0 is none: its row has neither loss nor
/// gradient.
package enum CrossEntropy {
    /// logits [R, V], targets [R]: turns the logits in place into scale · (softmax − onehot(target)), the gradient of
    /// scale · loss.
    /// - Returns: the sum over rows of −log softmax[target].
    package static func lossAndGradient(logits: Matrix, targets: UnsafePointer<Int32>, scale: Float) -> Double {
        var total = 0.0
        let vocabulary = logits.columns
        for row in 0..<logits.rows {
            let values = logits.row(row)
            let target = Int(targets[row])
            assert(target < vocabulary, "target \(target) of a vocabulary of \(vocabulary)")
            if target < 0 {
                for column in 0..<vocabulary { values[column] = 0 }
                continue
            }
            let chosen = values[target]
            let (largest, sum) = VectorMath.shiftedExponentials(values, count: vocabulary)
            total += Double(largest - chosen) + Double(VectorMath.logarithm(sum))
            VectorMath.scale(values, count: vocabulary, by: scale / sum)
            values[target] -= scale
        }
        return total
    }
}
