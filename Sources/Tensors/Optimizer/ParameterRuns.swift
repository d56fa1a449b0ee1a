/// A run of neighbouring numbers of a flat parameter buffer that are treated alike: one tensor or several.
package struct ParameterRun: Hashable, Sendable {
    /// Numbers of the flat buffer.
    package var range: Range<Int>
    /// Whether weight decay applies.
    package var decays: Bool
    /// Whether this rank counts them in the gradient's norm: false for copies that another rank counts.
    package var isCounted: Bool

    package init(range: Range<Int>, decays: Bool, isCounted: Bool = true) {
        self.range = range
        self.decays = decays
        self.isCounted = isCounted
    }
}

extension AdamW {
    /// One update of the numbers `shard` of a flat buffer: any part of it, however the tensors lie (optimizer sharding,
    /// Rajbhandari et al., ZeRO, 2020). The result does not depend on how the buffer is cut. Numbers in no run stay.
    /// - Parameters:
    ///   - parameters: at number `shard.lowerBound` of the buffer; so are gradients, both moments and rounded, each
    ///     [shard.count].
    ///   - step: number of this update, from 1.
    package func step(
        runs: [ParameterRun], shard: Range<Int>, parameters: UnsafeMutablePointer<Float>,
        gradients: UnsafePointer<Float>, firstMoment: UnsafeMutablePointer<Float>,
        secondMoment: UnsafeMutablePointer<Float>, step: Int, learningRate: Double, gradientScale: Float = 1,
        rounded: UnsafeMutablePointer<BFloat16>? = nil
    ) {
        for run in runs {
            let part = run.range.clamped(to: shard)
            guard !part.isEmpty else { continue }
            let start = part.lowerBound - shard.lowerBound
            self.step(
                parameters: parameters + start, gradients: gradients + start, firstMoment: firstMoment + start,
                secondMoment: secondMoment + start, count: part.count, step: step, learningRate: learningRate,
                decay: run.decays, gradientScale: gradientScale, rounded: rounded.map { $0 + start })
        }
    }
}

/// The norm of all gradients, in the pieces around the ranks' sum.
package enum GradientNorm {
    /// Σ g² over the counted runs within `shard`, the part of the flat buffer that `gradients` points to. Add the ranks'.
    package static func sumOfSquares(
        gradients: UnsafePointer<Float>, runs: [ParameterRun], shard: Range<Int>
    ) -> Double {
        var total = 0.0
        for run in runs where run.isCounted {
            let part = run.range.clamped(to: shard)
            total += VectorMath.sumOfSquares(gradients + part.lowerBound - shard.lowerBound, count: part.count)
        }
        return total
    }

    /// What gradients of that square sum are multiplied by, so that their norm passes `limit` no more: PyTorch's
    /// `clip_grad_norm_`, min(1, limit / (norm + 10⁻⁶)).
    package static func scale(sumOfSquares: Double, limit: Double) -> Double {
        min(1, limit / (sumOfSquares.squareRoot() + 1e-6))
    }
}
