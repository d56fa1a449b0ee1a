package import Reading

/// Reads a configuration of GPT-NeoX as a plan.
///
/// Fields and rules are those of megatron/neox_arguments/{neox_args,deepspeed_args,arguments}.py and megatron/model/transformer.py
/// at ea7aefd8f8e1. Keys are written with hyphens or underscores.
package enum NeoXImport {
    /// - Throws: every problem of the file at once.
    package static func read(
        text: String, name: String, request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        try read([ForeignText(text, name: name)], request: request, library: library)
    }

    /// Reads the files of one run, as `deepy.py train.py 125M.yml local_setup.yml` takes them: their keys together. GPT-NeoX
    /// refuses a key that two of them have.
    /// - Throws: every problem of the files at once.
    package static func read(
        _ files: [ForeignText], request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        let collector = ProblemCollector(file: files.first?.name ?? "")
        let settings = try settings(of: files, collector)
        let reader = SettingsReader(settings, collector: collector)
        var draft = PlanDraft()
        if let kind = reader.word("train_impl"), kind.lowercased() != "normal" {
            reader.fail(
                "train_impl", "trains by pairs of answers, beside a model that stays as it is",
                fix: "a plan holds one model and plain training; write it by hand")
        }
        var reading = NeoXReading(reader: reader, request: request)
        reading.readModel(into: &draft)
        reading.readLayout(into: &draft)
        reading.readBatch(into: &draft)
        reading.readTraining(into: &draft)
        reading.readHyperparameters(into: &draft)
        reader.know(DeepspeedReading.silent + DeepspeedReading.sections)
        reader.know(reader.ignored.map(\.name).filter { name in NeoXReading.silent.contains { name.hasPrefix($0) } })
        if !request.ignoresUnknown { reader.reportMisspelt() }
        return try draft.finished(
            reader, request: request,
            source: files.count > 1
                ? "with \(files.dropFirst().map(\.shortName).joined(separator: ", ")) a configuration of GPT-NeoX"
                : "a configuration of GPT-NeoX", framework: "gpt-neox", library: library)
    }

    /// The settings of all files. Keys at the root that two of them have are reported.
    private static func settings(
        of files: [ForeignText], _ collector: ProblemCollector
    ) throws(PlanProblems) -> [Setting] {
        var all: [Setting] = []
        var mistakes: [PlanProblem] = []
        /// The first setting of every key at the root, and the number of its file.
        var first: [String: (setting: Setting, file: Int)] = [:]
        for (number, file) in files.enumerated() {
            let settings: [Setting]
            do throws(PlanProblems) {
                settings = try TreeSettings.read(text: file.text, name: file.name)
            } catch {
                mistakes += error.problems
                continue
            }
            var reported: Set<String> = []
            for setting in settings {
                var own = setting
                own.name = setting.name.replacing("-", with: "_")
                own.file = number == 0 ? nil : file.name
                let root = String(own.name.prefix { $0 != "." })
                guard let known = first[root], known.file != number else {
                    if first[root] == nil { first[root] = (own, number) }
                    all.append(own)
                    continue
                }
                guard reported.insert(root).inserted else { continue }
                collector.report(
                    root, in: own.file, line: own.line, column: own.column,
                    rule:
                        "is already in \(files[known.file].name), line \(known.setting.line), and GPT-NeoX takes a key from "
                        + "one file alone", fix: "keep one of them")
            }
        }
        guard mistakes.isEmpty else { throw PlanProblems(collector.problems + mistakes) }
        return all
    }
}
