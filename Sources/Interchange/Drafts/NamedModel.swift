internal import Models
internal import Numbers
internal import Plans
internal import Reading

extension PlanDraft {
    /// Sets the model that the user names: a shape, a Hugging Face configuration, or a number of parameters.
    mutating func setModel(_ reference: String) {
        if Library.isPath(reference) || reference.hasSuffix(".json") {
            set("model.hf", .word(reference), from: nil)
        } else if reference.first?.isNumber == true, let size = try? Count(parsing: reference) {
            set("model.params", .count(size.value), from: nil)
        } else {
            set("model.name", .word(reference), from: nil)
        }
    }
}

extension ImportRequest {
    /// The model that the user names; nil: it is not found, which reading the plan reports.
    static func model(_ reference: String, library: Library) -> Model? {
        var files = ReadFiles()
        if HuggingFaceModel.isConfiguration(reference, library: library) {
            return (try? HuggingFaceModel.read(reference, library: library, files: &files))?.model
        }
        return try? Model.read(reference, library: library, files: &files)
    }
}

extension PlanDraft {
    /// Notes settings that are `auto` and that nothing was taken in place of.
    mutating func leaveUndecided(_ reader: SettingsReader) {
        let undecided = reader.open.filter { !reader.decided.contains($0) }
        guard !undecided.isEmpty else { return }
        leave("\(undecided.joined(separator: ", ")): auto, which the training script decides")
    }

    /// Leaves the tokens of a sequence to the model.
    /// - Parameters:
    ///   - reason: why the file does not say them, as a clause.
    ///   - longest: tokens of the longest sequence of the model, where its configuration says it.
    mutating func leaveSequenceOpen(_ reason: String, longest: Int?) {
        leaveOpen("model.sequence", because: "since \(reason); change it in the plan") { plan in
            let own = plan.model.sequence
            let words =
                longest.map { $0 == own } ?? true
                ? "the model's own"
                : "the plan's default, of up to \(Figures.grouped(longest ?? own)) that the model takes"
            return "\(Figures.grouped(own)): \(words)"
        }
    }

    /// Begins to read a file of a tool whose files hold no model: takes the model that the user names, or reports that one is
    /// needed.
    mutating func reader(
        ofFileWithoutModel settings: [Setting], tool: String, request: ImportRequest, collector: ProblemCollector,
        library: Library
    ) -> SettingsReader {
        let reader = SettingsReader(settings, collector: collector, leavesAuto: true)
        let longest = request.model.flatMap { ImportRequest.longest($0, library: library) }
        leaveSequenceOpen("files of \(tool) do not state it", longest: longest)
        if let model = request.model {
            setModel(model)
        } else {
            collector.adopt(
                PlanProblem(
                    file: collector.file, field: "model", rule: "is missing: files of \(tool) hold none",
                    fix: "say it with --model, a shape such as llama3-8b or a Hugging Face configuration"))
        }
        return reader
    }
}

extension ImportRequest {
    /// Tokens of the longest sequence that a Hugging Face configuration names; nil: none.
    static func longest(_ path: String, library: Library) -> Int? {
        guard let file = library.existing(path), let root = JSONFile.value(file)?.map else { return nil }
        let text = root["text_config"]?.map ?? root
        return ["max_position_embeddings", "n_positions", "max_seq_len", "seq_length"].lazy
            .compactMap { text[$0]?.count }.first
    }
}
