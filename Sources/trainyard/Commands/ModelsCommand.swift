internal import ArgumentParser
internal import Models
internal import Output
internal import Reading
internal import Reports

/// `trainyard models`: the named shapes, or the parts of a model with their parameters.
struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "List the named models, or count the parameters of one.",
        discussion: """
            Without an argument: every shape in plans/models/ with its parameters and source. With names or Hugging Face \
            configurations (a config.json, a model's directory, its name in the local cache of the Hub): the parameters \
            of each part, the keys that change no shape, and the lines that say the same in a plan.

              trainyard models
              trainyard models deepseek-v3
              trainyard models Qwen3-32B/config.json --json
            """)

    @Argument(help: "Names in plans/models/, or Hugging Face configurations.")
    var names: [String] = []

    @Flag(help: "Print one JSON document.")
    var json = false

    @Option(help: "Columns of the table; those of the terminal if left out.")
    var width: Count?

    mutating func run() throws {
        let library = Library.standard()
        var entries: [ModelReport.Entry] = []
        var problems: [PlanProblem] = []
        for name in names.isEmpty ? library.modelNames : names {
            var files = ReadFiles()
            do throws(PlanProblems) {
                if HuggingFaceModel.isConfiguration(name, library: library) {
                    entries.append(ModelReport.Entry(try HuggingFaceModel.read(name, library: library, files: &files)))
                } else {
                    let (model, source) = try Model.readWithSource(name, library: library, files: &files)
                    entries.append(ModelReport.Entry(model, name: name, source: source))
                }
            } catch {
                problems += error.problems
            }
        }
        guard problems.isEmpty else { throw PlanProblems(problems) }
        let report = ModelReport(entries)
        if json {
            try print(report.json())
        } else {
            let lines = names.isEmpty ? report.table(width: width?.value ?? Console.width) : report.parts
            try print(lines.joined(separator: "\n"))
        }
    }
}
