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
    /// - Parameter isSearched: whether a search found the layout, so that the plan has no place for its keys.
    package func defaultRemarks(isSearched: Bool = false) throws(PlannerError) -> [Remark] {
        let place = isSearched ? " in the plan that --write-plan writes" : ""
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
                text = "the plan fits with \(value.words)\(place)"
            } else if isNotFurther(other), isShortened(by: other) {
                let isTransfer = Layout.Default.transfers.contains(key)
                text =
                    "\(gain(other)) "
                    + (isTransfer ? "if it were (\(value.words)\(place))" : "with \(value.words)\(place)")
            } else {
                continue
            }
            remarks.append(Remark(.defaultDecides, "\(value.now), which is the default: " + text))
        }
        if let remark = try remarkOnAll(pricer, place) { remarks.append(remark) }
        if let remark = try divisionRemark(pricer, place) { remarks.append(remark) }
        if let remark = try overlapRemark(pricer, place) { remarks.append(remark) }
        return remarks + otherPlanRemarks(isSearched: isSearched)
    }

    /// A remark on several defaults together: a schedule that hides an exchange may only fit where blocks are recomputed, so
    /// that neither key alone shows what both decide. Of all changes the best is taken, then the best beside it, and so on.
    private func remarkOnAll(_ pricer: Pricer, _ place: String) throws(PlannerError) -> Remark? {
        var (now, taken): (Estimate, [(value: DefaultValue, estimate: Estimate)]) = (self, [])
        // Offload makes room at a price, so it has a remark of its own.
        var open = Layout.Default.allCases.filter { plan.openDefaults.contains($0) && $0 != .offload }
        while !open.isEmpty {
            var best: (key: Layout.Default, value: DefaultValue, estimate: Estimate)?
            for key in open {
                for value in DefaultValue.others(of: key, now.layout, plan) {
                    guard let (value, other) = try price(value, pricer), now.mayBecome(other) else { continue }
                    if let best, !best.estimate.mayBecome(other) { continue }
                    best = (key, value, other)
                }
            }
            guard let best else { break }
            taken.append((best.value, best.estimate))
            now = best.estimate
            open.removeAll { $0 == best.key }
        }
        guard taken.count > 1, let first = taken.first?.estimate else { return nil }
        let other = try simulatedEstimate(now.layout, pricer)
        // One key alone is named by its own remark.
        let isNews =
            other.fits != first.fits || first.isShortened(by: other)
        guard isNews else { return nil }
        let words = Wording.alternatives(taken.map(\.value.words), "and") + place
        let nowWords = Wording.alternatives(taken.map(\.value.now), "and")
        if !fits, other.fits {
            return Remark(
                .defaultDecides,
                "\(nowWords), which are the defaults: the plan fits with \(words) together, and "
                    + (other.iteration.seconds < iteration.seconds ? gain(other) : "takes longer"))
        }
        guard isNotFurther(other), isShortened(by: other) else {
            return nil
        }
        return Remark(
            .defaultDecides, "\(nowWords), which are the defaults: \(gain(other)) with \(words) together")
    }

    /// Whether the step of another answer is shorter by as much as a remark is worth.
    private func isShortened(by other: Estimate) -> Bool {
        1 - other.iteration.seconds / iteration.seconds > Self.leastChange
    }

    /// Whether another answer is not further from fitting: both fit, or neither does and the other needs no more memory.
    private func isNotFurther(_ other: Estimate) -> Bool {
        fits == other.fits && (fits || other.peakMemory <= peakMemory)
    }

    /// Whether another answer is worth a change: it fits where this one does not, or is faster by more than a hundredth.
    private func mayBecome(_ other: Estimate) -> Bool {
        guard fits == other.fits else { return other.fits }
        // An answer that does not fit is nearer to fitting with less memory, however long it takes.
        return fits ? other.iteration.seconds < 0.99 * iteration.seconds : other.peakMemory < 0.99 * peakMemory
    }

    /// Remarks on the precision and the software, where the plan leaves them out. Each is priced with the plan's own layout.
    private func otherPlanRemarks(isSearched: Bool) -> [Remark] {
        var remarks: [Remark] = []
        func add(_ plans: [(words: String, plan: Plan)], now: String) {
            let others = plans.compactMap { words, other -> (words: String, estimate: Estimate)? in
                guard let layout = other.reading(layout, insteadOf: layout, isSearched: isSearched),
                    let pricer = try? Pricer(plan: other),
                    let estimate = try? simulatedEstimate(layout, pricer), estimate.fits || !fits
                else { return nil }
                return (words, estimate)
            }
            let best = others.min { a, b in
                a.estimate.fits == b.estimate.fits
                    ? a.estimate.iteration.seconds < b.estimate.iteration.seconds : a.estimate.fits
            }
            guard let best else { return }
            if best.estimate.fits, !fits {
                remarks.append(Remark(.defaultDecides, "\(now): the plan fits with \(best.words)"))
            } else if isShortened(by: best.estimate) {
                remarks.append(Remark(.defaultDecides, "\(now): \(gain(best.estimate)) with \(best.words)"))
            }
        }
        if plan.openKeys.contains(.precision) {
            // Formats of whole runs; 4 bits and blocks of 32 need a recipe, which is more than a format.
            let formats = [Precision.bf16, .fp8].filter { $0 != plan.precision && plan.cluster.hasRate($0) }
            add(
                formats.map { format in
                    var other = plan
                    other.precision = format
                    return ("precision: \(format.rawValue)", other)
                }, now: "the run computes in \(plan.precision.rawValue), which is the default")
        }
        if plan.openKeys.contains(.framework), plan.frameworks.named == nil {
            let own = plan.framework(for: layout)
            let names = plan.frameworks.known.keys.sorted().filter { name in
                guard name != own.name, let software = plan.frameworks.known[name] else { return false }
                return software.abilities.obstacles(to: layout, model: plan.model, name: name).isEmpty
            }
            add(
                names.map { name in
                    var other = plan
                    other.frameworks.named = name
                    return ("framework: \(name)", other)
                }, now: "the run is priced on \(own.name), which is assumed")
        }
        return remarks
    }

    /// A remark on a step on the host that is hidden behind its copies only where the software is told to (Megatron-LM's
    /// `--overlap-cpu-optimizer-d2h-h2d`): the default that is priced is the faster one.
    private func overlapRemark(_ pricer: Pricer, _ place: String) throws(PlannerError) -> Remark? {
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
                + "(layout.offload: {overlap: false}\(place))")
    }

    /// A remark on blocks that are divided as on equal devices although the cluster's are not.
    private func divisionRemark(_ pricer: Pricer, _ place: String) throws(PlannerError) -> Remark? {
        let usual = pricer.plan.framework(for: layout).abilities.stages.split(layout, model: plan.model)
        guard plan.cluster.groups != nil, layout.layersPerStage == nil || layout.layersPerStage == usual,
            let divided = try? pricer.balanced(layout, usable: Self.usableShare), let sizes = divided.layersPerStage,
            sizes != StagePartition(layout, model: plan.model).sizes
        else { return nil }
        let other = try simulatedEstimate(divided, pricer)
        let words = "layout.layersPerStage: [\(sizes.map(String.init).joined(separator: ", "))]\(place)"
        let now = "blocks are divided as on equal devices, which is the default: "
        if !fits, other.fits { return Remark(.defaultDecides, now + "the plan fits with \(words)") }
        guard fits == other.fits, isShortened(by: other) else { return nil }
        return Remark(.defaultDecides, now + "\(gain(other)) with \(words)")
    }

    /// A value as the plan would be read with it, priced by closed form; nil where it cannot be.
    private func price(
        _ value: DefaultValue, _ pricer: Pricer
    ) throws(PlannerError) -> (value: DefaultValue, estimate: Estimate)? {
        guard value.layout.problems(for: plan.model, batch: plan.batch, devices: plan.devices).isEmpty,
            let layout = pricer.plan.reading(value.layout, insteadOf: layout)
        else { return nil }
        var value = value
        value.layout = layout
        let works: [LayoutWork]
        do throws(CostError) { works = try pricer.works(layout) } catch { return nil }
        let estimates = works.map { Estimate($0, time: IterationTime($0)) }
        return estimates.min { $0.iteration.seconds < $1.iteration.seconds }.map { (value, $0) }
    }

    /// The fastest of these values by closed form, among those that fit if any does; nil if none is worth a remark.
    private func best(of values: [DefaultValue], _ pricer: Pricer) throws(PlannerError) -> DefaultValue? {
        var best: (value: DefaultValue, fits: Bool, seconds: Double)?
        for value in values {
            guard let (value, other) = try price(value, pricer), other.fits || !fits else { continue }
            let seconds = other.iteration.seconds
            if let best, best.fits == other.fits ? best.seconds <= seconds : best.fits { continue }
            best = (value, other.fits, seconds)
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
