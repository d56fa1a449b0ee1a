/// Cross-entropy of a vocabulary that is spread over the ranks of a tensor-parallel group (Shoeybi et al. 2019), in the
/// pieces between the group's reductions.
///
/// A rank holds logits [rows, columns]: those of tokens firstToken..<firstToken + columns. `targets` [rows] are tokens of
/// the whole vocabulary; maxima, sums and targetLogits are [rows]. In order:
/// 1. ``maxima(logits:into:rows:columns:)``, then an all-reduce of the maxima by the largest;
/// 2. ``exponentials(logits:maxima:targets:firstToken:sums:targetLogits:rows:columns:)``, then an all-reduce of sums and
///    targetLogits by addition (one, if they lie in one buffer);
/// 3. ``loss(maxima:sums:targetLogits:rows:)``, the same on every rank, and
///    ``gradient(exponentials:sums:targets:firstToken:scale:rows:columns:)``.
package enum CrossEntropyShard {
    /// maxima = the largest logit of each row of the shard.
    package static func maxima(
        logits: UnsafePointer<Float>, into maxima: UnsafeMutablePointer<Float>, rows: Int, columns: Int
    ) {
        for row in 0..<rows { maxima[row] = VectorMath.maximum(logits + row * columns, count: columns) }
    }

    /// Logits become e^(logit − maximum) in place, `maxima` those of the whole vocabulary; sums = Σ over the shard;
    /// targetLogits = the target's logit where the shard holds it, 0 elsewhere.
    package static func exponentials(
        logits: UnsafeMutablePointer<Float>, maxima: UnsafePointer<Float>, targets: UnsafePointer<Int32>,
        firstToken: Int, sums: UnsafeMutablePointer<Float>, targetLogits: UnsafeMutablePointer<Float>, rows: Int,
        columns: Int
    ) {
        for row in 0..<rows {
            let values = logits + row * columns
            let target = Int(targets[row]) - firstToken
            targetLogits[row] = target >= 0 && target < columns ? values[target] : 0
            sums[row] = VectorMath.shiftExponentials(values, count: columns, by: maxima[row])
        }
    }

    /// The sum over rows of −log softmax[target], all three over the whole vocabulary.
    package static func loss(
        maxima: UnsafePointer<Float>, sums: UnsafePointer<Float>, targetLogits: UnsafePointer<Float>, rows: Int
    ) -> Double {
        var total = 0.0
        for row in 0..<rows {
            total += Double(maxima[row] - targetLogits[row]) + Double(VectorMath.logarithm(sums[row]))
        }
        return total
    }

    /// Exponentials become in place scale · (softmax − onehot(target)): the gradient of scale · loss by the logits.
    /// `sums` are those of the whole vocabulary.
    package static func gradient(
        exponentials: UnsafeMutablePointer<Float>, sums: UnsafePointer<Float>, targets: UnsafePointer<Int32>,
        firstToken: Int, scale: Float, rows: Int, columns: Int
    ) {
        for row in 0..<rows {
            let values = exponentials + row * columns
            VectorMath.scale(values, count: columns, by: scale / sums[row])
            let target = Int(targets[row]) - firstToken
            if target >= 0 && target < columns { values[target] -= scale }
        }
    }
}
