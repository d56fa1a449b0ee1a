package import Inference
internal import Models
internal import Numbers
internal import Plans

/// The answer to a question about serving as text: memory, times and money.
package struct ServingText {
    private let name: String
    private let estimate: ServingEstimate
    private let width: Int
    private let paint: AnswerColours

    package init(_ estimate: ServingEstimate, name: String, width: Int = 100, isColoured: Bool = false) {
        (self.name, self.estimate, self.width) = (name, estimate, width)
        paint = AnswerColours(isOn: isColoured)
    }

    package func text() -> String {
        let lines = headline() + [""] + facts() + ["", paint.strong("Memory on the fullest device")] + memory()
        let parts =
            [paint.strong("Where the time goes")]
            + ServingParts(estimate).table.lines(indent: "    ")
        return (lines.map { Wrapped.fitted($0, width: width) } + [""] + parts).joined(separator: "\n")
    }

    private var work: Workload { estimate.work }

    private func headline() -> [String] {
        let parameters = Figures.words(Double(estimate.model.parameters().total))
        let devices = Figures.grouped(estimate.devices)
        return [
            paint.strong("\(name): \(parameters) parameters answer on \(devices) × \(estimate.cluster.device.name)"),
            "",
            "  \(Figures.words(estimate.outputTokensPerSecond)) tokens of answers a second"
                + (estimate.devices > 1
                    ? ", \(Figures.words(estimate.outputTokensPerSecondPerDevice)) for each device" : ""),
        ]
    }

    private func facts() -> [String] {
        let times = estimate.tokenSeconds
        var lines = [
            "  Asked      \(Figures.grouped(work.batch)) sequence\(work.batch == 1 ? "" : "s") at the same time, prompts of "
                + "\(Figures.grouped(work.prompt)) tokens, answers of \(Figures.grouped(work.output))",
            "  Stored     weights in \(described(work.weights)), \(ends), cache in \(described(work.cache))",
            "  Split      \(split)",
            "  Prompts    \(Figures.seconds(estimate.prefillSeconds)) until each has its first token: "
                + "\(Figures.words(estimate.promptTokensPerSecond)) tokens/s",
            "  A token    \(Figures.seconds(times.first)) at first, \(Figures.seconds(times.middle)) in the middle, "
                + "\(Figures.seconds(times.last)) at last: \(Figures.words(estimate.decodeTokensPerSecond)) tokens/s",
            "  Answer     \(Figures.seconds(estimate.answerSeconds)) from the prompts to the last tokens",
        ]
        if let input = estimate.pricePerMillionInput, let output = estimate.pricePerMillionOutput {
            lines.append(
                "  Money      \(Figures.significant(input)) \(estimate.cluster.price?.currency.words ?? "") a million tokens of prompts, "
                    + "\(Figures.significant(output)) of answers")
        }
        return lines
    }

    /// The formats of embedding and head. A tied matrix is the head's.
    private var ends: String {
        guard work.table != work.ends, !estimate.model.tiedEmbeddings else {
            return "embedding and head in \(described(work.ends))"
        }
        return "embedding in \(described(work.table)), head in \(described(work.ends))"
    }

    private func described(_ format: StoredFormat) -> String {
        format.groupBits == 0 ? format.name : "\(format.name) (\(Figures.significant(8 * format.bytes)) bits)"
    }

    private var split: String {
        let layout = estimate.layout
        let degrees = [
            ("tensor", layout.tensor), ("pipeline", layout.pipeline), ("data", layout.data), ("expert", layout.expert),
        ].filter { $0.1 > 1 }
        return degrees.isEmpty
            ? "one device" : degrees.map { "\($0.0) \(Figures.grouped($0.1))" }.joined(separator: ", ")
    }

    private func memory() -> [String] {
        let memory = estimate.memory
        let limits = [
            estimate.largestBatch.map { "batch \(Figures.grouped($0)) at this length" },
            estimate.largestContext.map {
                $0 >= ServingEstimate.mostTokens
                    ? "any context at this batch" : "\(Figures.grouped($0)) tokens of prompt and answer at this batch"
            },
        ].compactMap(\.self)
        return [
            "  \(Figures.memory(memory.total)) of \(Figures.memory(memory.usable)) usable",
            "  weights \(Figures.memory(memory.weights)), cache \(Figures.memory(memory.cache)), activations "
                + "\(Figures.memory(memory.activations)), reserved \(Figures.memory(memory.reserved))",
            "  A token of a sequence keeps \(Figures.size(Int(saturating: estimate.cacheBytesPerToken)))",
            "  The most that fits: \(limits.joined(separator: "; "))",
        ]
    }
}

/// The parts of a pass over prompts and of one token, as a table.
struct ServingParts {
    let rows: [(name: String, prompts: Double, token: Double)]

    init(_ estimate: ServingEstimate) {
        let parts: [(String, KeyPath<PassSeconds, Double>)] = [
            ("products", \.products), ("experts", \.experts), ("attention", \.attention), ("kernels", \.kernels),
            ("head", \.head), ("messages", \.messages),
        ]
        rows = parts.map { ($0.0, estimate.prefill[keyPath: $0.1], estimate.decode[keyPath: $0.1]) }
            .filter { $0.1 > 0 || $0.2 > 0 }
    }

    var table: Table {
        let sums = rows.reduce((0.0, 0.0)) { ($0.0 + $1.prompts, $0.1 + $1.token) }
        return Table(
            head: ["", "prompts", "", "a token", ""],
            rows: rows.map {
                [
                    $0.name, Figures.seconds($0.prompts), Figures.wholePercent($0.prompts / sums.0),
                    Figures.seconds($0.token), Figures.wholePercent($0.token / sums.1),
                ]
            })
    }
}
