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

    /// Whether a text looks like torchtitan's: sections of its TOML files, or its flags.
    package static func looks(_ text: String) -> Bool {
        var sections: Set<String> = []
        for line in text.split(whereSeparator: \.isNewline) {
            let plain = line.drop(while: \.isWhitespace)
            if plain.hasPrefix("["), let end = plain.firstIndex(of: "]") {
                sections.insert(plain[plain.index(after: plain.startIndex)..<end].filter { !$0.isWhitespace })
            }
            if plain.hasPrefix("#") { continue }
            for prefix in ["--parallelism.", "--activation_checkpoint.", "--activation-checkpoint."]
            where plain.contains(prefix) { return true }
        }
        return sections.contains("training")
            && !sections.isDisjoint(with: [
                "parallelism", "activation_checkpoint", "experimental", "lr_scheduler", "job",
            ])
    }

    package init(text: String, collector: ProblemCollector) throws(PlanProblems) {
        let first = text.split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }.first {
            !$0.isEmpty && !$0.hasPrefix("#")
        }
        if first?.hasPrefix("--") != true, text.split(whereSeparator: \.isNewline).contains(where: Self.isSection) {
            kind = "a TOML file of torchtitan"
            settings = try TOMLSettings.read(text: text, name: collector.file)
            return
        }
        isFlags = true
        if first?.hasPrefix("--") == true {
            kind = "a list of torchtitan's arguments"
            let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map {
                line -> String in
                let cut = line.hasSuffix("\\") ? line.dropLast() : line
                return "\(cut.drop(while: \.isWhitespace).hasPrefix("#") ? "" : cut) \\"
            }
            read(ShellScript(lines.joined(separator: "\n")).commands.flatMap { $0 }, isList: true, collector: collector)
            return
        }
        kind = "a script that starts torchtitan"
        let ranked = ShellScript(text, file: collector.file).commands.map { command in
            (command, command.count { Self.isFlag($0.string) })
        }
        guard let best = ranked.max(by: { $0.1 < $1.1 }), best.1 > 0 else {
            collector.adopt(
                PlanProblem(
                    file: collector.file, field: "", rule: "has no command with arguments of torchtitan",
                    fix: "give its TOML file, a list of its arguments, or a script that starts torchtitan.train"))
            return
        }
        read(best.0, isList: false, collector: collector)
    }

    /// Whether a line opens a section of a TOML file; tests of a shell have blanks behind their bracket.
    private static func isSection(_ line: Substring) -> Bool {
        let plain = line.drop(while: \.isWhitespace)
        guard plain.hasPrefix("["), let end = plain.firstIndex(of: "]") else { return false }
        let name = plain[plain.index(after: plain.startIndex)..<end]
        return !name.isEmpty && name.allSatisfy { $0.isLetter || $0.isNumber || "_.-".contains($0) }
    }

    private static let sections = [
        "job", "profiling", "profiler", "metrics", "model", "optimizer", "lr_scheduler", "training", "parallelism",
        "checkpoint", "activation_checkpoint", "compile", "quantize", "comm", "memory_estimation", "fault_tolerance",
        "experimental", "validation", "validator", "debug", "dataloader", "loss", "tokenizer", "override", "float8",
        "mx",
        "module", "config", "hf_assets_path", "dump_folder", "model_spec",
    ]

    private static func isFlag(_ word: String) -> Bool {
        guard word.hasPrefix("--") else { return false }
        let name = word.dropFirst(2).prefix { $0 != "." && $0 != "=" }.map { $0 == "-" ? "_" : $0 }
        return sections.contains(String(name))
    }

    private mutating func read(_ words: [PlacedText], isList: Bool, collector: ProblemCollector) {
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
                // A launcher and its program stand before the flags.
                if isList {
                    collector.report(
                        text, line: word.place.line, column: word.place.column, rule: "belongs to no argument",
                        fix: "remove it")
                }
                continue
            }
            guard Self.isFlag(text) else {
                if isList {
                    collector.report(
                        text, line: word.place.line, column: word.place.column, rule: "unknown argument",
                        fix: "torchtitan has sections such as --training. and --parallelism.")
                }
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
}
