internal import Models
internal import Numbers
internal import Plans
package import Reading

/// A question about serving as a file and a command line ask it.
package struct ServingFile: Hashable, Sendable {
    /// The name in the file, else the file's own, else the model's.
    package var name: String
    package var question: ServingQuestion
    /// What was assumed where nothing is stated, and how model and cluster were read.
    package var notes: [String]

    /// Tokens of a prompt and of an answer where neither file nor options state them.
    package static let usualPrompt = 1024
    package static let usualOutput = 256

    /// A key as the command line states it: it replaces the file's.
    package struct Override: Hashable, Sendable {
        package var key: String
        /// The value as YAML.
        fileprivate var value: String

        package init(_ key: String, _ value: String) { (self.key, self.value) = (key, Self.quoted(value)) }

        /// A name in `plans/models/`, or a Hugging Face configuration.
        package init(model: String, library: Library = .standard()) {
            let key = HuggingFaceModel.isConfiguration(model, library: library) ? "hf" : "name"
            (self.key, value) = ("model", "{\(key): \(Self.quoted(model))}")
        }

        /// A number of parameters for which a shape is chosen.
        package init(parameters: String) { (key, value) = ("model", "{params: \(Self.quoted(parameters))}") }

        private static func quoted(_ text: String) -> String { "'\(text.replacing("'", with: "''"))'" }
    }

    /// Reads the file at `path`, if there is one, and what the command line states instead of its keys.
    /// - Throws: all problems of both together; those of the command line with the names of its options.
    package static func read(
        path: String?, overrides: [Override] = [], library: Library? = nil, files: inout ReadFiles
    ) throws(PlanProblems) -> ServingFile {
        let text = try path.map { path throws(PlanProblems) in try YAMLFile.text(path: path, files: &files) }
        return try read(text: text, path: path, overrides: overrides, library: library, files: &files)
    }

    /// Reads the text of a file that is, or would be, at `path`.
    package static func read(
        text: String?, path: String?, overrides: [Override] = [], library: Library? = nil, files: inout ReadFiles
    ) throws(PlanProblems) -> ServingFile {
        let library = library ?? .standard(besides: path)
        var problems: [PlanProblem] = []
        let line = ProblemCollector(file: "")
        let options = try optionReader(overrides, line)
        var draft = ServingDraft()
        draft.read(options, library: library)
        var name: String?
        if let text, let path {
            let collector = ProblemCollector(file: path)
            let reader = FieldReader(try YAMLFile.compose(text: text, name: path), path: "", collector: collector)
            name = reader.text("name")
            let kept = reader.without(overrides.map(\.key))
            kept.expect("name")
            var own = ServingDraft()
            own.read(kept, library: library)
            kept.reportUnknownKeys()
            draft = draft.over(own)
            draft.check(reader)
            files.formUnion(collector.files)
            draft.notes += collector.remarks.map(\.text)
            problems += collector.all.problems
        } else {
            draft.check(options)
        }
        files.formUnion(line.files)
        draft.notes += line.remarks.map(\.text)
        problems += line.all.problems.map(ofOption)
        guard problems.isEmpty, let question = draft.question() else { throw PlanProblems(problems) }
        return ServingFile(
            name: name ?? path.map(Library.stem) ?? question.model.name ?? "model", question: question,
            notes: draft.notes)
    }

    /// A reader of the keys that the command line's options make.
    private static func optionReader(
        _ overrides: [Override], _ collector: ProblemCollector
    ) throws(PlanProblems) -> FieldReader {
        let lines = overrides.map { "\($0.key): \($0.value)" }
        let node = try YAMLFile.compose(
            text: lines.isEmpty ? "{}" : lines.joined(separator: "\n"), name: "the command line")
        return FieldReader(node, path: "", collector: collector)
    }

    /// A problem of the command line, with the name of its option.
    private static func ofOption(_ problem: PlanProblem) -> PlanProblem {
        var named = problem
        guard named.file == "" || named.file == nil else { return named }
        (named.file, named.line, named.column) = (nil, nil, nil)
        let names = ["cluster": "gpu", "model.params": "params", "model.hf": "model", "model.name": "model"]
        if !named.field.isEmpty { named.field = "--" + (names[named.field] ?? named.field) }
        return named
    }
}

/// The keys of a question that have been read.
struct ServingDraft {
    var model: Model?
    var cluster: Cluster?
    var counts: [String: Int] = [:]
    var formats: [String: StoredFormat] = [:]
    var takesLargestBatch: Bool?
    var overlaps: Bool?
    var notes: [String] = []
    private var stated: Set<String> = []

    /// Counts and their bounds.
    private static let bounds: [(key: String, range: ClosedRange<Int>)] = [
        ("devices", Bounds.devices), ("prompt", Bounds.sequence), ("output", Bounds.sequence),
        ("tensor", Bounds.devices), ("pipeline", Bounds.devices), ("expert", Bounds.devices),
        ("chunk", Bounds.sequence),
    ]

    mutating func read(_ reader: FieldReader, library: Library) {
        stated = Set(reader.keys)
        if reader.contains("model") {
            var remarks: [Remark] = []
            model = PlanModelReading.read(reader, library: library, remarks: &remarks)
            notes += remarks.map(\.text)
        }
        reader.expect("model", "cluster")
        if reader.contains("cluster") { cluster = Cluster.read(reader, library: library) }
        for (key, range) in Self.bounds { counts[key] = reader.count(key, in: range) }
        for key in ["weights", "ends", "cache"] { formats[key] = StoredFormat.read(reader, key) }
        if reader.word(ifAmong: ["max"], "batch") != nil {
            takesLargestBatch = true
        } else if let batch = reader.count("batch", in: 1...16_777_216) {
            (counts["batch"], takesLargestBatch) = (batch, false)
        }
        overlaps = reader.flag("overlap")
    }

    /// These keys, and where they are not stated those of `other`.
    func over(_ other: ServingDraft) -> ServingDraft {
        var draft = self
        draft.model = model ?? other.model
        draft.cluster = cluster ?? other.cluster
        draft.counts.merge(other.counts) { own, _ in own }
        draft.formats.merge(other.formats) { own, _ in own }
        draft.takesLargestBatch = takesLargestBatch ?? other.takesLargestBatch
        draft.overlaps = overlaps ?? other.overlaps
        draft.notes += other.notes
        draft.stated.formUnion(other.stated)
        return draft
    }

    /// Reports what is missing.
    func check(_ reader: FieldReader) {
        if !stated.contains("model") { reader.reportMissing("model", fix: "e.g. model: llama3-70b") }
        if !stated.contains("cluster") {
            reader.reportMissing("cluster", fix: "a device such as H100 (`trainyard gpus` lists them)")
        }
    }

    /// nil: the model or the cluster is not known.
    func question() -> ServingQuestion? {
        guard let model, let cluster else { return nil }
        let usual: StoredFormat =
            switch cluster.device.trainingPrecision {
            case .bf16: .bf16
            case .fp16: .fp16
            default: .fp32
            }
        let weights = formats["weights"] ?? usual
        let work = Workload(
            weights: weights, ends: formats["ends"], cache: formats["cache"] ?? usual, batch: counts["batch"] ?? 1,
            prompt: counts["prompt"] ?? ServingFile.usualPrompt, output: counts["output"] ?? ServingFile.usualOutput,
            chunk: counts["chunk"] ?? Workload.usualChunk, overlaps: overlaps ?? false)
        var question = ServingQuestion(model: model, cluster: cluster, work: work, devices: counts["devices"])
        (question.tensor, question.pipeline, question.expert) = (counts["tensor"], counts["pipeline"], counts["expert"])
        question.takesLargestBatch = takesLargestBatch ?? false
        return question
    }
}

extension StoredFormat {
    /// Reads a format: a name, or a map with a group of its own.
    static func read(_ reader: FieldReader, _ key: String) -> StoredFormat? {
        func named(_ name: String, _ reader: FieldReader, _ key: String) -> StoredFormat? {
            if let format = StoredFormat(named: name) { return format }
            let names = Self.named.map(\.name)
            reader.report(
                key, value: "'\(name)'", rule: "must be \(Wording.alternatives(names))",
                fix: Wording.didYouMean(name, among: names))
            return nil
        }
        if let name = reader.word(key) { return named(name, reader, key) }
        guard reader.contains(key), let map = reader.map(key) else { return nil }
        let name = map.text("format")
        let group = map.count("group", in: 1...65_536)
        let bits = map.number("groupBits", .plain, in: 0...65_536)
        map.reportMissing("format", fix: "e.g. {format: int4, group: 32, groupBits: 32}")
        map.reportUnknownKeys()
        guard let name, var format = named(name, map, "format") else { return nil }
        if let group { format.group = group }
        if let bits { format.groupBits = bits }
        if group != nil || bits != nil { format.name += " in groups of \(Figures.grouped(format.group ?? 1))" }
        return format
    }
}
