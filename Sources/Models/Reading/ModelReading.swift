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
        guard let path = library.modelFile(name) else {
            throw PlanProblems([unknown(name, library: library)])
        }
        let collector = ProblemCollector(file: path)
        let reader = FieldReader(try YAMLFile.compose(path: path, files: &files), path: "", collector: collector)
        let name = reader.text("name") ?? name
        let fields = ModelFields(reader)
        _ = reader.text("source")
        reader.reportUnknownKeys()
        guard let model = fields.shape(name: name, reader), collector.isEmpty else { throw collector.all }
        return model
    }

    package static func unknown(_ name: String, library: Library) -> PlanProblem {
        PlanProblem(
            field: "model.name", value: "'\(name)'", rule: "no model shape of that name in plans/models/",
            fix: Library.suggestion(for: name, among: library.modelNames))
    }
}

/// The fields of a shape in a map, before defaults; nil for a field that is absent or invalid.
package struct ModelFields {
    package var family: Model.Family?
    /// Values of the stack's, the block's and the text's sizes by their keys.
    private var sizes: [String: Int] = [:]
    package var vocab: Int? { sizes["vocab"] }
    package var sequence: Int? { sizes["sequence"] }
    package var mlp: Model.MLP?
    package var tiedEmbeddings: Bool?
    package var moe: Model.Mixture?
    package var mla: Model.LatentAttention?

    package init(_ reader: FieldReader) {
        // The order of keys in the message about an unknown key.
        reader.expect("family", "layers", "hidden", "heads", "kvHeads", "headSize", "ffn", "mlp")
        family = reader.choice("family", of: Model.Family.self)
        for size in Model.stackSizes { sizes[size.key] = size.count(reader) }
        for size in BlockShape.sizes { sizes[size.key] = size.count(reader) }
        for size in Model.textSizes { sizes[size.key] = size.count(reader) }
        mlp = reader.choice("mlp", of: Model.MLP.self)
        tiedEmbeddings = reader.flag("tiedEmbeddings")
        moe = reader.map("moe").flatMap(Model.Mixture.init)
        mla = reader.map("mla").flatMap(Model.LatentAttention.init)
    }

    /// Keys that change the blocks. A named shape with one of them changed loses its name.
    package static let blockKeys =
        ["family"] + Model.stackSizes.map(\.key) + BlockShape.sizes.map(\.key) + ["mlp", "moe", "mla"]

    /// The shape of these fields alone. Missing fields and values that do not divide are reported.
    package func shape(name: String?, _ reader: FieldReader) -> Model? {
        let required = [
            ("family", "gpt or llama"), ("layers", "e.g. layers: 32"), ("hidden", "e.g. hidden: 4096"),
            ("heads", "e.g. heads: 32"), ("vocab", "e.g. vocab: 50304"), ("sequence", "tokens a sequence, e.g. 2048"),
        ]
        for (key, fix) in required { reader.reportMissing(key, fix: fix) }
        if family == .llama { reader.reportMissing("ffn", fix: "llama shapes have no rule for it, e.g. ffn: 11008") }
        guard let family, let layers = sizes["layers"], let hidden = sizes["hidden"], let heads = sizes["heads"],
            let vocab, let sequence
        else { return nil }
        if family == .llama, sizes["ffn"] == nil { return nil }
        var model = Model(
            name: name, family: family, layers: layers, hidden: hidden, heads: heads, mlp: mlp, vocab: vocab,
            sequence: sequence, tiedEmbeddings: tiedEmbeddings, moe: moe, mla: mla)
        setSizes(of: &model)
        return checked(model, reader)
    }

    private func setSizes(of model: inout Model) {
        for size in Model.stackSizes + Model.textSizes {
            if let value = sizes[size.key] { size.set(&model, to: value) }
        }
        for size in BlockShape.sizes { if let value = sizes[size.key] { size.set(&model.block, to: value) } }
    }

    /// The shape `base` with these fields replaced.
    package func shape(over base: Model, _ reader: FieldReader) -> Model? {
        var model = base
        model.family = family ?? base.family
        setSizes(of: &model)
        if sizes["kvHeads"] == nil, base.kvHeads == base.heads { model.kvHeads = model.heads }
        if sizes["headSize"] == nil, sizes["hidden"] != nil || sizes["heads"] != nil {
            model.headSize = model.hidden / model.heads
        }
        model.mlp = mlp ?? base.mlp
        model.tiedEmbeddings = tiedEmbeddings ?? base.tiedEmbeddings
        model.moe = moe ?? base.moe
        model.mla = mla ?? base.mla
        if Self.blockKeys.contains(where: reader.contains) { model.name = nil }
        return checked(model, reader)
    }

    /// Checks the rules between fields.
    private func checked(_ model: Model, _ reader: FieldReader) -> Model? {
        var sound = true
        if sizes["headSize"] == nil, model.mla == nil, sizes["hidden"] != nil || sizes["heads"] != nil,
            model.hidden % model.heads != 0
        {
            let near = Divisors.of(model.hidden)
            let choices = [near.last { $0 <= model.heads }, near.first { $0 > model.heads }].compactMap(\.self)
            reader.report(
                "heads", value: "\(model.heads)", rule: "must divide hidden \(model.hidden)",
                fix: "use \(Wording.alternatives(choices.map(String.init))), or set headSize", kind: .misfit)
            sound = false
        }
        if model.mla == nil, model.heads % model.kvHeads != 0 {
            reader.report(
                "kvHeads", value: "\(model.kvHeads)", rule: "must divide heads \(model.heads)",
                fix: "every key/value head serves the same number of heads", kind: .misfit)
            sound = false
        }
        if let moe = model.moe, moe.topK > moe.experts {
            reader.report(
                "moe", value: "topK \(moe.topK)", rule: "must be at most the \(moe.experts) experts", kind: .misfit)
            sound = false
        }
        if let moe = model.moe, model.mixtureLayers == 0 {
            refuseToBeDense(moe, layers: model.layers, reader)
            sound = false
        }
        if let problem = model.countProblem {
            reader.collector.report(
                reader.path, at: reader.mark, value: problem.value, rule: problem.rule, fix: problem.fix)
            sound = false
        }
        return sound ? model : nil
    }
}

extension ModelFields {
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

extension Model.Mixture {
    /// Reads `moe:`. nil, after a report, if something is missing.
    package init?(_ reader: FieldReader) {
        self.init(experts: 0, topK: 0, ffn: 0)
        guard SizeKey.read(Self.sizes, reader, into: &self) else { return nil }
        if sharedFfn == 0 { sharedFfn = ffn }
    }
}

extension Model.LatentAttention {
    /// Reads `mla:`. nil, after a report, if something is missing.
    package init?(_ reader: FieldReader) {
        self.init(queryRank: 0, kvRank: 0, nopeSize: 0, ropeSize: 0, valueSize: 0)
        guard SizeKey.read(Self.sizes, reader, into: &self) else { return nil }
    }
}

extension Model {
    /// The keys and values of a shape as lines of a plan.
    package var yaml: [String] {
        var lines = ["family: \(family.rawValue)"] + Self.stackSizes.compactMap { $0.line(of: self) }
        lines += BlockShape.sizes.compactMap { $0.line(of: block) }
        lines += ["mlp: \(mlp.rawValue)"] + Self.textSizes.compactMap { $0.line(of: self) }
        lines.append("tiedEmbeddings: \(tiedEmbeddings)")
        func indented(_ line: String) -> String { "  " + line }
        if let moe { lines += ["moe:"] + Model.Mixture.sizes.compactMap { $0.line(of: moe).map(indented) } }
        if let mla { lines += ["mla:"] + Model.LatentAttention.sizes.compactMap { $0.line(of: mla).map(indented) } }
        return lines
    }
}
