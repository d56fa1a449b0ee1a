internal import Foundation
internal import MPI
import Models
internal import Plans
import Reading
internal import TestSupport
internal import Training

/// Ends the process; the job's exit code is the ranks'.
func exitProgram(_ code: Int32) -> Never { exit(code) }

/// Runs layouts on the first ranks of a job and compares with one of them alone.
final class LayoutChecks {
    /// What a run left.
    struct Record {
        var losses: [Double] = []
        /// The loss on text that is not trained on, after the second step.
        var validation = 0.0
        var norms: [Double] = []
        var weights: [UInt8] = []

        mutating func add(_ report: StepReport) {
            losses.append(report.loss)
            norms.append(report.gradientNorm)
        }

        /// Forgets the steps from `step` on.
        mutating func cut(to step: Int) {
            losses.removeLast(max(0, losses.count - step))
            norms.removeLast(max(0, norms.count - step))
        }
    }

    static let steps = 5
    private static let batch = 8
    /// Largest relative difference of losses, norms and weights.
    private static func tolerance(_ precision: Precision) -> Double { precision == .bf16 ? 2e-3 : 1e-5 }
    /// That of weights. The gradient of keys' biases is zero but for rounding, and Lion steps by its sign.
    private static func weightTolerance(_ check: LayoutCase) -> Double {
        check.optimizer.name == .lion ? 1e-2 : tolerance(check.precision)
    }

    let world: Communicator
    let folder: TemporaryFolder
    /// One process's runs.
    private var references: [Reference: Record] = [:]

    struct Reference: Hashable {
        var shape: LayoutCase.Shape
        var precision: Precision
        var optimizer: Optimizer

        init(_ check: LayoutCase) {
            (shape, precision, optimizer) = (check.shape, check.precision, check.optimizer)
        }
    }

    init(world: Communicator) throws {
        self.world = world
        folder = try TemporaryFolder()
        // Bytes below the vocabulary of 128, each of which leaves a few choices for the next.
        var (text, random): ([UInt8], UInt32) = ([32], 1)
        while text.count < 3000 {
            random = random &* 1_664_525 &+ 1_013_904_223
            text.append(UInt8(32 + (5 * UInt32(text[text.count - 1]) + (random >> 30)) % 64))
        }
        try folder.write(Data(text), as: "text")
    }

    /// Runs every case and prints how it went. Returns the number that differ; the same on every rank.
    func run(_ cases: [LayoutCase]) throws -> Int {
        var failures = 0
        for check in cases {
            let count = check.layout.devices
            guard count <= world.size else {
                if world.rank == 0 { print("skipped  \(check.name): \(count) ranks") }
                continue
            }
            let mark = world.resourceMark
            try prepareReference(Reference(check))
            guard let group = try world.split(color: world.rank < count ? 0 : 1, key: world.rank) else { continue }
            var agrees = true
            if world.rank < count {
                let record = try train(Reference(check), check.layout, group, sharesMemory: check.sharesMemory)
                if world.rank == 0, let reference = references[Reference(check)] {
                    agrees = report(check, record, reference)
                }
            }
            if try !tellAll(agrees) { failures += 1 }
            try world.free(since: mark)
        }
        if world.rank == 0 { print("\(cases.count) layouts, \(failures) differ") }
        return failures
    }

    /// Gives every rank rank 0's word. Ranks that had nothing to do sleep until it comes: they share the cores with those
    /// that train.
    func tellAll(_ agrees: Bool) throws -> Bool {
        if world.rank == 0 {
            fflush(nil)
            for rank in 1..<max(world.size, 1) { try world.send([Int32(agrees ? 1 : 0)], to: rank) }
            return agrees
        }
        while try !world.hasMessage(from: 0) { usleep(1000) }
        return try world.receive(Int32.self, count: 1, from: 0)[0] == 1
    }

    private func prepareReference(_ reference: Reference) throws {
        guard references[reference] == nil else { return }
        references[reference] = Record()
        guard let alone = try world.split(color: world.rank == 0 ? 0 : 1, key: world.rank), world.rank == 0 else {
            return
        }
        references[reference] = try train(reference, Layout(), alone, sharesMemory: true)
    }

    func train(
        _ reference: Reference, _ layout: Layout, _ group: Communicator, sharesMemory: Bool
    ) throws -> Record {
        let trainer = try makeTrainer(reference, layout, group, sharesMemory: sharesMemory)
        var record = Record()
        for step in 0..<Self.steps {
            record.add(try trainer.step(step))
            if step == 1 { record.validation = try trainer.validate()?.loss ?? .nan }
        }
        try takeWeights(of: trainer, group, into: &record)
        return record
    }

    /// Collective. Puts the weights of a run that is over into rank 0's record of it.
    func takeWeights(of trainer: Trainer, _ group: Communicator, into record: inout Record) throws {
        let path = folder["weights"]
        try trainer.saveWeights(to: path, step: Self.steps)
        if group.rank == 0 { record.weights = try weights(path) }
    }

    func makeTrainer(
        _ reference: Reference, _ layout: Layout, _ group: Communicator, sharesMemory: Bool, fills: Bool = true,
        checkpoint: TrainSettings.Checkpoint? = nil
    ) throws -> Trainer {
        var settings = TrainSettings(
            data: folder["text"], order: .sequential, steps: Self.steps, learningRate: 1e-3,
            schedule: .constant, epsilon: 1e-6, clip: 1, seed: 3)
        settings.endOfDocument = reference.shape.endOfDocument
        settings.mup = reference.shape.mup
        if reference.shape == .apart { settings.documents = .apart }
        // The same text: what is trained on stays as it is.
        settings.validation = TrainSettings.Validation(
            files: [TrainSettings.CorpusFile(path: folder["text"])], every: 2, batches: 1)
        settings.checkpoint = checkpoint
        let cluster = try Cluster.read("a100-80g-sxm")
        var layout = layout
        layout.microbatch = 1
        var plan = Plan(
            name: "check", model: reference.shape.model, tokens: nil, cluster: cluster, devices: layout.devices,
            batch: Self.batch, precision: reference.precision, layout: layout, train: settings)
        plan.optimizer = reference.optimizer
        let problems = layout.problems(for: plan.model, batch: plan.batch, devices: layout.devices)
        if !problems.isEmpty { throw PlanProblems(problems) }
        return try Trainer(
            plan: plan, layout: layout, settings: settings, world: group, fills: fills, sharesMemory: sharesMemory,
            emulatesBFloat16: true)
    }

    /// The tensors of a file of weights, as bytes.
    private func weights(_ path: String) throws -> [UInt8] {
        let file = try Data(contentsOf: URL(fileURLWithPath: path))
        let header = Int(file.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
        return Array(file.dropFirst(8 + header))
    }

    /// Prints one line; whether the run agrees.
    private func report(_ check: LayoutCase, _ record: Record, _ reference: Record) -> Bool {
        let loss = Self.difference(record.losses, reference.losses)
        let norm = Self.difference(record.norms, reference.norms)
        let weight = Self.distance(record.weights, reference.weights)
        let validation = Self.difference([record.validation], [reference.validation])
        let same = record.weights == reference.weights && record.losses == reference.losses
        // Rounded or not, the model learns nearly the same.
        let plain = references.first {
            $0.key.shape == check.shape && $0.key.precision == .fp32 && $0.key.optimizer == check.optimizer
        }?.value
        let learns = check.precision == .fp32 || plain.map { Self.difference(record.losses, $0.losses) <= 0.01 } ?? true
        let agrees =
            [loss, norm, validation].allSatisfy { $0 <= Self.tolerance(check.precision) }
            && weight <= Self.weightTolerance(check) && (same || !check.isBitIdentical)
            && learns
        func short(_ value: Double) -> String { String(format: "%.1e", value) }
        print(
            "\(agrees ? "ok     " : "DIFFERS")  \(check.name): loss \(short(loss)), norm \(short(norm)), "
                + "validation \(short(validation)), weights \(short(weight))" + (same ? ", to the bit" : ""))
        return agrees
    }

    /// Largest relative difference.
    static func difference(_ here: [Double], _ there: [Double]) -> Double {
        guard here.count == there.count else { return .infinity }
        return zip(here, there).map { abs($0 - $1) / abs($1) }.max() ?? .infinity
    }

    /// ‖here − there‖ / ‖there‖ of two runs of floats.
    static func distance(_ here: [UInt8], _ there: [UInt8]) -> Double {
        guard here.count == there.count, !here.isEmpty else { return .infinity }
        var (gap, size) = (0.0, 0.0)
        here.withUnsafeBytes { here in
            there.withUnsafeBytes { there in
                for offset in stride(from: 0, to: here.count, by: 4) {
                    let a = Double(here.loadUnaligned(fromByteOffset: offset, as: Float.self))
                    let b = Double(there.loadUnaligned(fromByteOffset: offset, as: Float.self))
                    gap += (a - b) * (a - b)
                    size += b * b
                }
            }
        }
        return (gap / size).squareRoot()
    }
}
