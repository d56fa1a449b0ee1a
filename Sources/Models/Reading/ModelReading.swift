internal import Numbers
package import Reading

extension Model {
    /// Reads the shape called `name` in `plans/models/`.
    /// - Throws: all problems of the file, or that there is no such name.
    package static func read(_ name: String, library: Library = .standard()) throws(PlanProblems) -> Model {
        var files = ReadFiles()
        return try read(name, library: library, files: &files)
    }

    /// Reads the shape called `name`. Its file is added to `files`.
    package static func read(
        _ name: String, library: Library, files: inout ReadFiles
    ) throws(PlanProblems) -> Model {
        try readWithSource(name, library: library, files: &files).model
    }

    /// Reads the shape called `name`, and the source that its file states.
    package static func readWithSource(
        _ name: String, library: Library, files: inout ReadFiles
    ) throws(PlanProblems) -> (model: Model, source: String?) {
        guard let path = library.modelFile(name) else {
            throw PlanProblems([unknown(name, library: library)])
        }
        let collector = ProblemCollector(file: path)
        let reader = FieldReader(try YAMLFile.compose(path: path, files: &files), path: "", collector: collector)
        let name = reader.text("name") ?? name
        let fields = ModelFields(reader)
        let source = reader.text("source")
        reader.reportUnknownKeys()
        guard let model = fields.shape(name: name, reader), collector.isEmpty else { throw collector.all }
        return (model, source)
    }

    package static func unknown(_ name: String, library: Library) -> PlanProblem {
        PlanProblem(
            field: "model.name", value: "'\(name)'", rule: "no model shape of that name in plans/models/",
            fix: Library.suggestion(for: name, among: library.modelNames))
    }
}

/// The fields of a shape in a map, before defaults.
package struct ModelFields {
    private let family: Model.Family?
    /// Changes of a model, and of a block, in the order of their keys. Keys that are absent or invalid have none.
    private var edits: [(key: String, edit: ShapeKey<Model>.Edit)] = []
    private let block: BlockFields
    /// Whether fields that contradict each other give a shape all the same (`Model.standIn`).
    private let standsIn: Bool
    /// The kinds of block, in the order of the map.
    private var kinds: [(name: String, fields: BlockFields)] = []
    /// The maps of these kinds.
    private var kindReaders: [FieldReader] = []
    private let pattern: BlockPattern?

    /// - Parameter standsIn: whether fields that contradict each other are read as a shape all the same, besides the
    ///   report: one that the rules of other keys can be asked for.
    package init(_ reader: FieldReader, standsIn: Bool = false) {
        self.standsIn = standsIn
        // The order of keys in the message about an unknown key.
        reader.expect("family", "layers", "hidden", "heads", "kvHeads", "headSize", "ffn", "mlp")
        family = reader.choice("family", of: Model.Family.self)
        for key in Model.stackSizes + Model.textSizes + Model.features {
            if let edit = key.read(reader) { edits.append((key.key, edit)) }
        }
        block = BlockFields(reader)
        if let map = reader.map("kinds") {
            for name in map.keys {
                guard let kind = map.map(name) else {
                    // Named, though it says nothing.
                    kinds.append((name, BlockFields()))
                    continue
                }
                kinds.append((name, BlockFields(kind)))
                kindReaders.append(kind)
                kind.reportUnknownKeys()
            }
        }
        pattern = BlockPattern(reader)
    }

    /// Reports the keys that maps of `reader` leave out although the model `base` has none to go on from; nil: there is no
    /// such model.
    func reportMissing(_ reader: FieldReader, over base: Model?) {
        let standard = Model(family: .llama, layers: 1, hidden: 1, heads: 1, vocab: 2, sequence: 1)
        let model = base ?? standard
        for key in Model.features { key.reportMissing(reader, over: model) }
        for key in BlockShape.keys {
            let owner = model.kinds.map(\.shape).first(where: key.hasMap)
            key.reportMissing(reader, over: key.hasMap(in: model.block) ? model.block : owner ?? model.block)
        }
        // A kind of block states its maps as a whole.
        for kind in kindReaders { for key in BlockShape.keys { key.reportMissing(kind, over: standard.block) } }
    }

    /// The keys that are given with a valid value.
    private func has(_ key: String) -> Bool { edits.contains { $0.key == key } || block.has(key) }

    /// Values that a shape chosen for its size may be given.
    package var vocab: Int? { value(\.vocab, "vocab") }
    package var sequence: Int? { value(\.sequence, "sequence") }
    package var tiedEmbeddings: Bool? { value(\.tiedEmbeddings, "tiedEmbeddings") }

    private func value<Value>(_ path: KeyPath<Model, Value>, _ key: String) -> Value? {
        guard let edit = edits.first(where: { $0.key == key })?.edit else { return nil }
        var model = Model(family: .llama, layers: 1, hidden: 1, heads: 1, vocab: 2, sequence: 1)
        edit(&model)
        return model[keyPath: path]
    }

    /// Keys that change the blocks. A named shape with one of them changed loses its name.
    package static let blockKeys =
        ["family"] + Model.stackSizes.map(\.key) + BlockShape.keys.map(\.key) + Model.features.map(\.key)
        + ["kinds", "pattern"]

    /// The shape of these fields alone. Missing fields and values that do not divide are reported.
    package func shape(name: String?, _ reader: FieldReader) -> Model? {
        reportMissing(reader, over: nil)
        var required = [
            ("family", "gpt or llama"), ("layers", "e.g. layers: 32"), ("hidden", "e.g. hidden: 4096"),
            ("vocab", "e.g. vocab: 50304"), ("sequence", "tokens a sequence, e.g. 2048"),
        ]
        // Sizes of what no block has need not be stated.
        let fields = kinds.isEmpty ? [[block]] : kinds.map { [block, $0.fields] }
        let (needsHeads, needsWidth) = (
            fields.contains(where: BlockFields.needHeads), fields.contains(where: BlockFields.needWidth)
        )
        // A picture has a number of tokens of its own, and no vocabulary.
        if reader.contains("image") || reader.contains("video") { required.removeLast(2) }
        if needsHeads { required.insert(("heads", "e.g. heads: 32"), at: 3) }
        for (key, fix) in required { reader.reportMissing(key, fix: fix) }
        if family == .llama, needsWidth {
            reader.reportMissing("ffn", fix: "llama shapes have no rule for it, e.g. ffn: 11008")
        }
        var missing = Set(required.dropFirst().map(\.0).filter { !has($0) })
        if family == nil { missing.insert("family") }
        if family == .llama, needsWidth, !has("ffn") { missing.insert("ffn") }
        guard missing.isEmpty || standsIn else { return nil }
        var model = Model(family: family ?? .llama, layers: 1, hidden: 1, heads: 1, vocab: 2, sequence: 1)
        if !missing.isEmpty {
            // Rules of the other keys are asked of sizes that divide by all degrees in use.
            let plain = Model.plain(layers: Bounds.layers.upperBound)
            if missing.contains("layers") { model.layers = plain.layers }
            if missing.contains("hidden") { model.hidden = plain.hidden }
            if missing.contains("vocab") { model.vocab = plain.vocab }
            if missing.contains("sequence") { model.sequence = plain.sequence }
        }
        for (_, edit) in edits { edit(&model) }
        if model.hasPicture { model.block.causal = false }
        block.apply(to: &model.block)
        if missing.contains("heads") { model.heads = has("kvHeads") ? model.kvHeads : model.hidden }
        let heads = model.heads
        if !has("kvHeads") { model.kvHeads = heads }
        if !has("headSize") { model.headSize = has("heads") || needsHeads ? max(1, model.hidden / heads) : 1 }
        if !has("ffn") { model.ffn = needsWidth ? 4 * model.hidden : 1 }
        model.name = name
        setKinds(of: &model, reader)
        model.settlePicture()
        return checked(model, reader, missing: missing)
    }

    /// The shape `base` with these fields replaced.
    package func shape(over base: Model, _ reader: FieldReader) -> Model? {
        reportMissing(reader, over: base)
        var model = base
        model.family = family ?? base.family
        for (_, edit) in edits { edit(&model) }
        if model.hasPicture, !base.hasPicture {
            model.block.causal = false
            for index in model.kinds.indices { model.kinds[index].shape.causal = false }
        }
        func change(_ shape: inout BlockShape, from base: BlockShape) {
            block.apply(to: &shape)
            if !has("kvHeads"), base.kvHeads == base.heads { shape.kvHeads = shape.heads }
            if !has("headSize"), has("hidden") || has("heads") { shape.headSize = model.hidden / max(1, shape.heads) }
        }
        change(&model.block, from: base.block)
        // A kind that has the base's value of a key gets the new one.
        for index in model.kinds.indices {
            let kind = base.kinds[index].shape
            for (key, edit) in block.edits where key.isSame(kind, base.block) || key.hasMap(in: kind) {
                edit(&model.kinds[index].shape)
            }
            if model.kinds[index].shape.heads != kind.heads, kind.kvHeads == kind.heads, !has("kvHeads") {
                model.kinds[index].shape.kvHeads = model.kinds[index].shape.heads
            }
            if !has("headSize"), kind.headSize == base.headSize {
                model.kinds[index].shape.headSize = model.headSize
            }
        }
        setKinds(of: &model, reader)
        if Self.blockKeys.contains(where: reader.contains) { model.name = nil }
        model.settlePicture()
        return checked(model, reader)
    }

    /// Sets the kinds of block and their pattern, where the fields give them.
    private func setKinds(of model: inout Model, _ reader: FieldReader) {
        guard !kinds.isEmpty || pattern != nil else { return }
        if !kinds.isEmpty {
            model.kinds = kinds.map { kind in
                var shape = model.block
                for (key, _) in kind.fields.edits { key.clear(&shape) }
                kind.fields.apply(to: &shape)
                if kind.fields.has("heads"), !kind.fields.has("kvHeads"), model.block.kvHeads == model.block.heads {
                    shape.kvHeads = shape.heads
                }
                return BlockKind(name: kind.name, shape: shape)
            }
            model.pattern = []
            if pattern == nil, !reader.contains("pattern") {
                reader.report(
                    "kinds", rule: "need a pattern that says which block is of which kind",
                    fix: "e.g. pattern: (\(kinds[0].name)*3 \(kinds[kinds.count - 1].name))*\(max(1, model.layers / 4))"
                )
            }
        }
        if let pattern { model.pattern = pattern.blocks(of: model, reader) ?? [] }
    }

    /// Checks the rules between fields.
    /// - Parameter missing: keys without a value, which other values stand for. They were reported.
    private func checked(_ model: Model, _ reader: FieldReader, missing: Set<String> = []) -> Model? {
        var sound = missing.isEmpty
        if !block.has("headSize"), model.mla == nil, model.block.hasSoftmax, has("hidden") || has("heads"),
            missing.isDisjoint(with: ["hidden", "heads"]), model.hidden % model.heads != 0
        {
            let near = Divisors.of(model.hidden)
            let choices = [near.last { $0 <= model.heads }, near.first { $0 > model.heads }].compactMap(\.self)
            reader.report(
                "heads", value: "\(model.heads)", rule: "must divide hidden \(model.hidden)",
                fix: "use \(Wording.alternatives(choices.map(String.init))), or set headSize", kind: .misfit)
            sound = false
        }
        let contradictions = pictureContradictions(model, reader)
        for (key, problem) in model.shapeProblems + contradictions {
            var problem = problem
            problem.field = reader.join(key)
            reader.collector.adopt(problem)
            sound = false
        }
        if model.kinds.isEmpty, let moe = model.moe, model.mixtureLayers == 0 {
            refuseToBeDense(moe, layers: model.layers, reader)
            sound = false
        }
        if !model.kinds.isEmpty, model.pattern.count != model.layers {
            if !model.pattern.isEmpty, !missing.contains("layers") {
                reader.report(
                    reader.contains("pattern") ? "pattern" : "layers",
                    value: "\(model.pattern.count) blocks",
                    rule: "the pattern must name a kind for each of the \(model.layers) layers",
                    fix: "write the pattern for \(model.layers) layers", kind: .misfit)
            }
            return standsIn ? model.standIn : nil
        }
        guard sound else { return standsIn ? model.standIn : nil }
        if let problem = model.countProblem {
            reader.collector.report(
                reader.path, at: reader.mark, value: problem.value, rule: problem.rule, fix: problem.fix)
            return nil
        }
        return model
    }

    /// Stated sizes of a text that an image or a video contradicts.
    private func pictureContradictions(
        _ model: Model, _ reader: FieldReader
    ) -> [(key: String, problem: PlanProblem)] {
        func problem(_ key: String, _ rule: String) -> (key: String, problem: PlanProblem) {
            let fix = "remove \(key)"
            return (key, PlanProblem(.misfit, field: "", value: reader.scalar(key) ?? "", rule: rule, fix: fix))
        }
        guard let picture = model.picture else {
            guard model.vocab < Bounds.vocab.lowerBound else { return [] }
            return [("vocab", PlanProblem(field: "", value: "(not given)", rule: "a model of text needs a vocabulary"))]
        }
        guard picture.problems.isEmpty else { return [] }
        var problems: [(key: String, problem: PlanProblem)] = []
        if let stated = sequence, stated != model.sequence {
            problems.append(
                problem(
                    "sequence",
                    "must be the \(Figures.grouped(model.sequence)) tokens that \(model.tokensInWords) make"))
        }
        for key in ["vocab", "tiedEmbeddings", "embeddingSize"] where reader.contains(key) {
            problems.append(problem(key, "images and videos have no vocabulary"))
        }
        return problems
    }

    /// Reports the fields that leave a model with `moe` without any block with experts.
    private func refuseToBeDense(_ moe: Model.Mixture, layers: Int, _ reader: FieldReader) {
        func refuse(_ key: String, _ value: Int, _ rule: String) {
            reader.collector.adopt(
                PlanProblem(
                    .misfit, field: reader.join("moe.\(key)"), value: Figures.grouped(value),
                    rule: "must leave a block with experts: \(rule)", fix: "or remove moe for a dense model"))
        }
        if moe.firstDense >= layers { refuse("firstDense", moe.firstDense, "below layers \(layers)") }
        let rest = moe.firstDense < layers ? layers - moe.firstDense : layers
        if moe.every > rest {
            refuse("every", moe.every, "at most \(rest)" + (rest < layers ? ", layers less firstDense" : ", layers"))
        }
    }
}

/// The fields of a block's shape in a map.
struct BlockFields {
    /// Changes in the order of their keys. Keys that are absent or invalid have none.
    private(set) var edits: [(key: ShapeKey<BlockShape>, edit: ShapeKey<BlockShape>.Edit)] = []

    /// Fields of a map without keys.
    init() {}

    init(_ reader: FieldReader) {
        for key in BlockShape.keys { if let edit = key.read(reader) { edits.append((key, edit)) } }
    }

    func has(_ key: String) -> Bool { edits.contains { $0.key.key == key } }

    /// The shape that fields give which one after the other change a block.
    private static func shape(_ fields: [BlockFields]) -> BlockShape {
        var shape = BlockShape(heads: 1, kvHeads: 1, headSize: 1, ffn: 1, mlp: .gelu)
        for one in fields { one.apply(to: &shape) }
        return shape
    }

    /// Whether a block with these fields has softmax attention, or no sizes of a token mixer either.
    static func needHeads(_ fields: [BlockFields]) -> Bool {
        let shape = shape(fields)
        return shape.hasSoftmax || shape.mixers.isEmpty && fields.count == 1
    }

    /// Whether a block with these fields has a dense feed-forward half.
    static func needWidth(_ fields: [BlockFields]) -> Bool { shape(fields).halves.hasFeedForward }

    func apply(to shape: inout BlockShape) { for (_, edit) in edits { edit(&shape) } }
}
