internal import Models
internal import Numbers
package import Plans
package import Reading

extension Estimate {
    /// Remarks of the plan's reader and on the plan's price.
    package var notes: [Remark] {
        var notes = plan.remarksNow(with: [self])
        if let idle = plan.idleRemark { notes.append(Remark(.devicesIdle, idle)) }
        let share = plan.cluster.coreShare(plan.devices)
        if share < 1 {
            notes.append(
                Remark(
                    .coresShared,
                    "\(Figures.grouped(plan.devices)) processes share the \(plan.cluster.devicesPerNode) cores of "
                        + "\(plan.cluster.name): each is priced with its share of a core"))
        }
        if let remark = plan.cluster.remarkWithoutRuns { notes.append(remark) }
        if layout.offload != nil {
            notes.append(
                Remark(
                    .offloadWithoutRuns,
                    "no run with offload has been compared with a prediction: copies are priced at the rate of the link, "
                        + "steps on the host at that of its memory"))
        }
        if let run, !run.ends { notes.append(Remark(.neverEnds, "the run never ends: " + interruptions)) }
        return notes
    }

    /// A clause that states how often failures come and how long a restart takes.
    package var interruptions: String {
        guard let all = plan.meanTimeBetweenFailures else {
            return "failures come faster than checkpoints can be written"
        }
        let restart = Figures.plain(((plan.failures.outage + plan.repairWait) / 6).rounded() / 10)
        let every = "fails every \(Self.spoken(all)), and training again takes \(restart) minutes"
        guard plan.cluster.groups == nil, !plan.failures.statesRate, let single = plan.cluster.meanTimeBetweenFailures
        else {
            return "one of \(Figures.grouped(plan.devices)) devices \(every)"
        }
        return
            "at a mean time between failures of \(Self.spoken(single)) a device one of "
            + "\(Figures.grouped(plan.devices)) \(every)"
    }

    /// A duration as text: `2.5 hours`.
    private static func spoken(_ seconds: Double) -> String {
        let units = [("days", 86_400.0), ("hours", 3600), ("minutes", 60), ("s", 1), ("ms", 1e-3)]
        guard let unit = units.first(where: { seconds >= 2 * $0.1 }) ?? units.last else { return "" }
        let value = (seconds / unit.1 * 10).rounded() / 10
        return "\(Figures.plain(value)) \(unit.0)"
    }
}

extension Estimate.Run {
    /// Smallest goodput of a run that ends. With less, the run would take more than a hundred times its own length.
    package static let leastGoodput = 0.01

    /// Whether the run makes enough progress between failures to end.
    package var ends: Bool { days.isFinite && goodput >= Self.leastGoodput }

    /// The run if it ends. nil if not, since the figures of an endless run are meaningless.
    package var ended: Estimate.Run? { ends ? self : nil }
}

extension Estimate {
    /// Model FLOPs utilisation with half of the attention: the smallest amount that causal models compute, and the
    /// convention of Megatron-LM today. `mfu` counts the whole attention.
    package var mfuCausal: Double {
        let flops = FLOPs(model: plan.model, sequences: plan.batch)
        return mfu * flops.requiredCausal / flops.required
    }
}

extension Plan {
    /// Remarks on the plan and on these answers to it, without duplicates.
    package func notes(with estimates: [Estimate]) -> [Remark] {
        var notes = remarksNow(with: estimates)
        if estimates.isEmpty, let remark = cluster.remarkWithoutRuns, !notes.contains(remark) { notes.append(remark) }
        for note in estimates.flatMap(\.notes) where !notes.contains(note) && note.code != .batchAssumed {
            notes.append(note)
        }
        return notes
    }

    /// Remarks that no choice of devices or layout changes: all except the one on a chosen batch.
    package var firmRemarks: [Remark] { remarks.filter { $0.code != .batchAssumed } }

    /// Remarks on the plan. The one on a chosen batch names the batches of these answers.
    fileprivate func remarksNow(with estimates: [Estimate]) -> [Remark] {
        guard let place = remarks.firstIndex(where: { $0.code == .batchAssumed }),
            let wanted = estimates.lazy.compactMap(\.plan.wantedBatch).first
        else { return remarks }
        let taken = estimates.filter { $0.plan.wantedBatch != nil }.map(\.plan.batch)
        var moved = remarks
        moved[place].text = BatchChoice.remark(taken, wanted: wanted)
        return moved
    }
}
