internal import Plans

/// Batches by the tokens from which they hold, as `--step-batch-size-schedule` of Megatron-LM names them:
/// `0:256,10485760:512` (StepBatchsizeNumMicroBatchesCalculator of core/num_microbatches_calculator.py).
struct BatchSchedule: Equatable {
    struct Step: Equatable {
        /// Sequences of the run before the first of this batch.
        var sequences: Int
        var batch: Int
    }

    var steps: [Step]

    /// More batches than these are no argument that anybody reads.
    static let most = 1000

    /// The growth of a plan's batch; nil where it has too many batches.
    init?(_ growth: BatchRampup, to batch: Int) {
        let stages = growth.stages(to: batch)
        guard stages.count < Self.most else { return nil }
        steps = stages.enumerated().map { index, stage in
            Step(sequences: Self.start(of: index, of: stages.count, sequences: growth.samples), batch: stage.batch)
        }
        steps.append(Step(sequences: growth.samples, batch: batch))
    }

    /// The first sequence behind `index` of `count` equal parts.
    private static func start(of index: Int, of count: Int, sequences: Int) -> Int {
        let (whole, rest) = sequences.quotientAndRemainder(dividingBy: count)
        return whole * index + (rest * index + count - 1) / count
    }

    /// Reads an argument; nil where it is not one that Megatron-LM takes.
    /// - Parameter sequence: tokens of a sequence.
    init?(_ text: String, sequence: Int) {
        guard sequence > 0 else { return nil }
        var steps: [Step] = []
        for entry in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            let parts = entry.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, let tokens = Self.count(parts[0]), let batch = Self.count(parts[1]), batch > 0
            else { return nil }
            steps.append(Step(sequences: tokens / sequence, batch: batch))
        }
        steps.sort { $0.sequences < $1.sequences }
        guard steps.first?.sequences == 0, zip(steps, steps.dropFirst()).allSatisfy({ $0.sequences < $1.sequences })
        else { return nil }
        self.steps = steps
    }

    private static func count(_ text: Substring) -> Int? {
        let sizes: [Character: Double] = ["K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12]
        let size = text.last.flatMap { sizes[Character($0.uppercased())] }
        guard let number = Double(size == nil ? text : text.dropLast()), number >= 0 else { return nil }
        return Int(exactly: (number * (size ?? 1)).rounded(.down))
    }

    /// Steps until so many sequences are trained, the last of which may train more.
    func steps(until sequences: Int) -> Int? {
        var (trained, count) = (0, 0)
        for (index, step) in steps.enumerated() where trained < sequences {
            let end = steps.indices.contains(index + 1) ? min(sequences, steps[index + 1].sequences) : sequences
            guard trained < end else { continue }
            let more = (end - trained - 1) / step.batch + 1
            count += more
            let (product, overflow) = more.multipliedReportingOverflow(by: step.batch)
            let (sum, overflows) = trained.addingReportingOverflow(product)
            guard !overflow, !overflows else { return nil }
            trained = sum
        }
        return count
    }

    /// Sequences of the first steps.
    func sequences(of count: Int) -> Int? {
        var (trained, left) = (0, count)
        for (index, step) in steps.enumerated() where left > 0 {
            var more = left
            if steps.indices.contains(index + 1) {
                let end = steps[index + 1].sequences
                guard trained < end else { continue }
                more = min(left, (end - trained - 1) / step.batch + 1)
            }
            let (product, overflow) = more.multipliedReportingOverflow(by: step.batch)
            let (sum, overflows) = trained.addingReportingOverflow(product)
            guard !overflow, !overflows else { return nil }
            (trained, left) = (sum, left - more)
        }
        return trained
    }

    func text(sequence: Int) -> String {
        steps.map { step in
            let (tokens, overflow) = step.sequences.multipliedReportingOverflow(by: sequence)
            return "\(overflow ? .max : tokens):\(step.batch)"
        }.joined(separator: ",")
    }

    /// The growth in equal steps that this is; nil where its steps differ, or there is one batch alone.
    var growth: BatchRampup? {
        guard let first = steps.first, let last = steps.last, steps.count > 1 else { return nil }
        let growth = BatchRampup(start: first.batch, increment: steps[1].batch - first.batch, samples: last.sequences)
        // Unequal steps may leave room for any number of equal ones, so that these are counted before they are made.
        guard growth.increment > 0, (last.batch - first.batch) / growth.increment == steps.count - 1,
            BatchSchedule(growth, to: last.batch) == self
        else { return nil }
        return growth
    }
}
