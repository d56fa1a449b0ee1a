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
    /// Notes the settings that are left to the training script.
    mutating func leaveOpen(_ reader: SettingsReader) {
        guard !reader.open.isEmpty else { return }
        leave("\(reader.open.joined(separator: ", ")): auto, which the training script decides")
    }

    /// Leaves the tokens of a sequence to the model.
    /// - Parameter reason: why the file does not say them, as a clause.
    mutating func leaveSequenceOpen(_ reason: String) {
        leaveOpen("model.sequence", because: "the model's own, since \(reason); change it in the plan") {
            Figures.grouped($0.model.sequence)
        }
    }

    /// Begins to read a file of a tool whose files hold no model: takes the model that the user names, or reports that one is
    /// needed.
    mutating func reader(
        ofFileWithoutModel settings: [Setting], tool: String, request: ImportRequest, collector: ProblemCollector
    ) -> SettingsReader {
        let reader = SettingsReader(settings, collector: collector, leavesAuto: true)
        leaveOpen(reader)
        leaveSequenceOpen("files of \(tool) do not state it")
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
