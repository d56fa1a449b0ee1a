internal import Models
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

extension SettingsReader {
    /// Reports that a file without a model needs one.
    func needsModel(_ request: ImportRequest, tool: String) {
        guard request.model == nil else { return }
        collector.adopt(
            PlanProblem(
                file: file, field: "model", rule: "is missing: files of \(tool) hold none",
                fix: "say it with --model, a shape such as llama3-8b or a Hugging Face configuration"))
    }
}
