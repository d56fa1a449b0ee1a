/// logits [R, V], targets [R]: the negative log-likelihood of a softmax.
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
            assert(target >= 0 && target < vocabulary, "target \(target) of a vocabulary of \(vocabulary)")
            let chosen = values[target]
            let (largest, sum) = VectorMath.shiftedExponentials(values, count: vocabulary)
            total += Double(largest - chosen) + Double(VectorMath.logarithm(sum))
            VectorMath.scale(values, count: vocabulary, by: scale / sum)
            values[target] -= scale
        }
        return total
    }
}
