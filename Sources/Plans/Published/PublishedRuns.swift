package import Reading

/// One training run as its source prints it.
package struct PublishedRun: Hashable, Sendable {
    /// How firmly the figures stand: A printed with a full layout, B some of it inferred, C recalled or incomplete.
    package enum Tier: String, Hashable, Sendable, CaseIterable { case A, B, C }

    /// What a source says of device memory.
    package enum Memory: Hashable, Sendable {
        /// Bytes of the fullest device, and what was counted.
        case peak(Double, MemoryKind)
        /// The run did not fit.
        case outOfMemory
    }

    package var name: String
    /// Title of the source.
    package var source: String
    package var tier: Tier
    /// One of the rows a cost model is judged by: a full layout from a primary source.
    package var isCore: Bool
    /// The cluster file its devices are in.
    package var device: String
    /// The run as a plan with a layout; nil when the source leaves something out or we cannot plan it.
    package var plan: Plan?
    /// Why there is no plan; empty when there is one.
    package var obstacle: String
    /// Seconds an iteration; nil when only totals are printed.
    package var seconds: Double?
    package var memory: Memory?
    package var notes: [String]

    package init(
        name: String, source: String, tier: Tier, isCore: Bool, device: String, plan: Plan?, obstacle: String = "",
        seconds: Double?, memory: Memory? = nil, notes: [String] = []
    ) {
        self.name = name
        self.source = source
        self.tier = tier
        self.isCore = isCore
        self.device = device
        self.plan = plan
        self.obstacle = obstacle
        self.seconds = seconds
        self.memory = memory
        self.notes = notes
    }
}

extension PublishedRun {
    /// Every run of the file at `path`: a table of runs, or a plan file with `measured`.
    ///
    /// - Parameter measured: what a plan file that does not say so itself was measured to take.
    /// - Throws: every problem of the file at once, with line and column.
    package static func read(
        path: String, measured: Plan.Measured? = nil, library: Library = .standard()
    ) throws(PlanProblems) -> [PublishedRun] {
        var files = ReadFiles()
        return try read(path: path, measured: measured, library: library, files: &files)
    }

    /// Every run of the file at `path`, which is added to `files` with all it refers to.
    package static func read(
        path: String, measured: Plan.Measured?, library: Library, files: inout ReadFiles
    ) throws(PlanProblems) -> [PublishedRun] {
        let collector = ProblemCollector(file: path)
        defer { files.formUnion(collector.files) }
        let node = try YAMLFile.compose(path: path, files: &files)
        let reader = FieldReader(node, path: "", collector: collector)
        guard collector.isEmpty else { throw collector.all }
        guard reader.contains("runs") else {
            var plan = try Plan.read(path: path, library: library, files: &files)
            plan.measured = plan.measured ?? measured
            return [try PublishedRun(plan: plan, path: path)]
        }
        let runs = RunTableReading(reader, library: library).runs()
        guard collector.isEmpty else { throw collector.all }
        return runs
    }

    /// A plan file that says what was measured.
    private init(plan: Plan, path: String) throws(PlanProblems) {
        guard let measured = plan.measured else {
            throw PlanProblems([
                PlanProblem(
                    file: path, field: "measured", rule: "is missing", fix: "e.g. measured: {seconds: 12.5}")
            ])
        }
        self.init(
            name: plan.name, source: measured.source ?? "plan files", tier: .A, isCore: true,
            device: plan.cluster.name, plan: plan.layout == nil ? nil : plan,
            obstacle: plan.layout == nil ? "the plan leaves its layout open" : "", seconds: measured.seconds,
            memory: measured.memoryBytes.map { .peak($0, measured.memoryKind) })
    }
}
