internal import Foundation
internal import Numbers
package import Reading

/// The language model that a Hugging Face configuration describes.
package struct HuggingFaceModel: Sendable {
    package var model: Model
    /// The file that was read.
    package var path: String
    package var modelType: String
    /// Longest sequence that the configuration states.
    package var longest: Int
    /// Remarks on the count of parameters.
    package var notes: [String]
    /// Keys that change no shape.
    package var ignored: [String]
    /// Parts beside the language model, by their keys.
    package var towers: [String]
    /// The vision towers among them that are counted.
    package var visionTowers: [VisionTower] = []
    /// Keys that say another computation than the runtime's.
    package var foreign: [PlanProblem] = []
    /// Numbers in the safetensors files beside the configuration; nil if there are none.
    package var stored: Int?

    /// Tokens of a sequence that are priced where nobody states a length.
    package static let usualSequence = 4096
    /// Most kinds of block that a model may have.
    private static let mostKinds = 256

    /// Reads the configuration at `path`: a `config.json`, a model's directory, a folder of the local cache of the Hub,
    /// or the name of a model in that cache.
    /// - Throws: all problems of the configuration.
    package static func read(
        _ path: String, library: Library, files: inout ReadFiles
    ) throws(PlanProblems) -> HuggingFaceModel {
        var none: Model?
        return try read(path, library: library, files: &files, standIn: &none)
    }

    /// Reads the configuration at `path`.
    /// - Parameter standIn: set where a configuration is refused for what its keys say together: a model that rules of a
    ///   plan's other keys can be asked for.
    static func read(
        _ path: String, library: Library, files: inout ReadFiles, standIn: inout Model?
    ) throws(PlanProblems) -> HuggingFaceModel {
        guard let file = ConfigurationPath.resolve(path, library: library) else {
            throw PlanProblems([
                PlanProblem(
                    field: "", value: "'\(path)'", rule: "no Hugging Face configuration there",
                    fix: "name a config.json, a directory with one, or a model in the local cache of the Hub")
            ])
        }
        let collector = ProblemCollector(file: file)
        defer { files.formUnion(collector.files) }
        let root = try JSONFile.read(file, collector: collector)
        let table = try TypeFactsTable(library: library)
        var reading = try read(root, file: file, table: table, collector: collector, standIn: &standIn)
        reading.stored = CheckpointCount.parameters(besides: file)
        return reading
    }

    /// Reads the configuration `root`, whose file is `file`.
    /// - Throws: all problems of the configuration.
    package static func read(
        _ root: JSONValue, file: String, table: TypeFactsTable, collector: ProblemCollector
    ) throws(PlanProblems) -> HuggingFaceModel {
        var none: Model?
        return try read(root, file: file, table: table, collector: collector, standIn: &none)
    }

    private static func read(
        _ root: JSONValue, file: String, table: TypeFactsTable, collector: ProblemCollector, standIn: inout Model?
    ) throws(PlanProblems) -> HuggingFaceModel {
        guard root.map != nil else {
            throw PlanProblems([PlanProblem(file: file, field: "", rule: "must be a map of keys and values")])
        }
        let reading = model(root, file: file, table: table, collector: collector)
        guard let reading, collector.isEmpty else {
            standIn = reading?.model.standIn
            throw collector.all
        }
        return reading
    }

    /// Remarks on the reading.
    /// - Parameter isSequenceStated: whether the user states the tokens of a sequence.
    package func remarks(isSequenceStated: Bool) -> [Remark] {
        var remarks = notes.map { Remark(.modelRead, "\(path): \($0)") }
        if let stored { remarks.append(Remark(.modelRead, "\(path): \(compared(stored))")) }
        if !towers.isEmpty {
            remarks.append(
                Remark(
                    .modelRead,
                    "\(path): the language model counts; beside it stand \(towerWords.joined(separator: ", "))"))
        }
        if !ignored.isEmpty {
            remarks.append(
                Remark(
                    .modelKeysIgnored, "\(path): keys that change no shape: \(ignored.joined(separator: ", "))"))
        }
        if !isSequenceStated, longest > model.sequence {
            remarks.append(
                Remark(
                    .sequenceAssumed,
                    "sequences of \(Figures.grouped(model.sequence)) tokens are assumed; the model takes up to "
                        + "\(Figures.grouped(longest)): state sequence"))
        }
        return remarks
    }

    /// The parts beside the language model, with the counts of vision towers.
    package var towerWords: [String] {
        towers.map { key in visionTowers.first { $0.key == key }?.words ?? key }
    }

    /// The count beside that of the safetensors files, as a phrase.
    private func compared(_ stored: Int) -> String {
        let counted = model.parameters().total
        if stored == counted { return "its safetensors files hold the same \(Figures.grouped(stored)) parameters" }
        return "its safetensors files hold \(Figures.grouped(stored)) numbers, \(Figures.grouped(counted)) are counted "
            + "(towers, layers for multi-token prediction, tied copies and packed formats differ)"
    }

    /// The configuration file that `path` means, by the rules of `read`; nil: none.
    package static func file(_ path: String, library: Library) -> String? {
        ConfigurationPath.resolve(path, library: library)
    }

    /// Whether `reference` names a configuration rather than a shape in `plans/models/`.
    package static func isConfiguration(_ reference: String, library: Library) -> Bool {
        library.modelFile(reference) == nil
            && (reference.hasSuffix(".json") || ConfigurationPath.resolve(reference, library: library) != nil)
    }

    private static func model(
        _ root: JSONValue, file: String, table: TypeFactsTable, collector: ProblemCollector
    ) -> HuggingFaceModel? {
        guard let language = LanguagePart(root, table: table, collector: collector) else { return nil }
        let configuration = language.configuration
        let type = configuration.type
        if let reason = ModelTypes.refusal(of: configuration, root: root, table: table) {
            configuration.report("model_type", value: "'\(type)'", rule: reason.rule, fix: reason.fix)
            return nil
        }
        var draft = (ModelTypes.all[type] ?? GenericType.read)(configuration)
        if let isTied = language.isTied, !configuration.facts.isNeverTied { draft.isTied = isTied }
        // Values in place of wrong ones contradict others; a contradiction is reported only between valid ones.
        let hasWrongValues = collector.problems.contains { $0.kind == .input }
        configuration.checkSpellings(of: Configuration.expertCounts)
        configuration.checkLayerTypes(draft.blocks.count)
        configuration.checkExpertGroups()
        configuration.expectComputation()
        let ignored = configuration.unasked(table: table) + language.ignored
        draft.checkHeads(configuration)
        let kinds = Set(draft.blocks).count
        if kinds > mostKinds {
            collector.adopt(
                PlanProblem(
                    field: "", value: "\(kinds)", rule: "describes more than \(mostKinds) kinds of block",
                    fix: "give more layers the same sizes"))
        }
        let drafted = kinds <= mostKinds ? draft.model(name: nil, sequence: usualSequence) : nil
        var foreign: [PlanProblem] = []
        let model = drafted.map { drafted in
            var model = drafted
            foreign = configuration.readComputation(file, longest: draft.longest, into: &model)
            return model
        }
        guard let model else { return nil }
        // Sizes out of their bounds hide no rule between other sizes.
        for problem in model.problems + model.problemsBetweenSizes {
            if let problem = configuration.placed(problem) { collector.adopt(problem) }
        }
        guard !hasWrongValues else { return nil }
        return HuggingFaceModel(
            model: model, path: file, modelType: type, longest: draft.longest,
            notes: draft.notes + language.notes + [draft.smallTensorsNote(in: model)].compactMap(\.self),
            ignored: ignored.sorted(), towers: language.towers,
            visionTowers: language.towers.compactMap {
                VisionTower.read(root.map ?? [:], key: $0, hidden: model.hidden)
            }, foreign: foreign)
    }
}

extension Draft {
    /// The share of tensors without a key from which a reader should know of them.
    private static let knownShare = 0.01

    /// A note on tensors that a plan has no key for, if they are a noticeable part of a model.
    func smallTensorsNote(in model: Model) -> String? {
        guard model.problems.isEmpty else { return nil }
        let count = blocks.reduce(0) { $0 + $1.extraParameters } + otherParameters
        guard Double(count) > Self.knownShare * Double(model.parameters().total) else { return nil }
        return
            "\(Figures.grouped(count)) parameters lie in tensors that no key of a plan describes: they count, and their "
            + "products are not priced"
    }

    /// The model of these blocks; nil if there are none.
    func model(name: String?, sequence usual: Int) -> Model? {
        guard let first = blocks.first else { return nil }
        let family: Model.Family = norm == .layerNorm && positions == .learned ? .gpt : .llama
        var model = Model(
            name: name, family: family, layers: blocks.count, hidden: hidden, heads: first.heads, vocab: vocab,
            sequence: min(longest, usual), tiedEmbeddings: isTied)
        let conventions = family.conventions
        if norm != conventions.norm { model.norm = norm }
        if positions != conventions.positions { model.positionKind = positions }
        if positions == .learned { model.positionEntries = positionEntries }
        if biases != conventions.biases { model.biases = biases.sorted() }
        model.embeddingNorm = embeddingNorm
        model.hasFinalNorm = hasFinalNorm
        model.embeddingSize = embeddingSize
        model.otherParameters = otherParameters
        model.setBlocks(blocks)
        return model
    }
}
