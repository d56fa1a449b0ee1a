package import Reading

/// The arguments of a run of Megatron-LM, from a script, a list of arguments, or a log.
package struct MegatronArguments {
    /// Settings by the names of the parsed object.
    package var settings: [Setting] = []
    /// The kind of the file, for people.
    package var kind = ""
    /// Devices of the run, as the launcher's options or the log say.
    package var devices: Setting?
    /// Why the devices are not known, as a clause; nil: nothing says them.
    private(set) var whyUnknown: String?
    /// How the devices were found, where no option says them alone.
    private(set) var devicesNote: String?
    /// What the script leaves to the environment, and how it was decided.
    private(set) var decided: [String] = []
    /// Arguments that no release has, where the user leaves them aside.
    private(set) var unknown: [String] = []
    /// Whether every argument of the program is there, with its default where the run does not state it.
    private(set) var isWhole = false
    private let ignoresUnknown: Bool
    /// Seconds of the steps that a log prints, in order.
    package var stepSeconds: [Double] = []

    /// Reads the arguments of `text`. Flags that are unknown are reported with the nearest known.
    package init(text: String, table: MegatronTable, ignoresUnknown: Bool = false, collector: ProblemCollector) {
        self.ignoresUnknown = ignoresUnknown
        if text.contains("- arguments -") {
            kind = "a log of Megatron-LM"
            isWhole = true
            readLog(text, table: table, collector: collector)
            return
        }
        let first = text.split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }.first {
            !$0.isEmpty && !$0.hasPrefix("#")
        }
        if first?.hasPrefix("--") == true {
            kind = "a list of Megatron-LM's arguments"
            // Every line is a command of its own, whose words are arguments.
            read(ShellScript(text).commands.flatMap { $0 }, launch: [], table: table, collector: collector)
            return
        }
        kind = "a script that starts Megatron-LM"
        let batch = BatchDirectives(text)
        let script = ShellScript(text, file: collector.file, environment: batch.variables)
        // A script that hands its command to a scheduler as text holds it in a variable.
        let held = script.variables.sorted { $0.key < $1.key }.map(\.value)
        func most(_ candidates: [[PlacedText]]) -> (words: [PlacedText], known: Int)? {
            candidates.map { ($0, Self.known($0, table: table)) }.max { $0.1 < $1.1 }
        }
        let started = most(script.commands)
        guard let best = started.map({ $0.known >= 3 ? $0 : most(held) ?? $0 }) ?? most(held), best.known > 0 else {
            collector.adopt(
                PlanProblem(
                    file: collector.file, field: "", rule: "has no command with arguments of Megatron-LM",
                    fix: "give a script that calls pretrain_gpt.py, a list of its arguments, or its log"))
            return
        }
        let words = Self.split(best.words)
        // A script that hands its command to another program as text starts its processes there.
        let start =
            LauncherOptions.isStart(words) ? nil : script.commands.map(Self.split).first(where: LauncherOptions.isStart)
        decided = script.decisions.remarks(on: best.words + (start ?? []))
        read(best.words, launch: start ?? [], batch: batch, table: table, collector: collector)
    }

    private static func known(_ command: [PlacedText], table: MegatronTable) -> Int {
        split(command).count { table.arguments[name($0.string).flag] != nil }
    }

    /// The words of a command. A word that itself holds arguments, as those of `bash -c "…"`, is cut.
    private static func split(_ command: [PlacedText]) -> [PlacedText] {
        command.flatMap { word in
            word.string.contains("--") && word.string.contains(where: \.isWhitespace) ? word.words : [word]
        }
    }

    /// The flag of a word, and its value if they are joined by `=`.
    private static func name(_ word: String) -> (flag: String, value: String?) {
        guard word.hasPrefix("--"), let equals = word.firstIndex(of: "=") else { return (word, nil) }
        return (String(word[..<equals]), String(word[word.index(after: equals)...]))
    }

    /// Options of launchers, which stand before the program.
    private static let launcher: Set<String> = [
        "--nproc_per_node", "--nproc-per-node", "--nnodes", "--node_rank", "--node-rank", "--master_addr",
        "--master-addr", "--master_port", "--master-port", "--rdzv_backend", "--rdzv-backend", "--rdzv_endpoint",
        "--rdzv-endpoint", "--rdzv_id", "--rdzv-id", "--max_restarts", "--max-restarts", "--tee", "--log_dir",
        "--log-dir",
        "--standalone", "--no-python", "--num_nodes", "--num_gpus", "--hostfile", "--ntasks", "--nodes", "--gpus",
    ]

    /// - Parameter launch: the command that starts the processes, where that is another one.
    private mutating func read(
        _ command: [PlacedText], launch: [PlacedText], batch: BatchDirectives = BatchDirectives(), table: MegatronTable,
        collector: ProblemCollector
    ) {
        let words = Self.split(command)
        // Where a program is named, what stands before it belongs to the launcher.
        let program = words.firstIndex { $0.string.hasSuffix(".py") }
        let launched = LauncherOptions(
            launch.isEmpty ? Array(words.prefix(program ?? words.count)) : launch, batch: batch)
        (devices, whyUnknown) = (launched.devices, launched.whyUnknown)
        devicesNote = launched.note
        var strangers: [(flag: String, line: Int)] = []
        defer { reportUnknown(strangers, words, collector) }
        if let program, let kind = Self.otherProgram(words[program].string) {
            let place = words[program].place
            collector.report(
                words[program].string, line: place.line, column: place.column, rule: "trains \(kind), which is no GPT",
                fix: "write the plan by hand")
            return
        }
        var index = program.map { $0 + 1 } ?? 0
        while index < words.count {
            let word = words[index]
            index += 1
            let (flag, joined) = Self.name(word.string)
            guard flag.hasPrefix("--") else {
                if program != nil || index == 1 { continue }
                collector.report(
                    word.string, line: word.place.line, column: word.place.column, rule: "belongs to no argument",
                    fix: "remove it")
                continue
            }
            guard let argument = table.arguments[flag] else {
                let isLauncher = program == nil && Self.launcher.contains(flag)
                if !isLauncher {
                    let known = table.arguments.keys.sorted()
                    let near = NameTree.nearest(flag, among: known) ?? known.first { $0.hasPrefix(flag) }
                    if ignoresUnknown {
                        unknown.append(flag + (near.map { " (did you mean \($0)?)" } ?? ""))
                    } else if let near {
                        collector.report(
                            flag, line: word.place.line, column: word.place.column, rule: "unknown argument",
                            fix: "did you mean \(near)? else go on without it with --ignore-unknown")
                    } else {
                        strangers.append((flag, word.place.line))
                    }
                }
                while index < words.count, !words[index].string.hasPrefix("--") { index += 1 }
                continue
            }
            var values = joined.map { [$0] } ?? []
            if joined == nil, argument.arity != .none {
                while index < words.count, !Self.isFlag(words[index].string) {
                    if values.count == 1, argument.arity != .several { break }
                    values.append(words[index].string)
                    index += 1
                }
            }
            let value: Setting.Value
            switch argument.arity {
            case .none: value = argument.constant.map(Setting.Value.word) ?? .nothing
            // A value that only the environment holds is not known, which matters only where it is asked for.
            case .one: value = values.first.map(Setting.Value.word) ?? .nothing
            case .optional, .several: value = values.isEmpty ? .nothing : .list(values)
            }
            settings.append(
                Setting(
                    name: argument.destination, written: flag, value: value, line: word.place.line,
                    column: word.place.column, isSwitch: argument.arity == .none))
        }
    }

    /// Reports the arguments that no release has and no one is near, all in one line.
    private func reportUnknown(
        _ strangers: [(flag: String, line: Int)], _ words: [PlacedText], _ collector: ProblemCollector
    ) {
        guard let first = strangers.first else { return }
        let place = words.first { Self.name($0.string).flag == first.flag }?.place ?? (line: first.line, column: 1)
        let others = strangers.dropFirst().map { "\($0.flag) (line \($0.line))" }
        collector.report(
            first.flag, line: place.line, column: place.column,
            rule: others.isEmpty
                ? "unknown argument: no release of Megatron-LM has it"
                : "unknown argument, and so are \(others.joined(separator: ", ")): no release of Megatron-LM has them",
            fix: "go on without \(others.isEmpty ? "it" : "them") with --ignore-unknown, or remove "
                + (others.isEmpty ? "it" : "them"))
    }

    /// The kind of model that a program of Megatron-LM trains, in words; nil: a decoder of text.
    private static func otherProgram(_ path: String) -> String? {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let kinds = [
            ("pretrain_t5", "an encoder and a decoder"), ("pretrain_bert", "an encoder"), ("pretrain_ict", "encoders"),
            ("pretrain_retro", "a model that retrieves"), ("pretrain_vlm", "a model of images and text"),
            ("pretrain_vision", "a model of images"), ("pretrain_realm", "encoders"), ("train_rl", "by rollouts"),
        ]
        return kinds.first { name.hasPrefix($0.0) }?.1
    }

    private static func isFlag(_ word: String) -> Bool { word.hasPrefix("--") && word.count > 2 }

    private mutating func readLog(_ text: String, table: MegatronTable, collector: ProblemCollector) {
        var isInside = false
        let destinations = table.destinations
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if let range = line.firstRange(of: "elapsed time per iteration (ms): ") {
                let figure = line[range.upperBound...].prefix { $0.isNumber || $0 == "." || $0 == "e" || $0 == "+" }
                if let milliseconds = Double(figure), milliseconds > 0 { stepSeconds.append(milliseconds / 1000) }
            }
            if line.contains("- end of arguments -") {
                isInside = false
            } else if line.contains("- arguments -") {
                // A second block is that of a run that was started again.
                if !settings.isEmpty { settings = [] }
                isInside = true
            } else if isInside, let dots = line.firstRange(of: " ..") {
                let name = line[..<dots.lowerBound].split(separator: " ").last.map(String.init) ?? ""
                let value = line[dots.upperBound...].drop { $0 == "." }.drop { $0 == " " }
                let column = line.distance(from: line.startIndex, to: dots.lowerBound) - name.count + 1
                guard !name.isEmpty else { continue }
                let setting = Setting(
                    name: name, value: Self.logged(String(value)), line: index + 1, column: max(1, column))
                if name == "world_size" {
                    devices = setting
                } else if destinations.contains(name) || name == "padded_vocab_size" {
                    settings.append(setting)
                }
            }
        }
        if settings.isEmpty {
            collector.adopt(
                PlanProblem(file: collector.file, field: "", rule: "has no arguments between its two 'arguments' lines")
            )
        }
    }

    /// A value as Python prints it.
    private static func logged(_ text: String) -> Setting.Value {
        let trimmed: String = text.trimmed
        if trimmed.hasPrefix("["), trimmed.hasSuffix("]"), !trimmed.contains("(") {
            let items = trimmed.dropFirst().dropLast().split(separator: ",").map {
                String($0).trimmed.filter { $0 != "'" && $0 != "\"" }
            }
            return .list(items)
        }
        return .word(trimmed)
    }
}
