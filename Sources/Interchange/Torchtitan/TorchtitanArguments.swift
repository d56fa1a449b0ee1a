package import Reading

/// The settings of a run of torchtitan: those of its older TOML files, or of the flags that it takes today.
package struct TorchtitanArguments {
    package var settings: [Setting] = []
    /// The kind of the file, for people.
    package var kind = ""
    /// The module that `--module` names, and its function.
    package var module: Setting?
    package var config: Setting?
    /// Whether the settings are flags, which came with other defaults than TOML files.
    package var isFlags = false
    /// Devices of the run, as the options of torchrun say.
    package var devices: Setting?
    /// Why the devices are not known, as a clause; nil: nothing says them.
    private(set) var whyUnknown: String?
    /// What the script leaves to the environment, and how it was decided.
    private(set) var decided: [String] = []
    /// Arguments of no section, where the user leaves them aside.
    private(set) var unknown: [String] = []
    private var ignoresUnknown = false

    package init(text: String, ignoresUnknown: Bool = false, collector: ProblemCollector) throws(PlanProblems) {
        self.ignoresUnknown = ignoresUnknown
        let first = text.split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }.first {
            !$0.isEmpty && !$0.hasPrefix("#")
        }
        let isNamed = collector.file.lowercased().hasSuffix(".toml")
        let hasTable = text.split(whereSeparator: \.isNewline).contains {
            TOMLSettings.table($0.drop(while: \.isWhitespace)) != nil
        }
        if first?.hasPrefix("--") != true, isNamed || hasTable {
            kind = "a TOML file of torchtitan"
            settings = try TOMLSettings.read(text: text, name: collector.file)
            return
        }
        isFlags = true
        if first?.hasPrefix("--") == true {
            kind = "a list of torchtitan's arguments"
            // Every line is a command of its own, whose words are arguments.
            read(ShellScript(text).commands.flatMap { $0 }, isList: true, collector: collector)
        } else {
            kind = "a script that starts torchtitan"
            let batch = BatchDirectives(text)
            let script = ShellScript(text, file: collector.file, environment: batch.variables)
            let ranked = script.commands.map { command in
                (command, command.count { Self.isFlag($0.string) } + (Self.program(command) == nil ? 0 : 1000))
            }
            guard let best = ranked.max(by: { $0.1 < $1.1 }), best.1 > 0 else {
                collector.adopt(
                    PlanProblem(
                        file: collector.file, field: "", rule: "has no command with arguments of torchtitan",
                        fix: "give its TOML file, a list of its arguments, or a script that starts torchtitan.train"))
                return
            }
            decided = script.decisions.remarks(on: best.0)
            read(best.0, isList: false, batch: batch, collector: collector)
        }
        readBase(collector)
    }

    static let sections = [
        "job", "profiling", "profiler", "metrics", "model", "optimizer", "lr_scheduler", "training", "parallelism",
        "checkpoint", "activation_checkpoint", "compile", "quantize", "comm", "memory_estimation", "fault_tolerance",
        "experimental", "validation", "validator", "debug", "dataloader", "loss", "tokenizer", "override", "float8",
        "mx",
        "module", "config", "hf_assets_path", "dump_folder", "model_spec",
    ]

    /// Tables of TOML files of any release.
    static let tables = [
        "model.converters", "float8.filter_fqns", "memory_estimation.enabled", "fault_tolerance.enable",
        "quantize.linear",
        "quantize.grouped_mm", "flux", "encoder", "inference", "deepseek", "hf_datasets", "ft",
    ]

    private static func isFlag(_ word: String) -> Bool {
        word.hasPrefix("--") && sections.contains(section(word))
    }

    private static func section(_ word: String) -> String {
        String(word.dropFirst(2).prefix { $0 != "." && $0 != "=" }.map { $0 == "-" ? "_" : $0 })
    }

    /// Where a command names torchtitan's program; nil: it does not.
    private static func program(_ command: [PlacedText]) -> Int? {
        command.firstIndex { TorchtitanDetection.isProgram($0.string) }
    }

    private mutating func read(
        _ command: [PlacedText], isList: Bool, batch: BatchDirectives = BatchDirectives(), collector: ProblemCollector
    ) {
        // What stands before the program belongs to the launcher.
        let program = isList ? nil : Self.program(command) ?? command.firstIndex { $0.string.hasSuffix(".py") }
        if !isList {
            let launched = LauncherOptions(command.prefix(program ?? command.count), batch: batch)
            (devices, whyUnknown) = (launched.devices, launched.whyUnknown)
        }
        let words = Array(command.dropFirst(program.map { $0 + 1 } ?? 0))
        let isOwn = isList || program != nil
        var index = 0
        while index < words.count {
            let word = words[index]
            index += 1
            let text = word.string
            if text.hasPrefix("activation-checkpoint:") || text.hasPrefix("activation_checkpoint:") {
                add(
                    "activation_checkpoint", written: text, .word(String(text.split(separator: ":")[1...].joined())),
                    word)
                continue
            }
            guard text.hasPrefix("--") else {
                if isList {
                    collector.report(
                        text, line: word.place.line, column: word.place.column, rule: "belongs to no argument",
                        fix: "remove it")
                }
                continue
            }
            if !Self.isFlag(text), isOwn, ignoresUnknown {
                unknown.append(String(text.prefix { $0 != "=" }))
                if index < words.count, !words[index].string.hasPrefix("--") { index += 1 }
                continue
            }
            if !Self.isFlag(text), !isOwn || reportUnknown(word, isList: isList, collector) {
                if index < words.count, !words[index].string.hasPrefix("--") { index += 1 }
                continue
            }
            let flag = text.dropFirst(2).prefix { $0 != "=" }
            var name = String(flag.map { $0 == "-" ? "_" : $0 })
            var values: [String] = []
            if let equals = text.firstIndex(of: "=") {
                values = [String(text[text.index(after: equals)...])]
            } else {
                while index < words.count, !words[index].string.hasPrefix("--"),
                    !words[index].string.hasPrefix("activation-checkpoint:")
                {
                    values.append(words[index].string)
                    index += 1
                }
            }
            if values.isEmpty, let dot = name.lastIndex(of: "."), name[dot...].hasPrefix(".no_") {
                name = String(name[...dot] + name[dot...].dropFirst(4))
                values = ["false"]
            }
            add(
                name, written: String(flag.isEmpty ? "--" : "--\(flag)"),
                values.isEmpty ? .nothing : values.count == 1 ? .word(values[0]) : .list(values), word)
        }
    }

    /// Reports an argument of an unknown section that is a slip of the pen away from a known one, or of none. Others may be those
    /// of a newer release or of a module of its own.
    /// - Returns: whether it is no setting.
    private func reportUnknown(_ word: PlacedText, isList: Bool, _ collector: ProblemCollector) -> Bool {
        let section = Self.section(word.string)
        let flag = word.string.prefix { $0 != "=" }
        let nearest = Spelling.nearest(to: section, among: Self.sections)
        let isSlip = nearest.map { Spelling.distance(section, $0) <= 2 } ?? false
        if flag.contains("."), !isSlip { return false }
        guard isSlip || isList else { return true }
        collector.report(
            String(flag), line: word.place.line, column: word.place.column, rule: "unknown argument",
            fix: isSlip
                ? "did you mean '--\(nearest ?? "")\(flag.contains(".") ? "." : "")'? else go on without it with "
                    + "--ignore-unknown"
                : "torchtitan has sections such as --training. and --parallelism.; go on without it with --ignore-unknown"
        )
        return true
    }

    private mutating func add(_ name: String, written: String, _ value: Setting.Value, _ word: PlacedText) {
        let setting = Setting(
            name: name, written: written, value: value, line: word.place.line, column: word.place.column,
            isSwitch: value == .nothing)
        switch name {
        case "module": module = setting
        case "config": config = setting
        default: settings.append(setting)
        }
    }

    /// Takes the TOML file that `--job.config_file` names, over whose settings the flags go.
    private mutating func readBase(_ collector: ProblemCollector) {
        // Releases with TOML files name the model by flags of [model].
        if settings.contains(where: { ["job.config_file", "model.name", "model.flavor"].contains($0.name) }),
            module == nil
        {
            isFlags = false
        }
        guard let origin = settings.first(where: { $0.name == "job.config_file" }) else { return }
        func fail(_ value: String, _ rule: String, _ fix: String) {
            collector.report(
                origin.written, line: origin.line, column: origin.column, value: value, rule: rule, fix: fix)
        }
        guard case .word(let path) = origin.value, !path.isEmpty else {
            return fail("", "names no file that is known here", "write the TOML file's path into the script")
        }
        guard let file = NeighbourFile.find(path, near: collector.file) else {
            return fail(
                "'\(path.prefix(200))'", "is found neither beside this file nor from a folder above it",
                "put it there, or import the TOML file itself")
        }
        let given = Set(settings.map(\.name))
        do throws(PlanProblems) {
            let base = try TOMLSettings.read(text: try YAMLFile.text(path: file), name: file)
            for setting in base where !given.contains(setting.name) {
                var own = setting
                own.file = file
                settings.append(own)
            }
        } catch {
            error.problems.forEach(collector.adopt)
        }
        kind += " with \(file.split(separator: "/").last ?? "")"
    }
}
