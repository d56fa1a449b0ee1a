internal import Models
internal import Numbers
package import Plans
package import Reading

extension Estimate {
    /// What the reader of the plan and the price of it remark on.
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
        if let run, !run.ends { notes.append(Remark(.neverEnds, "the run never ends: " + interruptions)) }
        return notes
    }

    /// How often failures come, beside what a restart takes.
    package var interruptions: String {
        guard let single = plan.cluster.meanTimeBetweenFailures else {
            return "failures come faster than checkpoints can be written"
        }
        let restart = Figures.plain(CostConstants.restartSeconds / 60)
        return
            "at a mean time between failures of \(Self.spoken(single)) a device one of "
            + "\(Figures.grouped(plan.devices)) fails every \(Self.spoken(single / Double(plan.devices))), and training "
            + "again takes \(restart) minutes"
    }

    /// `2.5 hours`.
    private static func spoken(_ seconds: Double) -> String {
        let units = [("days", 86_400.0), ("hours", 3600), ("minutes", 60), ("s", 1), ("ms", 1e-3)]
        guard let unit = units.first(where: { seconds >= 2 * $0.1 }) ?? units.last else { return "" }
        let value = (seconds / unit.1 * 10).rounded() / 10
        return "\(Figures.plain(value)) \(unit.0)"
    }
}

extension Estimate.Run {
    /// Below this share of time that trains a run is given up: it would take a hundred times its own length.
    package static let leastGoodput = 0.01

    /// Whether the run comes to an end between its failures.
    package var ends: Bool { days.isFinite && goodput >= Self.leastGoodput }

    /// The run if it comes to an end; what another would take means nothing.
    package var ended: Estimate.Run? { ends ? self : nil }
}

extension Estimate {
    /// Model FLOPs utilisation with half of the attention, what causal models compute at least and Megatron-LM counts
    /// today; `mfu` counts the whole of it.
    package var mfuCausal: Double {
        let flops = FLOPs(model: plan.model, sequences: plan.batch, vocabulary: plan.model.vocab)
        return mfu * flops.requiredCausal / flops.required
    }
}

extension Plan {
    /// What is remarked on in the plan and in these answers to it, each once.
    package func notes(with estimates: [Estimate]) -> [Remark] {
        var notes = remarksNow(with: estimates)
        for note in estimates.flatMap(\.notes) where !notes.contains(note) && note.code != .batchAssumed {
            notes.append(note)
        }
        return notes
    }

    /// What no choice of devices or of a layout changes: all remarks but that on a batch the plan leaves open.
    package var firmRemarks: [Remark] { remarks.filter { $0.code != .batchAssumed } }

    /// The plan's remarks, of which the one on a batch it leaves open says what these answers take.
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
