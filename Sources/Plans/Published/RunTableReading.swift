internal import Models
internal import Reading
internal import Schedules
internal import Yams

/// Reads a table of published runs. `sources`, `models`, `clusters` and `notes` are maps by name. `every` holds columns
/// that all rows share. `runs` is a text: a line of column names, then one line for each run; `-` marks a value that
/// the source leaves out.
struct RunTableReading {
    private static let columns = [
        "id", "tier", "core", "source", "model", "cluster", "devices", "batch", "precision", "tensor", "pipeline",
        "stages", "context", "expert", "expertTensor", "data", "micro", "schedule", "recompute", "sharding",
        "shardGroup", "sequenceParallel", "flash", "gradients", "overlap", "layersPerStage", "seconds", "memory",
        "memoryKind", "gpuHours", "tokens", "confidence", "recomputeModules",
        "recomputeLayers", "recipe", "dispatcher", "framework", "organisation", "kind", "trained", "notes",
    ]

    private let reader: FieldReader
    private var sources: [String: String] = [:]
    private var models: [String: Model] = [:]
    /// Clusters by name. A nil cluster has no file yet.
    private var clusters: [String: (base: String, cluster: Cluster?)] = [:]
    private var notes: [String: String] = [:]
    private var shared: [String: Substring] = [:]
    private var frameworks = Frameworks()
    private var lines: [Substring] = []
    /// Line of the file on which the text of `runs` begins.
    private var firstLine = 1

    /// - Parameter known: the frameworks of `library`; nil: they are read.
    init(_ reader: FieldReader, library: Library, frameworks known: Frameworks? = nil) {
        self.reader = reader
        do throws(PlanProblems) {
            if let known {
                frameworks = known
            } else {
                frameworks = try Frameworks.read(library: library, files: &reader.collector.files)
            }
        } catch {
            error.problems.forEach(reader.collector.adopt)
        }
        if let map = reader.map("sources") {
            for key in map.keys {
                guard let source = map.map(key) else { continue }
                sources[key] = source.text("title")
                source.reportMissing("title", fix: "author, year, title")
                _ = source.text("where")
                _ = source.text("reference")
                source.reportUnknownKeys()
            }
        }
        if let map = reader.map("models") {
            for key in map.keys {
                guard let shape = map.map(key) else { continue }
                models[key] = ModelFields(shape).shape(name: key, shape)
                shape.reportUnknownKeys()
            }
        }
        if let map = reader.map("clusters") {
            for key in map.keys {
                // A device without a cluster file makes its rows unusable; it is not a mistake in the table.
                let base = map.entryMap(key)?.scalar("extends") ?? map.scalar(key) ?? ""
                if !base.isEmpty, Cluster.path(of: base, library: library) == nil {
                    _ = map.take(key)
                    clusters[key] = (base, nil)
                } else if let cluster = ClusterReading.read(map, key: key, library: library)?.cluster {
                    clusters[key] = (base, cluster)
                }
            }
        }
        if let map = reader.map("notes") { for key in map.keys { notes[key] = map.text(key) } }
        if let map = reader.map("every") {
            for column in Self.columns { shared[column] = map.text(column).map { $0[...] } }
            map.reportUnknownKeys()
        }
        if case .scalar(let table)? = reader.take("runs") {
            lines = table.string.split(separator: "\n")
            firstLine = (table.mark?.line ?? 0) + 1
        } else {
            reader.report("runs", rule: "must be a text with one line a run")
        }
        reader.reportUnknownKeys()
    }

    func runs() -> [PublishedRun] {
        guard let head = lines.first else { return [] }
        let names = head.split(separator: " ").map(String.init)
        for name in names where !Self.columns.contains(name) {
            let fix = Wording.didYouMean(name, among: Self.columns)
            report(
                0, name, rule: "unknown column",
                fix: fix.isEmpty ? "known: \(Self.columns.joined(separator: ", "))" : fix)
        }
        var runs: [PublishedRun] = []
        for (index, line) in lines.enumerated().dropFirst() {
            let cells = line.split(separator: " ")
            guard cells.count == names.count else {
                report(index, "runs", rule: "must have \(names.count) columns, it has \(cells.count)")
                continue
            }
            var row = shared
            for (name, cell) in zip(names, cells) { row[name] = cell }
            runs.append(run(RunCells(row.filter { $0.value != "-" }) { report(index, $0, value: $1, rule: $2) }))
        }
        return runs
    }

    private func run(_ row: RunCells) -> PublishedRun {
        let source = row.looked(up: "source", in: sources) ?? ""
        let tier = row.choice("tier", of: PublishedRun.Tier.self) ?? .C
        let cluster = row.looked(up: "cluster", in: clusters)
        var memory: PublishedRun.Memory?
        if row["memory"] == "oom" {
            memory = .outOfMemory
        } else if let gigabytes = row.number("memory") {
            memory = .peak(gigabytes * 1e9, row.choice("memoryKind", of: MemoryKind.self) ?? .device)
        }
        var run = PublishedRun(
            name: row["id"].map(String.init) ?? "", source: source, tier: tier, isCore: row.flag("core") ?? false,
            device: cluster?.base ?? "", plan: nil, seconds: row.number("seconds"), memory: memory,
            notes: (row["notes"] ?? "").split(separator: "+").compactMap { notes[String($0)] })
        run.organisation = row["organisation"].map(String.init) ?? ""
        run.trained = row.number("trained")
        if let kind = row.choice("kind", of: PublishedWhole.Kind.self), let hours = row.number("gpuHours") {
            run.whole = PublishedWhole(kind: kind, gpuHours: hours)
        }
        do throws(Obstacle) {
            let open = try open(row, named: run.name, cluster: cluster)
            run.open = open
            run.plan = try plan(row, open)
        } catch {
            run.obstacle = row.hasLayout ? error.reason : Self.noLayout
        }
        return run
    }

    /// The reason why a row cannot become a plan.
    private struct Obstacle: Error { var reason: String }

    private static let noLayout = "totals only, no layout"

    /// The plan of a row with the layout that it states.
    private func plan(_ row: RunCells, _ open: Plan) throws(Obstacle) -> Plan {
        guard row.hasLayout else { throw Obstacle(reason: Self.noLayout) }
        let tensor = try need("tensor", row.count("tensor"))
        let pipeline = try need("pipeline", row.count("pipeline"))
        let data = try need("data", row.count("data"))
        let microbatch = try need("micro-batch", row.count("micro"))
        var plan = open
        let model = plan.model
        let virtualStages = row.count("stages") ?? 1
        let word = row["schedule"].map(String.init) ?? ScheduleName.usual(virtualStages: virtualStages).rawValue
        guard let schedule = ScheduleName(rawValue: word) else {
            throw Obstacle(reason: "schedule \(word) is not supported")
        }
        if row["recompute"] == "mla" { throw Obstacle(reason: "recomputes single operations") }
        // Recent mixture-of-experts recipes that do not mention recomputation run without it.
        if model.moe == nil { _ = try need("recomputation", row["recompute"]) }
        let overlap = row["overlap"] ?? "d"
        var layout = Layout(
            data: data, tensor: tensor, pipeline: pipeline, virtualStages: virtualStages,
            context: row.count("context") ?? 1, expert: row.count("expert") ?? 1,
            expertTensor: row.count("expertTensor") ?? 1, microbatch: microbatch, schedule: schedule,
            recompute: row.choice("recompute", of: Layout.Recompute.self) ?? .none,
            sharding: row.choice("sharding", of: Layout.Sharding.self) ?? .none,
            sequenceParallel: row.flag("sequenceParallel") ?? false, flashAttention: row.flag("flash") ?? true,
            gradients: row.choice("gradients", of: GradientFormat.self)?.precision,
            overlap: Layout.Overlap(
                data: overlap.contains("d"), tensor: overlap.contains("t"), pipeline: overlap.contains("p"),
                expert: overlap.contains("e")),
            layersPerStage: row.counts("layersPerStage"), shardGroup: row.count("shardGroup"),
            recomputeLayers: row.count("recomputeLayers"),
            recomputeModules: RecomputeModules(row.names("recomputeModules", of: RecomputeModules.Name.self)))
        layout.dispatcher = row.choice("dispatcher", of: Layout.Dispatcher.self)
        if let problem = layout.problems(for: model, batch: plan.batch, devices: plan.devices).first {
            throw Obstacle(reason: "\(problem.field) \(problem.rule)")
        }
        plan.layout = layout
        plan.divideStages()
        return plan
    }

    /// `value`, if the row states it.
    private func need<Value>(_ column: String, _ value: Value?) throws(Obstacle) -> Value {
        guard let value else { throw Obstacle(reason: "\(column) not stated") }
        return value
    }

    /// The plan of a row with an open layout.
    private func open(
        _ row: RunCells, named name: String, cluster entry: (base: String, cluster: Cluster?)?
    ) throws(Obstacle) -> Plan {
        let batch = try need("batch", row.count("batch"))
        let devices = try need("devices", row.count("devices"))
        let model = try need("model shape", row["model"].flatMap { models[String($0)] })
        guard let entry, let cluster = entry.cluster else {
            throw Obstacle(reason: "no cluster file for \(entry?.base ?? "its devices")")
        }
        var software = frameworks
        software.named = row.software(among: frameworks)
        let recipe = row.choice("recipe", of: Recipe.Scaling.self).map(Recipe.init)
        let precision = recipe?.precision ?? row.choice("precision", of: Precision.self) ?? .bf16
        var plan = Plan(
            name: name, model: model, tokens: row.number("tokens"), cluster: cluster, devices: devices, batch: batch,
            precision: precision, layout: nil, frameworks: software)
        plan.statedRecipe = recipe
        return plan
    }

    private func report(_ index: Int, _ column: String, value: String = "", rule: String, fix: String = "") {
        reader.collector.report("runs.\(column)", line: firstLine + index, value: value, rule: rule, fix: fix)
    }
}

/// The cells of one row that hold a value.
struct RunCells {
    private let cells: [String: Substring]
    private let report: (_ column: String, _ value: String, _ rule: String) -> Void

    init(_ cells: [String: Substring], report: @escaping (String, String, String) -> Void) {
        self.cells = cells
        self.report = report
    }

    subscript(column: String) -> Substring? { cells[column] }

    /// Whether the row states a layout at all: some publications give only totals.
    var hasLayout: Bool { cells["sharding"] != nil || cells["tensor"] != nil }

    func number(_ column: String) -> Double? {
        guard let cell = cells[column] else { return nil }
        guard let value = Double(cell), value.isFinite, value > 0 else {
            report(column, "'\(cell)'", "must be a number above 0")
            return nil
        }
        return value
    }

    func count(_ column: String) -> Int? {
        guard let cell = cells[column] else { return nil }
        guard let value = Int(cell), (1...1_000_000_000).contains(value) else {
            report(column, "'\(cell)'", "must be a whole number above 0")
            return nil
        }
        return value
    }

    /// Reads counts that are separated by commas.
    func counts(_ column: String) -> [Int]? {
        guard let cell = cells[column] else { return nil }
        let values = cell.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
        guard values.allSatisfy({ (0...1_000_000_000).contains($0) }) else {
            report(column, "'\(cell)'", "must be whole numbers with commas between them, such as 3,4,4,3")
            return nil
        }
        return values
    }

    func flag(_ column: String) -> Bool? {
        switch cells[column] {
        case nil: return nil
        case "yes": return true
        case "no": return false
        case let cell?:
            report(column, "'\(cell)'", "must be yes or no")
            return nil
        }
    }

    func choice<Choice: CaseIterable & RawRepresentable>(_ column: String, of type: Choice.Type) -> Choice?
    where Choice.RawValue == String {
        guard let cell = cells[column] else { return nil }
        guard let choice = Choice(rawValue: String(cell)) else {
            report(column, "'\(cell)'", "must be \(Wording.alternatives(type.allCases.map(\.rawValue)))")
            return nil
        }
        return choice
    }

    /// Reads words with a plus sign between them.
    func names<Choice: CaseIterable & RawRepresentable>(_ column: String, of type: Choice.Type) -> [Choice]
    where Choice.RawValue == String {
        (cells[column]?.split(separator: "+") ?? []).compactMap { word in
            guard let choice = Choice(rawValue: String(word)) else {
                report(column, "'\(word)'", "must be \(Wording.alternatives(type.allCases.map(\.rawValue)))")
                return nil
            }
            return choice
        }
    }

    /// The generation of software that the row names; nil if it names none.
    func software(among frameworks: Frameworks) -> String? {
        // Files that cannot be read were reported.
        guard let cell = cells["framework"], !frameworks.known.isEmpty else { return nil }
        switch SoftwareName(String(cell)).map(frameworks.resolved) {
        case .found(let name), .olderThan(let name): return name
        case .withoutReleases, .unknown, nil:
            report("framework", "'\(cell)'", "no software of that name in frameworks/")
            return nil
        }
    }

    func looked<Value>(up column: String, in values: [String: Value]) -> Value? {
        guard let cell = cells[column] else { return nil }
        guard let value = values[String(cell)] else {
            report(column, "'\(cell)'", "no entry of that name above")
            return nil
        }
        return value
    }
}
