internal import ArgumentParser
internal import Foundation
internal import Interchange
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Reports

/// `trainyard import FILE`: a run of another tool as a plan.
struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Turn another tool's run configuration into a plan.",
        discussion: """
            The kind of file is recognised by what it holds; --from names it where that fails. Kinds:

            \(ImportFormat.allCases.map { "  \($0.rawValue): \($0.words)" }.joined(separator: "\n"))

            What the file does not say is concluded and printed as a note, and so is what a plan cannot hold. The plan \
            goes to standard output, or to --out:

              trainyard import train_gpt.sh --devices 64 --cluster h100-80g-sxm --out plan.yaml
              trainyard plan plan.yaml
              trainyard plan plan.yaml --search

            Exit codes: 0 done; 2 a file or an option that cannot be read, or contradicts itself or another; 3 a run whose \
            numbers are valid and do not fit together: degrees that do not divide the devices, a batch that is no multiple of \
            its parts.
            """)

    @Argument(help: ArgumentHelp("The file of the other tool; of GPT-NeoX, all files of the run.", valueName: "file"))
    var files: [String]

    @Option(help: ArgumentHelp("Kind of the file.", valueName: "kind"))
    var from: ImportFormat?

    @Option(
        name: [.customLong("devices"), .customLong("world")],
        help: "Devices of the run, where the file does not say it.")
    var devices: Count?

    @Option(
        help: ArgumentHelp(
            "The model, where the file holds none: a named shape, a Hugging Face configuration, or a number of parameters.",
            valueName: "name|config.json|count"))
    var model: String?

    @Option(help: "The cluster: a device such as H100, a name in cluster/, or a cluster file.")
    var cluster: String?

    @Option(help: "Tokens of the whole run, instead of the file's.")
    var tokens: Amount?

    @Option(help: "Entries of the vocabulary, where the file names a tokenizer alone.")
    var vocab: Count?

    @Option(help: "The software, instead of that of the file's tool.")
    var framework: String?

    @Option(help: ArgumentHelp("Write the plan to this file.", valueName: "plan.yaml"))
    var out: String?

    @Flag(help: "Replace the file of --out if it is there already.")
    var force = false

    @Flag(help: "Go on without settings that the tool does not know, as a fork of it may have; they are named.")
    var ignoreUnknown = false

    @Flag(help: "Print one JSON document: the plan's text, what was concluded, left out and ignored.")
    var json = false

    mutating func run() throws {
        let outputs = out.map { [NamedPath("--out", $0)] } ?? []
        try OutputFile.check(outputs)
        var sources = ReadFiles()
        var texts: [ForeignText] = []
        for file in files { texts.append(ForeignText(try YAMLFile.text(path: file, files: &sources), name: file)) }
        try OutputFile.check(outputs, reading: files.map { NamedPath("the file", $0) }, sources)
        if from == nil, let plan = texts.first(where: { ImportFormat.isPlan($0) }) {
            throw Failure.input("\(plan.name): is already a plan: trainyard plan \(plan.name)")
        }
        if let out, !force, FileManager.default.fileExists(atPath: out), !out.hasPrefix("/dev/") {
            throw Failure.input("--out: \(out): is there already; name another file, or replace it with --force")
        }
        guard let format = from ?? ImportFormat.detect(texts) else {
            // A mistake in the syntax hides what a file is.
            for text in texts { _ = try TreeSettings.read(text: text.text, name: text.name) }
            throw Failure.input(
                "\(files.joined(separator: ", ")): is no configuration that is known here; say what it is with --from "
                    + Wording.alternatives(ImportFormat.allCases.map(\.rawValue)))
        }
        let request = ImportRequest(
            devices: devices?.value, cluster: cluster, tokens: tokens?.value, framework: framework,
            vocab: vocab?.value, model: model, ignoresUnknown: ignoreUnknown)
        let imported = try format.read(texts, request: request, library: .standard(besides: files[0]))
        for line in imported.inferred { Console.note("concluded: \(line)") }
        for line in imported.left { Console.note("left out: \(line)") }
        if !imported.ignored.isEmpty { Console.note("ignored: \(imported.ignored.joined(separator: ", "))") }
        if let out { try OutputFile.write(imported.text, to: out) }
        if json {
            try print(
                JSONDocument.text(
                    Document(
                        format: format.rawValue, source: imported.source, plan: imported.text,
                        concluded: imported.inferred,
                        leftOut: imported.left, ignored: imported.ignored)))
        } else if let out {
            Console.note(
                "price it with `trainyard plan \(out)`, look for a better layout with `trainyard plan \(out) --search`")
        } else {
            try print(imported.text, terminator: "")
        }
    }
}

extension ImportCommand {
    private struct Document: Encodable {
        var format, source, plan: String
        var concluded, leftOut, ignored: [String]
    }
}

extension ImportFormat: ExpressibleByArgument {}
