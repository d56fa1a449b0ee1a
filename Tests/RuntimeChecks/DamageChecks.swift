internal import Foundation
internal import MPI
internal import Numbers
internal import Plans
internal import TestSupport
internal import Training

/// A way in which a checkpoint's folder is spoilt.
enum Damage: CaseIterable {
    case cutShort, longer, turnedBits, zeros, empty, removed, exchanged, noManifest

    /// Spoils one file of the checkpoint at `path`.
    func spoil(_ path: String, _ random: inout SplitMix64) throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        guard let name = files.randomElement(using: &random), let other = files.first(where: { $0 != name }) else {
            return
        }
        let file = URL(fileURLWithPath: path + "/" + name)
        var bytes = try Data(contentsOf: file)
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch self {
        case .cutShort: bytes = bytes.prefix(place)
        case .longer: bytes += Data(repeating: UInt8(truncatingIfNeeded: place), count: 1 + place % 1000)
        case .turnedBits:
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            }
        case .zeros:
            let end = min(bytes.count, place + Int.random(in: 1...4096, using: &random))
            bytes.replaceSubrange(place..<end, with: Data(count: end - place))
        case .empty: bytes = Data()
        case .removed: return try FileManager.default.removeItem(at: file)
        case .exchanged: bytes = try Data(contentsOf: URL(fileURLWithPath: path + "/" + other))
        case .noManifest: return try FileManager.default.removeItem(atPath: path + "/" + CheckpointManifest.name)
        }
        try bytes.write(to: file)
    }
}

extension LayoutChecks {
    /// Spoils the newest checkpoint of a run `times` times, and goes on each time: from the older one, or from what is as good
    /// as it was. Returns the number of runs that did not end as the undisturbed one.
    func damage(_ cases: [ResumeCase], times: Int) throws -> Int {
        var (failures, older) = (0, 0)
        for (number, check) in cases.enumerated() {
            let share = times * (number + 1) / cases.count - times * number / cases.count
            let mark = world.resourceMark
            let whole = try onRanks(check.saved) { group in
                // The older one.
                let trainer = try trainer(check, check.saved, group, fills: true)
                _ = try trainer.step(0)
                try save(trainer, after: 1, at: folder["step-000001"], group)
                _ = try trainer.saver.finish()
                return try save(check, at: folder["step-000003"], group)
            }
            let counts = try onRanks(check.resumed) { group in
                var random = SplitMix64(seed: UInt64(number + 77))
                var counts = (failed: 0, older: 0)
                for index in 0..<share {
                    let damage = Damage.allCases[(index + number) % Damage.allCases.count]
                    let run = try goOn(check, damage, group, &random)
                    guard group.rank == 0, let whole else { continue }
                    let losses = whole.losses.dropFirst(run.start)
                    if run.start == 1 { counts.older += 1 }
                    guard !run.record.losses.elementsEqual(losses) || run.record.weights != whole.weights else {
                        continue
                    }
                    counts.failed += 1
                    print("DIFFERS  \(check.name): \(damage), from step \(run.start)")
                }
                return counts
            }
            if world.rank == 0, let counts {
                older += counts.older
                print(
                    "\(counts.failed == 0 ? "ok     " : "DIFFERS")  damage \(check.name): \(share) spoilt, "
                        + "\(counts.older) runs went on from the older checkpoint")
            }
            if try !tellAll(counts.map { $0.failed == 0 } ?? true) { failures += 1 }
            try world.free(since: mark)
        }
        if world.rank == 0 {
            print("\(times) checkpoints spoilt, \(older) runs went on from the older one, \(failures) layouts differ")
        }
        return failures
    }

    /// Goes on from two checkpoints of which the newer one is spoilt.
    private func goOn(
        _ check: ResumeCase, _ damage: Damage, _ group: Communicator, _ random: inout SplitMix64
    ) throws -> (start: Int, record: Record) {
        let spoilt = folder["spoilt/step-000003"]
        if group.rank == 0 {
            try? FileManager.default.removeItem(atPath: folder["spoilt"])
            try FileManager.default.createDirectory(atPath: folder["spoilt"], withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: folder["step-000003"], toPath: spoilt)
            try damage.spoil(spoilt, &random)
        }
        try group.barrier()
        let trainer = try trainer(check, check.resumed, group, fills: false)
        let start = try load([spoilt, folder["step-000001"]], into: trainer, group).step
        var record = Record()
        for step in start..<Self.steps { record.add(try trainer.step(step)) }
        try takeWeights(of: trainer, group, into: &record)
        return (start, record)
    }
}
