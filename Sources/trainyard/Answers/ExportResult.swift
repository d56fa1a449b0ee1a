internal import Costs
internal import Interchange
internal import Planner
internal import Plans
internal import Reading
internal import Schedules
internal import Version

/// The export of a plan to one target, with the price of what the files do not say.
struct ExportResult {
    let target: ExportTarget
    let export: Export
    private let original: Estimate
    /// The price of the nearest plan, where it is another.
    private let changed: Estimate?
    /// The price of what the files say with the software that runs them, where that is another than the plan's.
    private let run: RunElsewhere?

    /// - Parameters:
    ///   - source: the plan's file as the user named it.
    ///   - searched: action lists in place of the plan's, which `estimate` is of; nil: none.
    init(
        _ target: ExportTarget, estimate: Estimate, source: String, nearest: Bool,
        searched: (schedule: Schedule, words: String)? = nil
    ) throws {
        self.target = target
        original = estimate
        var plan = estimate.plan
        plan.layout = estimate.layout
        // The target lacks as much of the plan whatever price the files state.
        let draft = target.export(plan, context: Self.context(estimate, train: plan.train, source: source))
        guard draft.gaps.isEmpty || nearest, !draft.files.isEmpty, let layout = draft.plan.layout else {
            (export, changed, run) = (draft.withoutFiles, nil, nil)
            return
        }
        changed = draft.gaps.isEmpty ? nil : try price(plan: draft.plan, layout: layout)
        let own = changed ?? estimate
        run = try target.software(draft.plan).flatMap { try RunElsewhere(draft.plan, layout, on: $0, source: source) }
        var context = Self.context(run?.estimate ?? own, train: own.plan.train, source: source)
        // The plan beside the files names its own software.
        context.planText = Self.text(own, source: source)
        context.searched = searched
        if let run {
            context.other = ExportContext.OtherSoftware(
                run.name, inPlaceOf: Self.software(own), planSeconds: own.iteration.seconds,
                planGiB: Self.gib(own.peakMemory))
        }
        var written = target.export(plan, context: context)
        // The files say another plan than the given one; here it is.
        if changed != nil, !written.files.contains(where: { $0.name == "plan.yaml" }) {
            written.files.append(context.planFile(draft.plan))
        }
        export = written
    }

    /// The figures of a priced plan that exported files state.
    /// - Parameter train: what the plan says of its run, whatever software runs it.
    private static func context(_ estimate: Estimate, train: TrainSettings?, source: String) -> ExportContext {
        let step = estimate.iteration.seconds
        let stated = train?.checkpoint?.every
        let interval = estimate.run?.checkpointInterval.flatMap { $0 / step > 0 ? max(1, ($0 / step).rounded()) : nil }
        var context = ExportContext(
            source: source, version: ProgramVersion.text, stepSeconds: step, peakGiB: gib(estimate.peakMemory),
            capacityGiB: gib(estimate.capacity),
            steps: train?.steps ?? estimate.run.flatMap { Int(exactly: $0.steps.rounded(.up)) },
            saveEvery: stated ?? interval.flatMap { Int(exactly: $0) }, days: estimate.run?.ended?.days,
            highDays: estimate.run?.ended?.highDays, planText: text(estimate, source: source))
        context.fits = estimate.fits
        return context
    }

    /// The plan with every value that was chosen or left to a default.
    private static func text(_ estimate: Estimate, source: String) -> String {
        var plan = estimate.plan
        plan.layout = estimate.layout
        if estimate.layout.pipeline > 1 {
            plan.layout?.layersPerStage = StagePartition(estimate.layout, model: plan.model).sizes
        }
        plan.openDefaults = []
        return plan.yaml(library: .standard(besides: source))
    }

    private static func gib(_ bytes: Double) -> Double { bytes / 1_073_741_824 }

    private static func software(_ estimate: Estimate) -> String {
        let framework = estimate.plan.framework(for: estimate.layout)
        return estimate.plan.frameworks.product?.text ?? framework.name
    }

    /// Reports why there are no files.
    func report(as line: (String) -> Void, file: String, nearest: Bool) {
        for gap in export.gaps where !nearest || gap.nearest == nil {
            let advice = gap.nearest.map { "; --nearest writes \(gap.field) \($0)" } ?? ""
            line("\(file): \(target.rawValue) cannot say \(gap.field) \(gap.value): \(gap.reason)\(advice)")
        }
    }

    /// Says what the files say instead of the plan, and what that costs.
    func noteGaps() {
        for gap in export.gaps {
            Console.note(
                "\(target.rawValue): \(gap.field) \(gap.value) became \(gap.nearest ?? "nothing"), since \(gap.reason)")
        }
        for remark in remarks { Console.note("\(target.rawValue): \(remark)") }
    }

    /// What the files cost beside the plan, in words.
    private var remarks: [String] {
        var remarks: [String] = []
        if let changed {
            let share = (changed.iteration.seconds / original.iteration.seconds - 1) * 100
            remarks.append(
                "a step of the nearest plan takes \(figure(changed.iteration.seconds)) s, of the plan "
                    + "\(figure(original.iteration.seconds)) s (\(share < 0 ? "" : "+")\(figure(share)) %); memory "
                    + "\(memory(changed)) instead of \(memory(original)) GiB\(misfit(changed))")
        }
        if let run, !run.estimate.fits {
            let own = changed ?? original
            remarks.append(
                "\(memory(own)) GiB with the plan's \(Self.software(own)); \(memory(run.estimate)) GiB with \(run.name)"
                    + "\(misfit(run.estimate)), and `framework: \(run.name)` in the plan prices them")
        }
        return remarks
    }

    private func memory(_ estimate: Estimate) -> String { figure(Self.gib(estimate.peakMemory)) }

    /// The end of a sentence about a plan that does not fit; empty where it does.
    private func misfit(_ estimate: Estimate) -> String {
        guard !estimate.fits else { return "" }
        let place = estimate.fitsDevice ? "its hosts" : "\(figure(Self.gib(estimate.capacity))) GiB"
        return ": does not fit in \(place); the files are written all the same"
    }

    private func figure(_ number: Double) -> String {
        guard number.isFinite, abs(number) < 1e12 else { return "\(number)" }
        let places = abs(number) < 1 ? 1000.0 : 10.0
        return "\((number * places).rounded() / places)"
    }

    /// The document that `--json` prints.
    struct Documents: Encodable {
        var exports: [Document]
    }

    struct Document: Encodable {
        struct Gap: Encodable {
            var field, value, reason: String
            var nearest: String?
        }
        var target, version: String
        var files: [String]
        var gaps: [Gap]
        var stepSeconds, peakGiB: Double
        var nearestStepSeconds, nearestPeakGiB: Double?
        var software: String?
        var softwareStepSeconds, softwarePeakGiB: Double?
        var fits: Bool?
        var remarks: [String]
    }

    var document: Document {
        Document(
            target: target.rawValue, version: target.version, files: export.files.map(\.name),
            gaps: export.gaps.map {
                Document.Gap(field: $0.field, value: $0.value, reason: $0.reason, nearest: $0.nearest)
            }, stepSeconds: original.iteration.seconds, peakGiB: Self.gib(original.peakMemory),
            nearestStepSeconds: changed?.iteration.seconds,
            nearestPeakGiB: changed.map { Self.gib($0.peakMemory) }, software: run?.name,
            softwareStepSeconds: run?.estimate.iteration.seconds,
            softwarePeakGiB: run.map { Self.gib($0.estimate.peakMemory) },
            fits: export.files.isEmpty ? nil : (run?.estimate ?? changed ?? original).fits, remarks: remarks)
    }
}

/// A plan's run on other software than its own.
private struct RunElsewhere {
    /// The software as a plan names it.
    var name: String
    var estimate: Estimate

    /// nil: the plan's own software is that one.
    /// - Parameters:
    ///   - layout: what the files say of it; the rest is the software's own.
    ///   - source: the plan's file, beside which software is found.
    init?(_ own: Plan, _ layout: Layout, on name: String, source: String) throws {
        var plan = own
        guard let software = SoftwareName(name), case .found(let generation) = plan.frameworks.resolved(software) else {
            return nil
        }
        guard plan.framework(for: layout).name != generation else { return nil }
        self.name = name
        plan.layout = layout
        plan.frameworks.named = generation
        plan.frameworks.product = generation == name ? nil : software
        (plan.frameworks.path, plan.frameworks.changes, plan.frameworks.assumed) = (nil, [], nil)
        // Steps that were measured are those of the plan's own software.
        (plan.measured, plan.measurements, plan.anchor, plan.train) = (nil, [], nil, nil)
        plan.openDefaults = []
        // Read again, so that the software has its own way with what the layout leaves open. The nearest plan of a target may be
        // one that no plan file may state; it is priced as it is.
        let library = Library.standard(besides: source)
        let read = try? Plan.read(text: plan.yaml(library: library), path: source, library: library)
        estimate = try price(plan: read ?? plan, layout: read?.layout ?? layout)
    }
}
