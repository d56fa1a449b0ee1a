package import Foundation
package import Models
package import Plans
internal import Reading

/// `checkpoint.json`: what a checkpoint is of, and its files. It is written last, so that a folder with it is complete.
package struct CheckpointManifest: Hashable, Codable, Sendable {
    /// A file of the checkpoint: the share of one rank.
    package struct File: Hashable, Codable, Sendable {
        package var name: String
        package var bytes: Int
        /// SHA-256 of its header, which holds the checksums of its tensors.
        package var header: String
    }

    /// Where the run stands in its text.
    package struct Position: Hashable, Codable, Sendable {
        /// Sequences trained on.
        package var sequences: Int
        /// Tokens of the text, which are its bytes without a tokenizer, and a hash of the content.
        package var bytes: Int
        package var digest: String

        package init(sequences: Int, bytes: Int, digest: String) {
            (self.sequences, self.bytes, self.digest) = (sequences, bytes, digest)
        }
    }

    /// The random numbers of a run follow from seed and position alone: nothing else is drawn.
    package struct RandomState: Hashable, Codable, Sendable {
        package var generator = "splitmix64, counted"
        package var seed: UInt64

        package init(seed: UInt64) { self.seed = seed }
    }

    /// The version of the format that this program writes and reads.
    package static let format = 1
    package static let name = RunFolder.checkpointManifest

    package var format = CheckpointManifest.format
    /// Steps trained.
    package var step: Int
    /// The run that wrote it: the same number in every checkpoint of a run.
    package var run: String
    package var program: String
    package var saved: Date
    /// The plan's name, and the text of its file.
    package var plan: String
    package var planText: String
    package var model: Model
    package var precision: Precision
    package var optimizer: Optimizer
    package var batch: Int
    package var layout: Layout
    package var train: TrainSettings
    package var data: Position
    package var random: RandomState
    /// Steps whose loss or gradients were no numbers, of those before. nil: none, or of a release that skipped none.
    package var skipped: Int?
    /// Of the tokenizer, `train.tokenizer`, in hexadecimal digits. nil: nobody knows it, or the release was earlier.
    package var tokenizerDigest: String?
    package var files: [File] = []
    /// SHA-256 of this text without its line `sha256`.
    package var sha256 = ""

    package init(
        step: Int, run: String, program: String, saved: Date, plan: String, planText: String, model: Model,
        precision: Precision, optimizer: Optimizer, batch: Int, layout: Layout, train: TrainSettings, data: Position,
        random: RandomState
    ) {
        self.step = step
        self.run = run
        self.program = program
        self.saved = saved
        self.plan = plan
        self.planText = planText
        self.model = model
        self.precision = precision
        self.optimizer = optimizer
        self.batch = batch
        self.layout = layout
        self.train = train
        self.data = data
        self.random = random
    }

    /// Bytes of all files but this one.
    package var bytes: Int { files.reduce(0) { $0 &+ $1.bytes } }

    /// The text of the file.
    package func text() throws -> Data {
        var manifest = self
        manifest.sha256 = ""
        manifest.sha256 = SHA256.digits(of: try manifest.encoded())
        return try manifest.encoded()
    }

    /// Whether a text matches the checksum that it holds.
    private static func isIntact(_ text: Data) -> Bool {
        // Quotation marks inside of texts are escaped: only the key itself looks so.
        let key = Data("\"sha256\" : \"".utf8)
        guard let place = text.range(of: key, options: .backwards), text.endIndex - place.upperBound > 64 else {
            return false
        }
        let digits = place.upperBound..<place.upperBound + 64
        var blank = text
        blank.removeSubrange(digits)
        return text[digits].elementsEqual(SHA256.digits(of: blank).utf8)
    }

    private func encoded() throws -> Data {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }

    /// Reads a manifest's text. Anybody can have written it.
    /// - Parameter path: of the checkpoint, for errors.
    package init(_ text: Data, path: String) throws(CheckpointProblem) {
        let keys = JSONValue(text: text)?.map
        guard let keys else { throw .damaged(path: path, words: "\(Self.name) is not JSON, or cut short") }
        // A later format may have other keys: its number is looked at first.
        guard let format = keys["format"]?.count else {
            throw .damaged(path: path, words: "\(Self.name) is not the manifest of a checkpoint")
        }
        guard format == Self.format else {
            throw .other(
                path: path, field: "format", theirs: "\(format)", ours: "\(Self.format)",
                fix: "use the release that wrote it")
        }
        guard Self.isIntact(text) else {
            throw .damaged(path: path, words: "\(Self.name) does not match its own checksum")
        }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        guard let manifest = try? decoder.decode(Self.self, from: text) else {
            throw .other(
                path: path, field: "program", theirs: keys["program"]?.text ?? "unknown", ours: "another version",
                fix: "use the release that wrote it")
        }
        if let problem = manifest.problem { throw .damaged(path: path, words: "\(Self.name): \(problem)") }
        self = manifest
    }

    /// The first value that no run writes.
    private var problem: String? {
        if let problem = model.problems.first { return "model: \(problem)" }
        guard Bounds.steps.contains(step) else { return "step \(step)" }
        guard (0...step).contains(skipped ?? 0) else { return "skipped" }
        // So many tokens are trained on by no run, and fewer cannot overflow.
        let tokens = data.sequences.multipliedReportingOverflow(by: max(1, model.sequence))
        guard batch > 0, data.sequences >= 0, data.bytes >= 0, !tokens.overflow, tokens.partialValue < 1 << 58 else {
            return "batch or data"
        }
        let names = Set(files.map(\.name))
        guard !files.isEmpty, names.count == files.count else { return "files" }
        for file in files where file.bytes < 0 || file.name.contains("/") || !file.name.hasSuffix(".safetensors") {
            return "files: \(file.name)"
        }
        return nil
    }
}

/// Why a checkpoint cannot be used.
package enum CheckpointProblem: Error, Hashable, Sendable {
    /// Cut short, changed or half written: an older one may be good.
    case damaged(path: String, words: String)
    /// Whole, but of another model, precision or format.
    case other(path: String, field: String, theirs: String, ours: String, fix: String)

    package var error: TrainingError {
        switch self {
        case .damaged(let path, let words): .weights(path: path, reason: words)
        case .other(let path, let field, let theirs, let ours, let fix):
            .weights(path: path, reason: "\(field) is \(theirs) in the checkpoint and \(ours) here; \(fix)")
        }
    }
}
