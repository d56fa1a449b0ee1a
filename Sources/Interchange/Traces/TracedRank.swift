/// A group of ranks that communicate, and what they do it for.
package struct TracedGroup: Hashable, Sendable {
    package var parts: StepParts
    /// Empty where the trace does not name them.
    package var ranks: [Int]

    package init(parts: StepParts, ranks: [Int]) {
        self.parts = parts
        self.ranks = ranks
    }
}

/// Seconds of one step on one rank, by what they were spent on.
package struct TracedStep: Hashable, Sendable {
    /// The profiler's number of the step; nil where the trace holds one step without a number.
    package var number: Int?
    package var seconds = 0.0
    /// Seconds by part; they add up to `seconds`. Communication counts where no compute ran beside it.
    package var parts: [StepParts: Double] = [:]
    /// Seconds of communication beside compute.
    package var hidden: [StepParts: Double] = [:]
    /// Seconds of the kernels of each group, hidden or not.
    package var groups: [TracedGroup: Double] = [:]
    /// How often the backward of attention ran: once a block and micro-batch. 0: the trace does not tell.
    package var attentionBackwards = 0
    /// Seconds of compute by the kind of kernel.
    package var kernels: [KernelKind: Double] = [:]

    package init(number: Int? = nil) { self.number = number }
}

/// The steps of one rank.
package struct TracedRank: Hashable, Sendable {
    /// Number of the rank in the whole run; of a timeline its number in the pipeline.
    package var rank: Int
    /// Its pipeline rank.
    package var stage: Int
    package var steps: [TracedStep]
}

/// The ranks of one run, as its traces have them.
package struct TracedRun: Sendable {
    /// The kind of traces.
    package enum Source: String, Sendable {
        /// Kernels of devices, by the PyTorch profiler.
        case devices
        /// Operators of host processors, by the PyTorch profiler.
        case operations
        /// A timeline that `trainyard simulate` wrote.
        case simulation
        /// A timeline that a real run of `trainyard train` wrote.
        case training
    }

    package var source: Source
    package var ranks: [TracedRank]
    /// Number of ranks that would make it complete.
    package var expectedRanks: Int
    /// What was concluded or left out, as sentences.
    package var notes: [String] = []

    /// Whether each rank stands for all ranks of its pipeline stage.
    package var isByStage: Bool { source == .simulation || source == .training }

    /// Numbers of the steps that all ranks have.
    package var stepNumbers: [Int] {
        let all = ranks.map { Set($0.steps.compactMap(\.number)) }
        guard let first = all.first else { return [] }
        return all.dropFirst().reduce(first) { $0.intersection($1) }.sorted()
    }
}
