internal import Foundation
package import MPI
internal import Models
package import Plans
package import Schedules
internal import Tensors

/// One rank of a real run: owns its stages, runs the schedule, steps the optimizer.
package final class Trainer {
    package let plan: Plan
    package let layout: Layout
    package let settings: TrainSettings
    package let schedule: Schedule
    package let parameters: ParameterSet
    /// The spans of the last step, on rank 0's clock.
    package let recorder: TimelineRecorder
    /// This rank's time by kernel and by communication, while it is on.
    package let profile: Profile
    let world: Communicator
    private let grid: RankGrid
    private let dataParallel: DataParallel
    private let checkpoints: CheckpointWriter
    /// The text that is trained on.
    package let corpus: Corpus
    /// Whether this is the rank that speaks for all.
    package var isFirst: Bool { world.rank == 0 }
    /// Saves the state of the run.
    package let saver: CheckpointSaver
    let state: StateDictionary
    /// Notices state that changes by itself.
    package let integrity: StateGuard
    /// What is done to the run on purpose, for drills.
    package var injections: [Injection] = []
    /// Bits of this rank's state that were turned on purpose.
    package internal(set) var turnedBits: [TurnedBit] = []
    /// Steps so far whose loss or gradients were no numbers.
    package var skippedSteps = 0
    /// Skipped steps that came one after the other, up to the last step; 0 if that was not skipped.
    private var skippedInARow = 0
    /// Whether this rank was asked to save and leave.
    package var isAskedToStop = false
    /// Whether any rank was asked to before the last step ended; the same on every rank.
    package private(set) var stops = false
    /// Whether every rank had written its share of a checkpoint before the last step ended; the same on every rank.
    package private(set) var isWritten = true
    let groups: ProcessGroups
    let executor: PipelineExecutor
    private let batch: LocalBatch
    /// Room for the tokens of a validation's batch; nil: there is none.
    let validationBatch: LocalBatch?
    private let norm: GradientNorm
    private let rule: UpdateRule
    private let matrices: WholeMatrices

    /// Builds this rank's part of the run and fills its weights, from `settings.initialWeights` or the seed. Every rank of
    /// `world` calls it.
    /// - Parameters:
    ///   - corpus: the files of `settings`, where they are open already.
    ///   - fills: whether the weights are filled; a run that goes on takes them from a checkpoint.
    ///   - sharesMemory: whether ranks of one node may use shared memory; if not, MPI's collectives serve.
    ///   - emulatesBFloat16: whether a processor without bf16 products may train in bf16, multiplying rounded numbers in fp32.
    /// - Throws: `TrainingError` or `PlanProblems` for a plan that cannot be run as it was started.
    package init(
        plan: Plan, layout: Layout, settings: TrainSettings, world: Communicator, corpus: Corpus? = nil,
        fills: Bool = true, sharesMemory: Bool = true, emulatesBFloat16: Bool = false
    ) throws {
        try Self.check(plan: plan, layout: layout, processes: world.size)
        self.plan = plan
        self.layout = layout
        self.settings = settings
        self.world = world
        let model = plan.model
        let microbatches = plan.batch / (layout.data * layout.microbatch)
        let schedule = try layout.schedule.schedule(
            ranks: layout.pipeline, virtualStages: layout.virtualStages, microbatches: microbatches)
        try schedule.validate()
        self.schedule = schedule
        grid = RankGrid(layout)
        let expertGrid = ExpertGrid(layout)
        groups = try ProcessGroups(
            world, grid: grid, schedule: schedule, tied: model.tiedEmbeddings, experts: expertGrid)
        let partition = StagePartition(layout, model: model)
        profile = Profile()
        let builder = RankBuilder(
            plan: plan, layout: layout, settings: settings, schedule: schedule, partition: partition, groups: groups,
            profile: profile, sharesMemory: sharesMemory)
        self.corpus = try corpus ?? Self.corpus(plan: plan, settings: settings)
        batch = builder.batch(self.corpus)
        validationBatch = builder.validationBatch(self.corpus)
        parameters = try builder.parameters(fills: fills)
        let tensor = try builder.tensorParallel()
        dataParallel = try builder.dataParallel(parameters, tensor: tensor)
        checkpoints = CheckpointWriter(
            world: world, model: model, layout: layout, placement: schedule.placement, partition: partition, grid: grid,
            expertGrid: expertGrid, parameters: parameters, dataParallel: dataParallel)
        let context = try builder.context(
            tensor: tensor, dataParallel: dataParallel, emulatesBFloat16: emulatesBFloat16)
        let stages = builder.stages(parameters, context: context)

        let rank = groups.place.pipeline
        recorder = TimelineRecorder(expectedSpans: 6 * schedule.actions[rank].count + 16)
        recorder.clockOffset = try ClockAlignment.offset(world)
        recorder.pipelineRanks = (0..<layout.pipeline).map { [grid, place = groups.place] in
            var place = place
            place.pipeline = $0
            return grid.rank(at: place)
        }
        profile.recorder = recorder
        executor = PipelineExecutor(
            schedule: schedule, rank: rank, stages: stages, context: context,
            communicator: groups.pipeline, recorder: recorder)
        norm = try GradientNorm(
            parameters: parameters, embedding: groups.embedding, tensorRank: groups.place.tensor,
            last: schedule.stages - 1, sharesMemory: sharesMemory)
        rule = UpdateRule(plan.optimizer, settings)
        state = StateDictionary(parameters, rule: rule, model: model)
        saver = CheckpointSaver(
            world: world, state: state, isAsynchronous: settings.checkpoint?.isAsynchronous ?? false)
        integrity = try StateGuard(state, every: settings.stateCheckInterval, world: world)
        if fills { integrity.keep(before: 0) }
        matrices = try WholeMatrices(
            tensor: groups.tensor, expertTensor: groups.expertTensor, sharesMemory: sharesMemory)
    }

    /// - Throws: the first reason that `processes` processes cannot run the plan.
    package static func check(plan: Plan, layout: Layout, processes: Int) throws {
        try RuntimeSupport.check(plan: plan, layout: layout, processes: processes)
    }

    /// Opens the files of a run.
    /// - Throws: `TrainingError` for a file that cannot be read or holds a token beyond the vocabulary.
    /// - Parameter progress: is told that a long reading goes on.
    package static func corpus(
        plan: Plan, settings: TrainSettings, progress: RunProgress? = nil
    ) throws(TrainingError) -> Corpus {
        try Corpus(
            settings, sequence: plan.model.sequence, batch: plan.batch, vocabulary: plan.model.vocab,
            isPacked: plan.model.documents != nil, progress: progress)
    }

    /// Takes the state for right as it has been filled.
    /// - Parameter step: the next step.
    package func begins(at step: Int) {
        dataParallel.forgetWeights()
        integrity.keep(before: step)
    }

    /// Runs one step (from 0) and reports it on every rank. Where state had changed by itself it is healed from replicas, and the
    /// step is done again.
    /// - Throws: `TrainingError.diverged` when loss or gradients are no numbers in more steps in a row than the plan lets be
    ///   skipped; `TrainingError.corrupted` when no replica has what changed by itself. Every rank throws the same.
    package func step(_ step: Int) throws -> StepReport {
        var healed: [StateFault] = []
        while true {
            let (report, faults) = try attempt(step)
            healed += faults
            // Memory that changes again and again is worn out.
            guard healed.count <= Self.mostFaults, faults.allSatisfy({ $0.healedFrom != nil }) else {
                throw TrainingError.corrupted(healed)
            }
            guard var report else { continue }
            report.faults = healed
            skippedInARow = report.isSkipped ? skippedInARow + 1 : 0
            guard report.isSkipped else { return report }
            skippedSteps += 1
            guard skippedInARow <= settings.skipLimit else {
                throw TrainingError.diverged(step: step, loss: report.loss, gradientNorm: report.gradientNorm)
            }
            return report
        }
    }

    /// Faults that are healed in one step.
    private static let mostFaults = 64

    /// Collective. Makes sure that the state is as the last step has left it, before it is saved.
    /// - Returns: what was healed.
    /// - Throws: `TrainingError.corrupted` on every rank if anything else was wrong.
    package func confirmState() throws -> [StateFault] {
        let wrong = integrity.changed()
        integrity.keepForComparison()
        let mine = [Int64(wrong.count)] + integrity.votes
        let all = try world.allGather(mine)
        let faults = try heal(
            wrong, isAny: stride(from: 0, to: all.count, by: mine.count).contains { all[$0] > 0 },
            vote: { all[$0 * mine.count + 1 + $1] })
        guard faults.allSatisfy({ $0.healedFrom != nil }) else { throw TrainingError.corrupted(faults) }
        return faults
    }

    /// Collective. Heals what has changed by itself, or what most of the ranks that hold the same hold otherwise.
    /// - Parameters:
    ///   - wrong: pieces of this rank that have changed.
    ///   - isAny: whether any rank has such pieces.
    ///   - vote: what a rank says of an entry that others hold too.
    private func heal(
        _ wrong: [Int], isAny: Bool, vote: (_ rank: Int, _ number: Int) -> Int64
    ) throws -> [StateFault] {
        if isAny { return try integrity.heal(wrong) }
        let dispute = integrity.dispute(vote)
        let faults = dispute.isDecided ? try integrity.heal(dispute.wrong, isOutvoted: true) : []
        return faults + (try integrity.faults(of: dispute.undecided))
    }

    /// Runs one step.
    /// - Returns: no report if state had changed by itself, and the weights are as they were but for what was healed.
    private func attempt(_ step: Int) throws -> (report: StepReport?, faults: [StateFault]) {
        recorder.clear()
        let start = recorder.now()
        let tokens = corpus.predictions(of: step)
        try inject(in: step)
        parameters.clearGradients()
        dataParallel.startStep()
        try profile.measure(.reading) { () throws(TrainingError) in
            try batch.load(serial: corpus.sequences(before: step))
        }
        // Every tensor rank computes the same loss; the first one's counts.
        let loss = try executor.run(batch, lossScale: 1 / Float(tokens)) * (groups.place.tensor == 0 ? 1 : 0)
        recorder.awaitsAll()
        let phaseEnd = recorder.now()
        let phaseCompute = recorder.computeSeconds

        var mark = recorder.now()
        try dataParallel.completeReductions()
        try norm.sumTiedGradients()
        mark = recorder.record(.collective, since: mark)
        poisonGradients(in: step)
        let squared = norm.sumOfSquares()
        let changed = integrity.changed()
        // One small collective carries every figure of the step.
        let mine =
            [
                loss, squared, phaseCompute, phaseEnd - start, ProcessMemory.peakBytes(), isAskedToStop ? 1 : 0,
                saver.isWritten ? 0 : 1, Double(changed.count),
            ] + integrity.votes.map { Double(bitPattern: UInt64(bitPattern: $0)) }
        let all = try world.allGather(mine)
        mark = recorder.record(.collective, since: mark, bytes: Double(8 * all.count))
        func column(_ index: Int) -> [Double] { stride(from: index, to: all.count, by: mine.count).map { all[$0] } }

        stops = column(5).contains(1)
        isWritten = !column(6).contains(1)
        let faults = try heal(changed, isAny: column(7).contains { $0 > 0 }) { rank, number in
            Int64(bitPattern: all[rank * mine.count + 8 + number].bitPattern)
        }
        guard faults.isEmpty else {
            dataParallel.forgetWeights()
            return (nil, faults)
        }
        let gradientNorm = column(1).reduce(0, +).squareRoot()
        let meanLoss = column(0).reduce(0, +) / Double(tokens)
        let rate = settings.learningRate(step: step)
        let longest = column(3).max() ?? 0
        var report = StepReport(
            step: step, loss: meanLoss, gradientNorm: gradientNorm, learningRate: rate, seconds: 0, tokens: tokens,
            bubble: 1 - column(2).reduce(0, +) / (Double(world.size) * longest), computeShare: 0, peakBytes: column(4))
        guard gradientNorm.isFinite, meanLoss.isFinite else {
            // Whole weights that were gathered are still the right ones.
            report.isSkipped = true
            report.seconds = recorder.now() - start
            report.computeShare = phaseCompute / report.seconds
            integrity.keep(before: step + 1)
            return (report, [])
        }
        var scale: Float = 1
        if let clip = settings.clip, gradientNorm > clip { scale = Float(clip / (gradientNorm + 1e-6)) }
        let update = OptimizerStep(
            rule, number: max(1, step + 1 - skippedSteps), learningRate: rate, gradientScale: scale)
        try profile.measure(.optimizer) { () throws(MPIError) in
            try parameters.optimise(update, matrices: matrices)
        }
        let optimized = recorder.record(.optimizer, since: mark)
        try dataParallel.gatherSteppedWeights()
        var end = layout.sharding == .none ? optimized : recorder.record(.collective, since: optimized)
        integrity.keep(before: step + 1)
        if integrity.hasSums { end = recorder.record(.optimizer, since: end) }
        report.seconds = end - start
        report.computeShare = (phaseCompute + (optimized - mark)) / (end - start)
        return (report, [])
    }

    /// Writes all weights to `path`, whole and under Hugging Face names, whatever the layout. Every rank calls it.
    package func saveWeights(to path: String, step: Int) throws {
        try checkpoints.saveWeights(to: path, step: step)
    }

    /// Writes the adapters to the folder `path`, as PEFT reads them. Every rank calls it; without adapters nothing happens.
    package func saveAdapter(to path: String, step: Int) throws {
        guard let lora = plan.model.tuning?.lora else { return }
        try checkpoints.saveAdapter(to: path, step: step, lora)
    }

    /// Begins to save the state of the run; `saver.finish` completes it. Every rank calls it.
    /// - Parameters:
    ///   - path: the checkpoint's folder, on rank 0.
    ///   - manifest: what it is of, on rank 0.
    package func beginCheckpoint(at path: String, _ manifest: CheckpointManifest?) throws {
        try saver.begin(path, manifest)
    }

    /// The last step's measured timeline of one pipeline (data-parallel copy 0). Every rank calls it; only rank 0 gets
    /// the timeline.
    package func gatherTimeline(name: String) throws(MPIError) -> Timeline? {
        let members = (0..<layout.pipeline).map { grid.rank(at: RankGrid.Coordinates(pipeline: $0)) }
        return try recorder.gather(name: name, of: members, over: world)
    }
}
