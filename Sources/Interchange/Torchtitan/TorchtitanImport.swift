internal import Models
package import Reading

/// Reads a run of torchtitan as a plan.
package enum TorchtitanImport {
    /// - Parameters:
    ///   - text: a TOML file of the releases before 0.3, a list of flags, or a script that starts torchtitan.
    ///   - name: the file, for problems.
    /// - Throws: every problem of the file at once.
    package static func read(
        text: String, name: String, request: ImportRequest, library: Library
    ) throws(PlanProblems) -> ImportedPlan {
        let collector = ProblemCollector(file: name)
        var arguments = try TorchtitanArguments(
            text: text, ignoresUnknown: request.ignoresUnknown, collector: collector)
        guard !arguments.settings.isEmpty || arguments.config != nil, collector.isEmpty || arguments.isFlags else {
            throw collector.all
        }
        let table = try TorchtitanTable.read(library)
        var draft = PlanDraft()
        let own = try ownModule(arguments, path: name, request: request)
        let shape = own == nil ? model(&arguments, request: request, table: table, into: &draft, collector) : own?.shape
        let reader = SettingsReader(arguments.settings, collector: collector)
        if let shape { draft.setShape(shape.value, from: shape.origin) }
        if let model = request.model { draft.setModel(model) }
        // Without a model nothing else can be checked.
        guard shape != nil || request.model != nil else { throw collector.all }
        let named = request.model.flatMap { ImportRequest.model($0, library: library) }
        for line in arguments.decided { draft.note(line) }
        let launched = Self.launched(arguments, request, into: &draft)
        var reading = TorchtitanReading(
            reader: reader, isFlags: arguments.isFlags, devices: request.devices ?? launched,
            layers: shape?.value.map?["layers"]?.count ?? named?.layers)
        reading.hasExperts = shape?.value.holds("experts") ?? ((named?.mixtureLayers ?? 0) > 0)
        (reading.stages, reading.whyUnknown) = (own?.stages, arguments.whyUnknown)
        reading.read(into: &draft)
        if let own { draft.setOwn(own) }
        reader.know(TorchtitanReading.silent)
        // What a configuration function sets stands in no file.
        let stated = arguments.settings.filter { $0.written != "--config" }.map(\.name)
        reader.expect(arguments.settings.filter { $0.written == "--config" }.map(\.name))
        if !request.ignoresUnknown {
            reader.reportMisspelt(
                stated: Set(stated), sections: TorchtitanArguments.sections + TorchtitanArguments.tables)
        }
        return try draft.finished(
            reader, request: request, source: arguments.kind, framework: "torchtitan", library: library,
            unknown: arguments.unknown)
    }

    /// The devices that torchrun's options make, if no degree states them; nil: they are not stated, or the user states them.
    private static func launched(
        _ arguments: TorchtitanArguments, _ request: ImportRequest, into draft: inout PlanDraft
    ) -> Int? {
        guard request.devices == nil, let setting = arguments.devices, case .word(let word) = setting.value,
            let count = Int(word), count <= 10_000_000
        else { return nil }
        let stated = arguments.settings.contains {
            TorchtitanReading.shards.contains($0.name) && $0.value != .word("-1")
        }
        guard !stated else { return nil }
        draft.set("devices", .count(count), from: setting)
        draft.note("devices \(count): those that --nproc_per_node and --nnodes start; say others with --devices")
        return count
    }

    /// A shape, and the setting that names it.
    struct Shape {
        var value: JSONValue
        var origin: Setting?
    }

    /// The shape of the flavour, or of the preset, whose settings are added to the arguments; nil: the user names a model, or
    /// a problem was reported.
    private static func model(
        _ arguments: inout TorchtitanArguments, request: ImportRequest, table: TorchtitanTable,
        into draft: inout PlanDraft,
        _ collector: ProblemCollector
    ) -> Shape? {
        if arguments.isFlags {
            guard let preset = preset(arguments, table: table, collector, isNeeded: request.model == nil) else {
                return nil
            }
            let origin = arguments.config
            let given = Set(arguments.settings.map(\.name))
            for (name, value) in preset.settings where !given.contains(name) {
                arguments.settings.append(
                    Setting(
                        name: name, written: "--config", value: .word(value), line: origin?.line ?? 1,
                        column: origin?.column ?? 1))
            }
            return request.model == nil ? Shape(value: preset.model, origin: origin) : nil
        }
        guard request.model == nil else { return nil }
        func setting(_ name: String) -> Setting? { arguments.settings.first { $0.name == name } }
        func word(_ name: String) -> String? {
            if case .word(let word)? = setting(name)?.value { word } else { nil }
        }
        // torchtitan's own defaults of [model].
        let name = word("model.name") ?? "llama3"
        let flavor = word("model.flavor") ?? "debugmodel"
        guard let flavors = table.flavors[name] else {
            let known = table.flavors.keys.sorted()
            collector.reportUnknown(
                setting("model.name") ?? setting("model.flavor"), "model.name", value: name,
                "is no language model of torchtitan "
                    + "that is known here: these are \(Wording.alternatives(known, "and"))",
                "name one of them, or say the model with --model")
            return nil
        }
        guard let shape = flavors[flavor] else {
            collector.reportUnknown(
                setting("model.flavor"), "model.flavor", value: flavor,
                "is no flavour of \(name): these are \(Wording.alternatives(flavors.keys.sorted(), "and"))",
                "name one of them, or say the model with --model")
            return nil
        }
        if setting("model.flavor") == nil {
            draft.note("model: debugmodel, torchtitan's flavour where [model] names none")
        }
        return Shape(value: shape, origin: setting("model.flavor") ?? setting("model.name"))
    }

    private static func preset(
        _ arguments: TorchtitanArguments, table: TorchtitanTable, _ collector: ProblemCollector, isNeeded: Bool
    ) -> TorchtitanTable.Preset? {
        guard case .word(let module)? = arguments.module?.value, case .word(let config)? = arguments.config?.value
        else {
            if isNeeded {
                collector.adopt(
                    PlanProblem(
                        file: collector.file, field: "--module and --config", rule: "are missing, which name the model",
                        fix: "add e.g. --module llama3 --config llama3_8b, or say the model with --model"))
            }
            return nil
        }
        let short = module.split(separator: ".").last { $0 != "config_registry" }.map(String.init) ?? module
        if let found = table.presets[short]?[config] { return found }
        guard isNeeded else { return nil }
        guard let known = table.presets[short] else {
            collector.reportUnknown(
                arguments.module, "--module", value: module,
                "is no module of torchtitan that is known here: these are "
                    + Wording.alternatives(table.presets.keys.sorted(), "and"),
                "name one of them, or say the model with --model")
            return nil
        }
        collector.reportUnknown(
            arguments.config, "--config", value: config,
            "is no configuration of \(short): these are "
                + Wording.alternatives(known.keys.sorted(), "and"),
            "name one of them, or say the model with --model")
        return nil
    }
}

extension ProblemCollector {
    func reportUnknown(_ setting: Setting?, _ field: String, value: String, _ rule: String, _ fix: String) {
        report(
            setting?.written ?? field, line: setting?.line ?? 1, column: setting?.column ?? 1,
            value: "'\(value.prefix(60))'",
            rule: rule, fix: fix)
    }
}

extension JSONValue {
    /// Whether a map, or one inside it, has the key.
    func holds(_ key: String) -> Bool {
        guard case .map(let map) = self else { return false }
        return map[key] != nil || map.values.contains { $0.holds(key) }
    }
}
