internal import ArgumentParser
internal import Foundation
internal import MPI
internal import Models
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Training

/// One call of `generate`: reads weights and prompts, and prints the answers.
struct GenerationRun {
    let options: GenerateOptions

    /// What `--json` prints.
    private struct Document: Encodable {
        var prompts: [TextGeneration.Answer]
        /// Of all answers.
        var tokens: Int
        var seconds: Double
        var tokensPerSecond: Double
    }

    /// - Parameter world: the ranks of the run's layout; nil: this process alone.
    func run(over world: Communicator?) throws {
        let isFirst = world.map { $0.rank == 0 } ?? true
        let source = try GenerationSource(options.checkpoint, tokenizer: options.tokenizer)
        if world != nil, source.manifest == nil { throw Self.hasNoLayout(source.path) }
        var settings = GenerationSession.Settings(
            tokens: options.tokens.value,
            sampling: Sampling(
                temperature: options.temperature, topK: options.topK?.value, topP: options.topP), seed: options.seed)
        settings.usesCache = !options.noCache
        let generation = try TextGeneration(source, settings, prompts: try prompts(), stopWords: options.stop)
        if isFirst, let long = generation.longPrompt {
            StandardStreams.error(
                "note: prompt \(long.number + 1) has \(long.tokens) tokens, of which the model reads the last "
                    + "\(source.model.sequence)\n")
        }
        var pages = Pages(generation.prompts)
        let (answers, seconds) = try generation.run(over: world) { prompt, text, isOver in
            guard isFirst, !options.json else { return }
            pages.add(text, to: prompt)
            if isOver { pages.end(prompt) }
            if options.stream { try pages.print() }
        }
        guard isFirst else { return }
        if options.json {
            let tokens = answers.reduce(0) { $0 + $1.tokens.count }
            let document = Document(
                prompts: answers, tokens: tokens, seconds: seconds,
                tokensPerSecond: seconds > 0 ? Double(tokens) / seconds : 0)
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return try StandardStreams.output(encoder.encode(document) + Data("\n".utf8))
        }
        try pages.print()
    }

    static func hasNoLayout(_ path: String) -> TrainingError {
        .unsupported(
            field: "--layout", value: "run",
            reason: "\(path) states no layout: only a checkpoint does; use --layout one")
    }

    private func prompts() throws -> [String] {
        guard let path = options.prompts else { return options.prompt.isEmpty ? ["\n"] : options.prompt }
        let file = try MappedFile(path: path)
        let bytes = file.withBytes { Array($0) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw TrainingError.file(path: path, reason: "is not UTF-8 text; prompts are one a line")
        }
        // Other characters that separate lines may stand in a prompt.
        let lines = text.split { $0 == "\n" || $0 == "\r\n" }.map(String.init)
        guard !lines.isEmpty else {
            throw TrainingError.file(path: path, reason: "holds no prompts; they are one a line")
        }
        return lines
    }
}

/// Prompts with their answers on standard output, one behind the other: of the first that is not complete what there is so far, of
/// the others nothing.
private struct Pages {
    private var waiting: [String]
    private var isOver: [Bool]
    private var first = 0

    init(_ prompts: [String]) {
        (waiting, isOver) = (prompts, prompts.map { _ in false })
    }

    mutating func add(_ text: String, to index: Int) { waiting[index] += text }

    mutating func end(_ index: Int) {
        isOver[index] = true
        // An empty line stands between answers.
        waiting[index] += index + 1 < waiting.count ? "\n\n" : "\n"
    }

    mutating func print() throws {
        while first < waiting.count {
            if !waiting[first].isEmpty { try StandardStreams.output(waiting[first]) }
            waiting[first] = ""
            guard isOver[first] else { return }
            first += 1
        }
    }
}
