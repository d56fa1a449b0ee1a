/// logits [R, V], targets, maxima, sums and targetLogits [R]: cross-entropy of a vocabulary that is split over the ranks of
/// a tensor-parallel group (Shoeybi et al. 2019), in the pieces between the group's reductions.
///
/// A rank holds the logits of tokens firstToken..<firstToken + V. Targets are tokens of the whole vocabulary; one below 0 is
/// none, and its row has neither loss nor gradient. In order:
/// 1. ``maxima(logits:into:)``, then an all-reduce of the maxima by the largest;
/// 2. ``exponentials(logits:maxima:targets:firstToken:sums:targetLogits:)``, then an all-reduce of sums and targetLogits
///    by addition (one, if they lie in one buffer);
/// 3. ``loss(maxima:sums:targetLogits:targets:rows:)``, the same on every rank, and
///    ``gradient(exponentials:sums:targets:firstToken:scale:)``.
package enum VocabularyParallelCrossEntropy {
    /// logits [R, V], maxima [R]: the largest logit of each row on this rank.
    package static func maxima(logits: Matrix, into maxima: UnsafeMutablePointer<Float>) {
        for row in 0..<logits.rows { maxima[row] = VectorMath.maximum(logits.row(row), count: logits.columns) }
    }

    /// logits [R, V], maxima and targets [R]: logits become e^(logit − maximum) in place. sums [R] gets the sums over this
    /// rank's entries, targetLogits [R] the target's logit where this rank holds it and 0 elsewhere.
    /// - Parameter maxima: over the whole vocabulary.
    package static func exponentials(
        logits: Matrix, maxima: UnsafePointer<Float>, targets: UnsafePointer<Int32>, firstToken: Int,
        sums: UnsafeMutablePointer<Float>, targetLogits: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<logits.rows {
            let values = logits.row(row)
            let target = Int(targets[row]) - firstToken
            targetLogits[row] = target >= 0 && target < logits.columns ? values[target] : 0
            sums[row] = VectorMath.shiftExponentials(values, count: logits.columns, by: maxima[row])
        }
    }

    /// maxima, sums, targetLogits and targets [R], over the whole vocabulary.
    /// - Returns: the sum over rows of −log softmax[target].
    package static func loss(
        maxima: UnsafePointer<Float>, sums: UnsafePointer<Float>, targetLogits: UnsafePointer<Float>,
        targets: UnsafePointer<Int32>, rows: Int
    ) -> Double {
        var total = 0.0
        for row in 0..<rows where targets[row] >= 0 {
            total += Double(maxima[row] - targetLogits[row]) + Double(VectorMath.logarithm(sums[row]))
        }
        return total
    }

    /// exponentials [R, V], sums and targets [R]: exponentials become in place scale · (softmax − onehot(target)), the
    /// gradient of scale · loss by the logits.
    /// - Parameter sums: over the whole vocabulary.
    package static func gradient(
        exponentials: Matrix, sums: UnsafePointer<Float>, targets: UnsafePointer<Int32>, firstToken: Int, scale: Float
    ) {
        for row in 0..<exponentials.rows {
            let values = exponentials.row(row)
            if targets[row] < 0 {
                for column in 0..<exponentials.columns { values[column] = 0 }
                continue
            }
            VectorMath.scale(values, count: exponentials.columns, by: scale / sums[row])
            let target = Int(targets[row]) - firstToken
            if target >= 0 && target < exponentials.columns { values[target] -= scale }
        }
    }
}
