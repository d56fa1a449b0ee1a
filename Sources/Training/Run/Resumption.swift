internal import Foundation
package import MPI
internal import Numbers
package import Plans

/// The checkpoint that a run goes on from: the newest good one of those that are offered.
package final class Resumption {
    /// How a run has gone on.
    package struct Outcome: Hashable, Sendable {
        /// Steps done before.
        package var step: Int
        package var path: String
        /// The largest number of bytes of tensors that a rank read, and over what the rank holds.
        package var mostBytes: Int
        package var readOverShare: Double
        /// Bytes of manifest and headers, which one rank reads and passes on.
        package var headerBytes: Int
        package var seconds: Double
    }

    private let world: Communicator
    private let rules: ResumeRules
    private let isOverriding: Bool
    /// On rank 0: the checkpoints that are left, the newest first.
    private var candidates: [String]
    /// Why newer ones are passed over.
    private var reasons: [String] = []
    /// Settings that are not the checkpoint's.
    private var overridden: [String] = []
    /// The newer checkpoints that are passed over, in words, on rank 0.
    package private(set) var passed: [String] = []
    /// What rank 0 is to tell.
    package var remarks: [String] { passed + overridden.map { "\($0) (--override)" } }
    private var open: CheckpointFolder

    /// Collective. Opens the newest checkpoint whose files are whole, and compares it with the plan.
    /// - Parameters:
    ///   - candidates: on rank 0, the newest first.
    ///   - isOverriding: whether other settings than the checkpoint's are taken.
    /// - Returns: nil on every rank if there are no candidates.
    package init?(
        _ candidates: [String], plan: Plan, settings: TrainSettings, text: Corpus, isOverriding: Bool,
        world: Communicator
    ) throws {
        let count = Int(try world.broadcast(Int64(candidates.count), from: 0))
        guard count > 0 else { return nil }
        self.world = world
        self.candidates = candidates
        self.isOverriding = isOverriding
        rules = ResumeRules(plan: plan, settings: settings, text: text)
        var (reasons, changes, rest): ([String], [String], [String]) = ([], [], candidates)
        open = try Self.next(&rest, &reasons, &changes, rules, isOverriding, world)
        (self.candidates, self.reasons, overridden) = (rest, reasons, changes)
        remark()
    }

    /// Collective. Fills the run's state. A checkpoint whose tensors are not as they were saved is passed over for an older one.
    package func load(into trainer: Trainer) throws -> Outcome {
        let began = MonotonicClock.seconds()
        while true {
            let (bytes, damaged) = try read(into: trainer)
            if let damaged {
                if world.rank == 0 { reasons.append(damaged) }
                open = try Self.next(&candidates, &reasons, &overridden, rules, isOverriding, world)
                remark()
                continue
            }
            let manifest = open.manifest
            trainer.skippedSteps = manifest.skipped ?? 0
            trainer.corpus.origin = (manifest.step, rules.sequences(of: manifest))
            trainer.begins(at: manifest.step)
            let held = trainer.state.heldBytes
            let all = try world.allGather([Int64(bytes), Int64(held)])
            var (most, share) = (0, 0.0)
            for rank in 0..<world.size {
                most = max(most, Int(all[2 * rank]))
                share = max(share, Double(all[2 * rank]) / Double(max(1, all[2 * rank + 1])))
            }
            return Outcome(
                step: manifest.step, path: open.path, mostBytes: most, readOverShare: share,
                headerBytes: open.index.bytes, seconds: MonotonicClock.seconds() - began)
        }
    }

    /// Collective. Reads this rank's part of the open checkpoint.
    /// - Returns: bytes read, and why any rank cannot use what it read; the same words on every rank.
    private func read(into trainer: Trainer) throws -> (bytes: Int, damaged: String?) {
        var (bytes, words): (Int, String?) = (0, nil)
        do throws(CheckpointProblem) {
            bytes = try trainer.state.load(from: open)
        } catch {
            words = error.error.description
        }
        if let damaged = try world.firstProblem(words) { return (bytes, damaged) }
        guard let key = try trainer.state.difference(from: open, over: world) else { return (bytes, nil) }
        return (bytes, "\(open.path): tensor \(key) does not match its checksum")
    }

    private func remark() {
        guard world.rank == 0, let last = reasons.last else { return }
        passed.append("\(last); going on from the older \((open.path as NSString).lastPathComponent)")
    }

    /// Collective. The next candidate that is whole.
    private static func next(
        _ candidates: inout [String], _ reasons: inout [String], _ overridden: inout [String], _ rules: ResumeRules,
        _ isOverriding: Bool, _ world: Communicator
    ) throws -> CheckpointFolder {
        guard world.rank == 0 else {
            let path = String(decoding: try world.broadcast(bytes: [], from: 0), as: UTF8.self)
            let packed = try world.broadcast(bytes: [], from: 0)
            guard let index = CheckpointIndex(packed: packed) else {
                throw TrainingError.weights(path: path, reason: "rank 0 passed on an index that cannot be read")
            }
            do throws(CheckpointProblem) {
                return try CheckpointFolder(path: path, index: index)
            } catch {
                throw error.error
            }
        }
        while !candidates.isEmpty {
            let path = candidates.removeFirst()
            let folder: CheckpointFolder
            do throws(CheckpointProblem) {
                folder = try CheckpointFolder(path: path)
                try rules.check(folder.manifest, path: path)
            } catch {
                guard case .damaged = error else { throw error.error }
                reasons.append(error.error.description)
                continue
            }
            let changes = rules.changes(since: folder.manifest)
            if !changes.isEmpty {
                guard isOverriding else {
                    throw TrainingError.weights(
                        path: path,
                        reason: "the run would not go on as it began (\(changes.joined(separator: "; "))); "
                            + "take the values it began with, or --override")
                }
                overridden = changes
            }
            _ = try world.broadcast(bytes: Array(path.utf8), from: 0)
            _ = try world.broadcast(bytes: folder.index.packed, from: 0)
            return folder
        }
        throw TrainingError.noCheckpoint(reasons)
    }
}
