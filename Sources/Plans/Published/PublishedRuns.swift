package import Reading
internal import Yams

/// One training run as a publication reports it.
package struct PublishedRun: Hashable, Sendable {
    /// Reliability of the figures. A: printed with a full layout; B: partly inferred; C: recalled or incomplete.
    package enum Tier: String, Hashable, Sendable, CaseIterable { case A, B, C }

    /// Device memory as the source reports it.
    package enum Memory: Hashable, Sendable {
        /// Bytes of the fullest device, and the kind of memory that was counted.
        case peak(Double, MemoryKind)
        /// The run did not fit.
        case outOfMemory
    }

    package var name: String
    /// Title of the source.
    package var source: String
    package var tier: Tier
    /// Whether the run is one that a cost model is judged by: a full layout from a primary source.
    package var isCore: Bool
    /// Name of the cluster file that describes its devices.
    package var device: String
    /// The run as a plan with a layout. nil: the source leaves something out, or the plan cannot be expressed here.
    package var plan: Plan?
    /// Reason why there is no plan; empty if there is one.
    package var obstacle: String
    /// Seconds of an iteration. nil: the source prints only totals.
    package var seconds: Double?
    package var memory: Memory?
    package var notes: [String]
    /// Who made the run; empty if the table does not say.
    package var organisation = ""
    /// The run as a plan with an open layout; nil if the source leaves out the model, the devices or the
    /// batch.
    package var open: Plan?
    /// The bill of the whole run; nil if the source gives a step alone.
    package var whole: PublishedWhole?
    /// Fraction of the wall-clock time that trained, as the source states it.
    package var trained: Double?

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

/// The whole of a published run: its bill, or days on its devices.
package struct PublishedWhole: Hashable, Sendable {
    /// The time that a source reports.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// The bill, or the days from the first step to the last.
        case total
        /// Steps alone: their number times the time of one.
        case steps
    }

    package var kind: Kind
    package var gpuHours: Double
}

extension PublishedRun {
    /// Reads all runs of the file at `path`: a table of runs, or a plan file with `measured`.
    ///
    /// - Parameter measured: the measurement for a plan file that does not state its own.
    /// - Throws: all problems of the file together, with line and column.
    package static func read(
        path: String, measured: Plan.Measured? = nil, library: Library = .standard()
    ) throws(PlanProblems) -> [PublishedRun] {
        var files = ReadFiles()
        return try read(path: path, measured: measured, library: library, files: &files)
    }

    /// Reads all runs of the file at `path`. The file and those it refers to are added to `files`.
    /// - Parameter frameworks: the frameworks of `library`, for those who read many tables; nil: they are read.
    package static func read(
        path: String, measured: Plan.Measured?, library: Library, frameworks: Frameworks? = nil, files: inout ReadFiles
    ) throws(PlanProblems) -> [PublishedRun] {
        let collector = ProblemCollector(file: path)
        defer { files.formUnion(collector.files) }
        let node = try YAMLFile.compose(path: path, files: &files)
        let reader = FieldReader(node, path: "", collector: collector)
        guard case .mapping = node else { throw collector.all }
        guard reader.contains("runs") else {
            var plan = try Plan.read(path: path, library: library, files: &files)
            plan.measured = plan.measured ?? measured
            let others = plan.measurements.filter { !$0.isOwn }.map { PublishedRun(plan, step: $0) }
            guard plan.measured != nil || others.isEmpty else { return others }
            return [try PublishedRun(plan: plan, path: path)] + others
        }
        let runs = RunTableReading(reader, library: library, frameworks: frameworks).runs()
        guard collector.isEmpty else { throw collector.all }
        return runs
    }

    /// A step of a plan file that differs from the plan in layout, batch or devices.
    private init(_ plan: Plan, step: Plan.Measurement) {
        var own = plan
        (own.layout, own.devices, own.batch) = (step.layout, step.devices, step.batch)
        (own.measured, own.measurements, own.openSchedule, own.wantedBatch) = (nil, [], nil, nil)
        self.init(
            name:
                "\(plan.name): \(step.devices) devices, batch \(step.batch), t\(step.layout.tensor) p\(step.layout.pipeline) "
                + "d\(step.layout.data)",
            source: plan.measured?.source ?? "plan files", tier: .A, isCore: true, device: plan.cluster.name, plan: own,
            seconds: step.seconds)
    }

    /// The run of a plan file that states its measurement.
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
