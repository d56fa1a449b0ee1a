internal import Numbers
internal import Reading

/// The growth of the batch at the start of a run (Megatron-LM, `--rampup-batch-size START INCREMENT SAMPLES`): the batch
/// begins with `start` sequences and grows by `increment` after equal numbers of samples, until after `samples` sequences
/// it is the plan's.
package struct BatchRampup: Hashable, Codable, Sendable {
    package var start: Int
    package var increment: Int
    package var samples: Int

    package init(start: Int, increment: Int, samples: Int) {
        (self.start, self.increment, self.samples) = (start, increment, samples)
    }

    /// A batch size on the way, and the sequences that are trained with it.
    package struct Stage: Hashable, Sendable {
        package var batch: Int
        package var samples: Double
    }

    /// The batch sizes before that of the plan, `batch`.
    package func stages(to batch: Int) -> [Stage] {
        let count = increment > 0 ? max(0, (batch - start) / increment) : 0
        return (0..<count).map { Stage(batch: start + $0 * increment, samples: Double(samples) / Double(count)) }
    }

    /// A number that every batch of the run is a multiple of.
    package func unit(batch: Int) -> Int { Self.divisor(Self.divisor(batch, start), increment) }

    private static func divisor(_ a: Int, _ b: Int) -> Int {
        var (a, b) = (abs(a), abs(b))
        while b > 0 { (a, b) = (b, a % b) }
        return a
    }

    /// Most batch sizes on the way.
    package static let mostStages = 10_000
}

extension Plan {
    /// Sequences that divide every batch of the run: the batch, or less if it grows.
    package var batchUnit: Int { rampup?.unit(batch: batch) ?? batch }
}
