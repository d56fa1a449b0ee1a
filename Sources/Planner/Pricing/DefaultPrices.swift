package import Costs
internal import Models
internal import Numbers
internal import Plans
package import Reading
internal import Schedules

extension Estimate {
    /// Least change of the step's time, as a share, that a remark on a default is worth.
    private static var leastChange: Double { 0.05 }

    /// Remarks on the defaults that decide much of the time, or whether the plan fits: the keys that the plan leaves to
    /// their default, with the time if another value were stated. All are priced on the same software.
    package func defaultRemarks() throws(PlannerError) -> [Remark] {
        var plan = plan
        if plan.frameworks.named == nil { plan.frameworks.assumed = plan.framework(for: layout).name }
        let pricer: Pricer
        do throws(CostError) { pricer = try Pricer(plan: plan) } catch { throw .cost(error) }
        var remarks: [Remark] = []
        for key in Layout.Default.allCases where plan.openDefaults.contains(key) {
            // Offload costs time: it is worth a remark where nothing else is in the way of fitting.
            guard key != .offload || !fits else { continue }
            let values = DefaultValue.others(of: key, layout, plan)
            guard let value = try best(of: values, pricer) else { continue }
            let other = try simulatedEstimate(value.layout, pricer)
            let text: String
            if !fits, other.fits {
                text = "the plan fits with \(value.words)"
            } else if fits == other.fits, 1 - other.iteration.seconds / iteration.seconds > Self.leastChange {
                let isTransfer = Layout.Default.transfers.contains(key)
                text = "\(gain(other)) " + (isTransfer ? "if it were (\(value.words))" : "with \(value.words)")
            } else {
                continue
            }
            remarks.append(Remark(.defaultDecides, "\(value.now), which is the default: " + text))
        }
        if let remark = try divisionRemark(pricer) { remarks.append(remark) }
        if let remark = try overlapRemark(pricer) { remarks.append(remark) }
        return remarks
    }

    /// A remark on a step on the host that is hidden behind its copies only where the software is told to (Megatron-LM's
    /// `--overlap-cpu-optimizer-d2h-h2d`): the default that is priced is the faster one.
    private func overlapRemark(_ pricer: Pricer) throws(PlannerError) -> Remark? {
        guard pricer.plan.openDefaults.contains(.offloadOverlap), let offload = layout.offload, offload.overlap,
            offload.optimizer > 0
        else { return nil }
        var serial = layout
        serial.offload?.overlap = false
        let other = try simulatedEstimate(serial, pricer)
        guard other.iteration.seconds / iteration.seconds - 1 > Self.leastChange else { return nil }
        return Remark(
            .defaultDecides,
            "the host steps while gradients and weights are copied, which is the default: \(gain(other)) if it did not "
                + "(layout.offload: {overlap: false})")
    }

    /// A remark on blocks that are divided as on equal devices although the cluster's are not.
    private func divisionRemark(_ pricer: Pricer) throws(PlannerError) -> Remark? {
        let usual = pricer.plan.framework(for: layout).abilities.stages.split(layout, model: plan.model)
        guard plan.cluster.groups != nil, layout.layersPerStage == nil || layout.layersPerStage == usual,
            let divided = try? pricer.balanced(layout, usable: Self.usableShare), let sizes = divided.layersPerStage,
            sizes != StagePartition(layout, model: plan.model).sizes
        else { return nil }
        let other = try simulatedEstimate(divided, pricer)
        let words = "layout.layersPerStage: [\(sizes.map(String.init).joined(separator: ", "))]"
        let now = "blocks are divided as on equal devices, which is the default: "
        if !fits, other.fits { return Remark(.defaultDecides, now + "the plan fits with \(words)") }
        guard fits == other.fits, 1 - other.iteration.seconds / iteration.seconds > Self.leastChange else { return nil }
        return Remark(.defaultDecides, now + "\(gain(other)) with \(words)")
    }

    /// The fastest of these values by closed form, among those that fit if any does; nil if none is worth a remark.
    private func best(of values: [DefaultValue], _ pricer: Pricer) throws(PlannerError) -> DefaultValue? {
        var best: (value: DefaultValue, fits: Bool, seconds: Double)?
        for var value in values
        where value.layout.problems(for: plan.model, batch: plan.batch, devices: plan.devices).isEmpty {
            guard let layout = pricer.plan.reading(value.layout) else { continue }
            value.layout = layout
            let works: [LayoutWork]
            do throws(CostError) { works = try pricer.works(layout) } catch { continue }
            for work in works {
                let other = Estimate(work, time: IterationTime(work))
                guard other.fits || !fits else { continue }
                let seconds = other.iteration.seconds
                if let best, best.fits == other.fits ? best.seconds <= seconds : best.fits { continue }
                best = (value, other.fits, seconds)
            }
        }
        // The closed form is near the simulated time, so half of a remark's gain decides what is simulated.
        guard let best, best.fits != fits || best.seconds < (1 - Self.leastChange / 2) * iteration.seconds else {
            return nil
        }
        return best.value
    }

    /// The difference of another answer: in days of the run, or in the time of a step.
    private func gain(_ other: Estimate) -> String {
        func signed(_ difference: Double, _ words: (Double) -> String) -> String {
            (difference < 0 ? "+" : "−") + words(abs(difference))
        }
        if let days = run?.ended?.days, let less = other.run?.ended?.days {
            return signed(days - less) { "\(Figures.significant($0)) days" }
        }
        return signed(iteration.seconds - other.iteration.seconds) { "\(Figures.seconds($0)) a step" }
    }
}

/// Another value of a key that a plan leaves to its default.
private struct DefaultValue {
    var layout: Layout
    /// What the default means: `parameters are not sharded`.
    var now: String
    /// The key with the other value, as a plan states it.
    var words: String

    private init(_ layout: Layout, _ now: String, _ words: String, _ change: (inout Layout) -> Void) {
        self.layout = layout
        self.now = now
        self.words = "layout.\(words)"
        change(&self.layout)
    }

    /// The values of practice that a plan would state instead of the default.
    static func others(of key: Layout.Default, _ layout: Layout, _ plan: Plan) -> [DefaultValue] {
        switch key {
        case .tensorOverlap:
            guard !layout.overlap.tensor, layout.tensor > 1 else { return [] }
            return [
                DefaultValue(layout, "tensor collectives are not hidden", "overlap: {tensor: true}") {
                    $0.overlap.tensor = true
                }
            ]
        case .expertOverlap:
            guard !layout.overlap.expert, layout.expert * layout.expertTensor > 1, plan.model.mixtureLayers > 0 else {
                return []
            }
            return [
                DefaultValue(layout, "the experts' exchange is not hidden", "overlap: {expert: true}") {
                    $0.overlap.expert = true
                }
            ]
        case .dispatcher:
            guard layout.dispatcher == nil, layout.expert * layout.expertTensor > 1, plan.model.mixtureLayers > 0 else {
                return []
            }
            let known = plan.framework(for: layout).abilities.dispatchers
            return [Layout.Dispatcher.deepep, .hybridep].filter(known.contains).map { way in
                DefaultValue(
                    layout, "rows go to their experts by the software's own exchange", "dispatcher: \(way.rawValue)"
                ) { $0.dispatcher = way }
            }
        case .schedule:
            guard layout.pipeline > 1, layout.schedule == .oneForwardOneBackward else { return [] }
            let most = plan.model.layers / layout.pipeline
            return [2, 3, 4, 6, 8].filter { $0 <= most }.map { stages in
                DefaultValue(
                    layout, "every pipeline rank holds one stage",
                    "schedule: interleaved-1f1b with virtualStages: \(stages)"
                ) {
                    $0.schedule = .interleaved
                    $0.virtualStages = stages
                    $0.layersPerStage = nil
                }
            }
        case .microbatch:
            let share = plan.batch / max(1, layout.data)
            return [2, 4, 8, 16].filter { $0 <= share && share % $0 == 0 }.map { size in
                DefaultValue(layout, "a micro-batch is one sequence", "microbatch: \(size)") { $0.microbatch = size }
            }
        case .sequenceParallel:
            guard layout.tensor > 1, !layout.sequenceParallel else { return [] }
            return [
                DefaultValue(layout, "norms and the residual stream are not split", "sequenceParallel: true") {
                    $0.sequenceParallel = true
                }
            ]
        case .recompute:
            return [Layout.Recompute.selective, .full].map { value in
                DefaultValue(layout, "nothing is recomputed", "recompute: \(value.rawValue)") { $0.recompute = value }
            }
        case .offload:
            guard layout.offload == nil else { return [] }
            return plan.offloadSteps(anySoftware: false, for: layout).map { step in
                DefaultValue(layout, "nothing is offloaded to the host", "offload: \(step.yaml)") { $0.offload = step }
            }
        case .offloadOverlap: return []
        case .sharding:
            guard layout.hasReplicas(plan.model) else { return [] }
            return [Layout.Sharding.optimizer, .parameters].map { value in
                DefaultValue(layout, "nothing is sharded", "sharding: \(value.rawValue)") { $0.sharding = value }
            }
        }
    }
}
