package import Reading

/// Reads `model:` of a plan: a name, a parameter count or a shape.
package enum PlanModelReading {
    /// - Parameter remarks: gets what a reader should know about a model that was read from elsewhere.
    /// - Returns: the model. After a report it may be `Model.standIn`, so that rules between the model and other keys
    ///   can be checked all the same; nil if there is nothing to check them with.
    package static func read(_ plan: FieldReader, library: Library, remarks: inout [Remark]) -> Model? {
        // `model: gpt3-175b` means the same as `model: {name: gpt3-175b}`.
        guard plan.contains("model") else {
            plan.reportMissing("model", fix: "e.g. model: {name: gpt3-175b}, or {params: 100B}")
            return nil
        }
        if let name = plan.word("model") { return named(name, plan, key: "model", library: library) }
        guard let reader = plan.map("model") else { return nil }
        let fields = ModelFields(reader, standsIn: true)
        let name = reader.text("name")
        let parameters = reader.number("params", .count, in: 0...1e30)
        let configuration = reader.text("hf")
        reader.reportUnknownKeys()

        let sources = [("name", name != nil), ("params", parameters != nil), ("hf", configuration != nil)]
            .filter(\.1).map(\.0)
        if sources.count > 1 {
            reader.report(
                sources[sources.count - 1],
                rule: "a model has one of name, params and hf, not \(sources.count) of them",
                fix: "remove \(sources.count > 2 ? "two" : "one") of them")
            return nil
        }
        if let configuration {
            guard let base = huggingFace(configuration, reader, library: library, remarks: &remarks) else { return nil }
            return fields.shape(over: base, reader)
        }
        if let name {
            // A full shape may have a name of its own that is not in plans/models/.
            if library.modelFile(name) == nil, reader.contains("layers"), reader.contains("hidden") {
                return fields.shape(name: name, reader)
            }
            guard let base = named(name, reader, key: "name", library: library) else { return nil }
            return fields.shape(over: base, reader)
        }
        if reader.contains("params") {
            guard let parameters else { return nil }
            return shaped(parameters, fields, reader)
        }
        if reader.contains("hf") { return nil }  // A wrong value was reported when it was read.
        return fields.shape(name: nil, reader)
    }

    private static func huggingFace(
        _ path: String, _ reader: FieldReader, library: Library, remarks: inout [Remark]
    ) -> Model? {
        var standIn: Model?
        do throws(PlanProblems) {
            let reading = try HuggingFaceModel.read(
                path, library: library, files: &reader.collector.files, standIn: &standIn)
            remarks += reading.remarks(isSequenceStated: reader.contains("sequence"))
            return reading.model
        } catch {
            for problem in error.problems {
                if problem.file == nil { reader.report("hf", problem) } else { reader.collector.adopt(problem) }
            }
            return standIn
        }
    }

    private static func named(_ name: String, _ reader: FieldReader, key: String, library: Library) -> Model? {
        guard library.modelFile(name) != nil else {
            let problem = Model.unknown(name, library: library)
            reader.report(key, value: problem.value, rule: problem.rule, fix: problem.fix)
            return nil
        }
        do throws(PlanProblems) {
            return try Model.read(name, library: library, files: &reader.collector.files)
        } catch {
            error.problems.forEach(reader.collector.adopt)
            return nil
        }
    }

    private static func shaped(_ parameters: Double, _ fields: ModelFields, _ reader: FieldReader) -> Model? {
        let range = Model.shapeableParameters
        guard range.contains(parameters) else {
            reader.report(
                "params", rule: "a shape is chosen for 10 million to 20 trillion parameters",
                fix: "describe a smaller model by its shape")
            return nil
        }
        let clash = ModelFields.blockKeys.filter(reader.contains)
        guard clash.isEmpty else {
            fields.reportMissing(reader, over: nil)
            for key in clash {
                reader.report(
                    key, rule: "params chooses the blocks itself",
                    fix: "remove params and give the whole shape, or remove \(key)")
            }
            return nil
        }
        return Model.shaped(
            parameters: parameters, vocab: fields.vocab, sequence: fields.sequence,
            tiedEmbeddings: fields.tiedEmbeddings)
    }
}
