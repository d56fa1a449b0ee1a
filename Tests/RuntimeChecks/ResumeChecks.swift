internal import Foundation
internal import MPI
import Models
internal import Plans
internal import Schedules
import Reading
internal import TestSupport
internal import Training

/// A run that is saved in one layout and goes on in another.
struct ResumeCase {
    let name: String
    let shape: LayoutCase.Shape
    let saved: Layout
    let resumed: Layout
    var optimizer = Optimizer()
    var isAsynchronous = false

    init(
        _ name: String, _ shape: LayoutCase.Shape = .untied, _ saved: Layout, _ resumed: Layout? = nil,
        optimizer: Optimizer = Optimizer(), isAsynchronous: Bool = false
    ) {
        self.name = name + (shape == .untied ? "" : " " + shape.rawValue)
        self.shape = shape
        self.saved = saved
        self.resumed = resumed ?? saved
        self.optimizer = optimizer
        self.isAsynchronous = isAsynchronous
    }

    private static var halfMoments: Optimizer {
        var optimizer = Optimizer()
        (optimizer.firstMoment, optimizer.secondMoment) = (.bf16, .bf16)
        return optimizer
    }

    /// In the same layout, to the bit.
    static let same: [ResumeCase] = [
        ResumeCase("alone", .tied, Layout()),
        ResumeCase("data 2", .untied, Layout(data: 2)),
        ResumeCase("tensor 2 sequence", .tied, Layout(tensor: 2, sequenceParallel: true)),
        ResumeCase("pipeline 2", .tied, Layout(pipeline: 2)),
        ResumeCase("context 2", .grouped, Layout(context: 2)),
        ResumeCase("data 4 optimizer", .tied, Layout(data: 4, sharding: .optimizer)),
        ResumeCase("data 2 gradients", .untied, Layout(data: 2, sharding: .gradients), isAsynchronous: true),
        ResumeCase("data 4 parameters", .grouped, Layout(data: 4, sharding: .parameters)),
        ResumeCase("data 4 expert 2 parameters", .shared, Layout(data: 4, expert: 2, sharding: .parameters)),
        ResumeCase("tensor 2 data 2 cut 2", .shared, Layout(data: 2, tensor: 2, expertTensor: 2)),
        ResumeCase(
            "dualpipe 4", .tied, Layout(pipeline: 4, virtualStages: 2, schedule: .dualPipe, sharding: .gradients)),
        ResumeCase("muon tensor 2", .untied, Layout(tensor: 2), optimizer: Optimizer(.muon), isAsynchronous: true),
        ResumeCase("lion data 2", .untied, Layout(data: 2), optimizer: Optimizer(.lion)),
        ResumeCase("sgd data 2 optimizer", .untied, Layout(data: 2, sharding: .optimizer), optimizer: Optimizer(.sgd)),
        ResumeCase("bf16 moments tensor 2", .untied, Layout(tensor: 2), optimizer: halfMoments),
        ResumeCase(
            "bf16 moments data 4 parameters", .tied, Layout(data: 4, sharding: .parameters), optimizer: halfMoments),
        ResumeCase("adapters tensor 2", .adapted, Layout(tensor: 2)),
        ResumeCase("adapters data 2 parameters", .adaptedGPT, Layout(data: 2, sharding: .parameters)),
    ]

    /// In another layout, but for rounding.
    static let other: [ResumeCase] = [
        ResumeCase("pipeline 4 → alone", .tied, Layout(pipeline: 4), Layout()),
        ResumeCase("alone → tensor 2 data 2", .tied, Layout(), Layout(data: 2, tensor: 2)),
        ResumeCase("tensor 4 → pipeline 2", .untied, Layout(tensor: 4), Layout(pipeline: 2)),
        ResumeCase(
            "data 4 parameters → tensor 2 pipeline 2", .tied, Layout(data: 4, sharding: .parameters),
            Layout(tensor: 2, pipeline: 2)),
        ResumeCase(
            "tensor 2 pipeline 2 → data 4 parameters", .tied, Layout(tensor: 2, pipeline: 2),
            Layout(data: 4, sharding: .parameters)),
        ResumeCase(
            "data 2 optimizer → data 4 parameters", .untied, Layout(data: 2, sharding: .optimizer),
            Layout(data: 4, sharding: .parameters)),
        ResumeCase("data 2 → data 2 gradients", .untied, Layout(data: 2), Layout(data: 2, sharding: .gradients)),
        ResumeCase("data 2 gradients → alone", .untied, Layout(data: 2, sharding: .gradients), Layout()),
        ResumeCase("context 2 → tensor 2", .grouped, Layout(context: 2), Layout(tensor: 2)),
        ResumeCase(
            "1f1b → zbv", .untied, Layout(pipeline: 4), Layout(pipeline: 2, virtualStages: 2, schedule: .zeroBubbleV)),
        ResumeCase(
            "dualpipe → interleaved", .tied, Layout(pipeline: 4, virtualStages: 2, schedule: .dualPipe),
            Layout(pipeline: 2, virtualStages: 2, schedule: .interleaved)),
        ResumeCase(
            "expert 4 → tensor 2 cut 2", .shared, Layout(data: 4, expert: 4), Layout(tensor: 2, expertTensor: 2)),
        ResumeCase(
            "expert 2 parameters → pipeline 2 expert 2", .experts, Layout(data: 4, expert: 2, sharding: .parameters),
            Layout(data: 2, pipeline: 2, expert: 2)),
        ResumeCase(
            "muon pipeline 2 → tensor 2", .grouped, Layout(pipeline: 2), Layout(tensor: 2), optimizer: Optimizer(.muon)),
        ResumeCase(
            "bf16 moments data 4 parameters → tensor 2", .untied, Layout(data: 4, sharding: .parameters),
            Layout(tensor: 2), optimizer: halfMoments),
        ResumeCase("adapters pipeline 2 → tensor 2", .adapted, Layout(pipeline: 2), Layout(tensor: 2)),
    ]
}

extension LayoutChecks {
    /// What a run that goes on left.
    private struct Resumed {
        var record: Record
        var readOverShare = 0.0
    }

    static let savedAfter = 3

    /// Runs every case: once through, saving on the way, and from what was saved. Returns the number that differ.
    func run(_ cases: [ResumeCase], toTheBit: Bool) throws -> Int {
        var failures = 0
        for check in cases {
            let mark = world.resourceMark
            let path = folder["step-000003"]
            let whole = try onRanks(check.saved) { group in try save(check, at: path, group) }
            let resumed = try onRanks(check.resumed) { group in try resume(check, from: path, group) }
            var agrees = true
            if world.rank == 0, let whole, let resumed { agrees = report(check, whole, resumed, toTheBit) }
            if try !tellAll(agrees) { failures += 1 }
            try world.free(since: mark)
        }
        if world.rank == 0 { print("\(cases.count) resumptions, \(failures) differ") }
        return failures
    }

    /// Runs on the first ranks that a layout needs; the others get nil and wait at the next message.
    func onRanks<Result>(_ layout: Layout, _ body: (Communicator) throws -> Result) throws -> Result? {
        let isIn = world.rank < layout.devices
        guard let group = try world.split(color: isIn ? 0 : 1, key: world.rank), isIn else {
            _ = try tellAll(true)
            return nil
        }
        let result = try body(group)
        _ = try tellAll(true)
        return result
    }

    func trainer(_ check: ResumeCase, _ layout: Layout, _ group: Communicator, fills: Bool) throws -> Trainer {
        try makeTrainer(
            Reference(check), layout, group, sharesMemory: true, fills: fills,
            checkpoint: TrainSettings.Checkpoint(every: 3, path: nil, keep: 1, isAsynchronous: check.isAsynchronous))
    }

    func save(_ check: ResumeCase, at path: String, _ group: Communicator) throws -> Record {
        let trainer = try trainer(check, check.saved, group, fills: true)
        var record = Record()
        for step in 0..<Self.savedAfter { record.add(try trainer.step(step)) }
        try save(trainer, after: Self.savedAfter, at: path, group)
        if !check.isAsynchronous { _ = try trainer.saver.finish() }
        // The run goes on: what it changes now must not reach the files.
        for step in Self.savedAfter..<Self.steps { record.add(try trainer.step(step)) }
        if check.isAsynchronous { _ = try trainer.saver.finish() }
        try takeWeights(of: trainer, group, into: &record)
        return record
    }

    /// Begins to save the state after `steps` steps.
    func save(_ trainer: Trainer, after steps: Int, at path: String, _ group: Communicator) throws {
        let text = trainer.corpus
        let manifest = CheckpointManifest(
            step: steps, run: "checks", program: "runtime-checks", saved: Date(), plan: "check", planText: "",
            model: trainer.plan.model, precision: trainer.plan.precision, optimizer: trainer.plan.optimizer,
            batch: trainer.plan.batch, layout: trainer.layout, train: trainer.settings,
            data: CheckpointManifest.Position(
                sequences: text.sequences(before: steps), bytes: text.tokens, digest: text.contentDigits),
            random: CheckpointManifest.RandomState(seed: trainer.settings.seed))
        try trainer.beginCheckpoint(at: path, group.rank == 0 ? manifest : nil)
    }

    /// Collective. Fills a run from the first of these checkpoints that is good.
    func load(_ paths: [String], into trainer: Trainer, _ group: Communicator) throws -> Resumption.Outcome {
        guard
            let resumption = try Resumption(
                group.rank == 0 ? paths : [], plan: trainer.plan, settings: trainer.settings, text: trainer.corpus,
                isOverriding: false, world: group)
        else { throw ChecksFailed(count: 1) }
        return try resumption.load(into: trainer)
    }

    private func resume(_ check: ResumeCase, from path: String, _ group: Communicator) throws -> Resumed {
        let trainer = try trainer(check, check.resumed, group, fills: false)
        let outcome = try load([path], into: trainer, group)
        var resumed = Resumed(record: Record(), readOverShare: outcome.readOverShare)
        for step in outcome.step..<Self.steps {
            resumed.record.add(try trainer.step(step))
        }
        try takeWeights(of: trainer, group, into: &resumed.record)
        return resumed
    }

    /// Prints one line; whether the interrupted run is the undisturbed one.
    private func report(_ check: ResumeCase, _ whole: Record, _ resumed: Resumed, _ toTheBit: Bool) -> Bool {
        let (losses, norms) = (whole.losses.dropFirst(Self.savedAfter), whole.norms.dropFirst(Self.savedAfter))
        let record = resumed.record
        let loss = Self.difference(record.losses, Array(losses))
        let norm = Self.difference(record.norms, Array(norms))
        let weight = Self.distance(record.weights, whole.weights)
        let same = record.weights == whole.weights && record.losses.elementsEqual(losses) && !record.weights.isEmpty
        let tolerance = check.optimizer.firstMoment == .bf16 ? 1e-4 : 1e-5
        let agrees =
            toTheBit ? same : loss <= 1e-5 && norm <= tolerance && weight <= tolerance
        let readsItsShare = resumed.readOverShare <= 1.05
        print(
            "\(agrees && readsItsShare ? "ok     " : "DIFFERS")  resume \(check.name): loss \(String(format: "%.1e", loss)), "
                + "norm \(String(format: "%.1e", norm)), weights \(String(format: "%.1e", weight)), "
                + "read \(String(format: "%.2f", resumed.readOverShare))" + (same ? ", to the bit" : ""))
        return agrees && readsItsShare
    }
}

extension LayoutChecks.Reference {
    fileprivate init(_ check: ResumeCase) {
        (shape, precision, optimizer) = (check.shape, .fp32, check.optimizer)
    }
}
