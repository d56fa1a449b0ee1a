internal import Foundation
internal import MPI
internal import Numbers
internal import Plans
internal import TestSupport
internal import Training

extension LayoutChecks {
    private static let flips = 6

    /// What a run left that bits were turned in.
    private struct Disturbed {
        var record = Record()
        /// What the run has noticed, and what was done to it, by rank.
        var faults: [StateFault] = []
        var turned: [(rank: Int, bit: TurnedBit)] = []
        /// Times the run went back to a checkpoint.
        var returns = 0

        /// Whether every bit that was turned was noticed, and named by rank, tensor and place.
        var namesAll: Bool {
            faults.count <= turned.count
                && turned.allSatisfy { rank, bit in
                    faults.contains { fault in
                        guard fault.rank == rank, fault.tensor == bit.tensor else { return false }
                        guard let element = fault.element, fault.differing == 1 else {
                            return (fault.first...fault.last).contains(bit.index)
                        }
                        return element.index == bit.index && (element.found ^ element.right).nonzeroBitCount == 1
                    }
                }
        }
    }

    /// Turns bits of weights and moments on random ranks, in every layout. Returns the number of layouts in which one was not
    /// noticed, named and healed, so that the run ended as an undisturbed one.
    func flip(_ cases: [ResumeCase]) throws -> Int {
        var (failures, turned, healed, returns) = (0, 0, 0, 0)
        for (number, check) in cases.enumerated() {
            let mark = world.resourceMark
            let path = folder["step-000003"]
            let whole = try onRanks(check.saved) { group in try save(check, at: path, group) }
            let disturbed = try onRanks(check.saved) { group in try disturb(check, number, path, group) }
            var agrees = true
            if world.rank == 0, let whole, let disturbed {
                let same = disturbed.record.weights == whole.weights && disturbed.record.losses == whole.losses
                agrees = same && disturbed.namesAll && disturbed.turned.count == Self.flips
                turned += disturbed.turned.count
                healed += disturbed.faults.count { $0.healedFrom != nil }
                returns += disturbed.returns
                print(
                    "\(agrees ? "ok     " : "DIFFERS")  flip \(check.name): \(disturbed.turned.count) turned, "
                        + "\(disturbed.faults.count) noticed, \(disturbed.faults.count { $0.healedFrom != nil }) healed "
                        + "from replicas, \(disturbed.returns) returns" + (same ? ", to the bit" : ""))
            }
            if try !tellAll(agrees) { failures += 1 }
            try world.free(since: mark)
        }
        if world.rank == 0 {
            print(
                "\(turned) bits turned, \(healed) healed from replicas, \(returns) returns, \(failures) layouts differ")
        }
        return failures
    }

    private func disturb(
        _ check: ResumeCase, _ number: Int, _ path: String, _ group: Communicator
    ) throws -> Disturbed {
        let trainer = try trainer(check, check.saved, group, fills: true)
        var random = SplitMix64(seed: UInt64(number + 1))
        let (ranks, first) = (0..<group.size, Self.savedAfter)
        for seed in 0..<Self.flips {
            let (rank, step) = (
                Int.random(in: ranks, using: &random), Int.random(in: first..<Self.steps, using: &random)
            )
            trainer.injections.append(try Injection("flip,step=\(step),rank=\(rank),seed=\(number * 100 + seed)"))
        }
        var (disturbed, step) = (Disturbed(), 0)
        while step < Self.steps {
            do {
                let report = try trainer.step(step)
                disturbed.record.add(report)
                disturbed.faults += report.faults
                step += 1
            } catch TrainingError.corrupted(let faults) {
                disturbed.faults += faults
                disturbed.returns += 1
                step = try load([path], into: trainer, group).step
                disturbed.record.cut(to: step)
            }
        }
        try takeWeights(of: trainer, group, into: &disturbed.record)
        let mine = try Array(JSONEncoder().encode(trainer.turnedBits))
        for (rank, bytes) in (try group.gather(mine, to: 0) ?? []).enumerated() {
            let bits = try JSONDecoder().decode([TurnedBit].self, from: Data(bytes))
            disturbed.turned += bits.map { (rank, $0) }
        }
        return disturbed
    }
}
