internal import Costs
internal import Interchange
internal import Planner
internal import Plans
internal import Reading
internal import Version

/// The export of a plan to one target, with the price of what the files do not say.
struct ExportResult {
    let target: ExportTarget
    let export: Export
    private let original: Estimate
    /// The price of the nearest plan, where it is another.
    private let changed: Estimate?

    /// - Parameter context: that of `estimate`, which all targets share.
    init(
        _ target: ExportTarget, estimate: Estimate, context original: ExportContext, nearest: Bool
    ) throws {
        self.target = target
        self.original = estimate
        var plan = estimate.plan
        plan.layout = estimate.layout
        let draft = target.export(plan, context: original)
        guard !draft.gaps.isEmpty else {
            (export, changed) = (draft, nil)
            return
        }
        guard nearest, !draft.files.isEmpty, let layout = draft.plan.layout else {
            (export, changed) = (draft.withoutFiles, nil)
            return
        }
        // The files state the price of the plan that they hold.
        let repriced = try price(plan: draft.plan, layout: layout)
        let context = Self.context(repriced, source: original.source)
        var again = target.export(plan, context: context)
        // The files say another plan than the given one; here it is.
        if !again.files.contains(where: { $0.name == "plan.yaml" }) {
            again.files.append(ExportedFile("plan.yaml", context.planText))
        }
        (export, changed) = (again, repriced)
    }

    /// The figures of a priced plan that exported files state.
    /// - Parameter source: the plan's file as the user named it.
    static func context(_ estimate: Estimate, source: String) -> ExportContext {
        let plan = Self.writtenOut(estimate)
        let step = estimate.iteration.seconds
        let stated = plan.train?.checkpoint?.every
        let interval = estimate.run?.checkpointInterval.flatMap { $0 / step > 0 ? max(1, ($0 / step).rounded()) : nil }
        return ExportContext(
            source: source, version: ProgramVersion.text, stepSeconds: step,
            peakGiB: estimate.peakMemory / 1_073_741_824,
            capacityGiB: estimate.capacity / 1_073_741_824,
            steps: plan.train?.steps ?? estimate.run.flatMap { Int(exactly: $0.steps.rounded(.up)) },
            saveEvery: stated ?? interval.flatMap { Int(exactly: $0) }, days: estimate.run?.ended?.days,
            highDays: estimate.run?.ended?.highDays, planText: plan.yaml(library: .standard(besides: source)))
    }

    /// The plan with every value that was chosen or left to a default.
    private static func writtenOut(_ estimate: Estimate) -> Plan {
        var plan = estimate.plan
        plan.layout = estimate.layout
        if estimate.layout.pipeline > 1 {
            plan.layout?.layersPerStage = StagePartition(estimate.layout, model: plan.model).sizes
        }
        plan.openDefaults = []
        return plan
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
        guard !export.gaps.isEmpty else { return }
        for gap in export.gaps {
            Console.note(
                "\(target.rawValue): \(gap.field) \(gap.value) became \(gap.nearest ?? "nothing"), since \(gap.reason)")
        }
        if let words = difference { Console.note("\(target.rawValue): \(words)") }
    }

    /// The price of the difference in words.
    private var difference: String? {
        guard let changed else { return nil }
        let (before, after) = (original.iteration.seconds, changed.iteration.seconds)
        let share = (after / before - 1) * 100
        let sign = share < 0 ? "" : "+"
        let fits = changed.fits ? "" : ", which does not fit"
        return "a step of the nearest plan takes \(figure(after)) s, of the plan \(figure(before)) s "
            + "(\(sign)\(figure(share)) %); memory \(figure(changed.peakMemory / 1_073_741_824)) instead of "
            + "\(figure(original.peakMemory / 1_073_741_824)) GiB\(fits)"
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
    }

    var document: Document {
        Document(
            target: target.rawValue, version: target.version, files: export.files.map(\.name),
            gaps: export.gaps.map {
                Document.Gap(field: $0.field, value: $0.value, reason: $0.reason, nearest: $0.nearest)
            }, stepSeconds: original.iteration.seconds, peakGiB: original.peakMemory / 1_073_741_824,
            nearestStepSeconds: changed?.iteration.seconds,
            nearestPeakGiB: changed.map { $0.peakMemory / 1_073_741_824 })
    }
}
