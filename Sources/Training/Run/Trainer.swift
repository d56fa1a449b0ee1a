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
    package let text: TextData
    /// Saves the state of the run.
    package let saver: CheckpointSaver
    let state: StateDictionary
    /// Whether this rank was asked to save and leave.
    package var isAskedToStop = false
    /// Whether any rank was asked to before the last step ended; the same on every rank.
    package private(set) var stops = false
    /// Whether every rank had written its share of a checkpoint before the last step ended; the same on every rank.
    package private(set) var isWritten = true
    private let groups: ProcessGroups
    private let executor: PipelineExecutor
    private let batch: LocalBatch
    private let norm: GradientNorm
    private let rule: UpdateRule
    private let matrices: WholeMatrices

    /// Builds this rank's part of the run and fills its weights, from `settings.initialWeights` or the seed. Every rank of
    /// `world` calls it.
    /// - Parameters:
    ///   - text: the text of `settings.data`, where it is open already.
    ///   - fills: whether the weights are filled; a run that goes on takes them from a checkpoint.
    ///   - sharesMemory: whether ranks of one node may use shared memory; if not, MPI's collectives serve.
    ///   - emulatesBFloat16: whether a processor without bf16 products may train in bf16, multiplying rounded numbers in fp32.
    /// - Throws: `TrainingError` or `PlanProblems` for a plan that cannot be run as it was started.
    package init(
        plan: Plan, layout: Layout, settings: TrainSettings, world: Communicator, text: TextData? = nil,
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
        self.text = try text ?? Self.text(plan: plan, settings: settings)
        batch = builder.batch(self.text)
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
            schedule: schedule, rank: rank, stages: stages, context: context, batch: batch,
            communicator: groups.pipeline, recorder: recorder)
        norm = try GradientNorm(
            parameters: parameters, embedding: groups.embedding, tensorRank: groups.place.tensor,
            last: schedule.stages - 1, sharesMemory: sharesMemory)
        rule = UpdateRule(plan.optimizer, settings)
        state = StateDictionary(parameters, rule: rule, model: model)
        saver = CheckpointSaver(
            world: world, state: state, isAsynchronous: settings.checkpoint?.isAsynchronous ?? false)
        matrices = try WholeMatrices(
            tensor: groups.tensor, expertTensor: groups.expertTensor, sharesMemory: sharesMemory)
    }

    /// - Throws: the first reason that `processes` processes cannot run the plan.
    package static func check(plan: Plan, layout: Layout, processes: Int) throws {
        try RuntimeSupport.check(plan: plan, layout: layout, processes: processes)
    }

    /// Opens the text of a run.
    /// - Throws: `TrainingError` for a text that cannot be read or holds a byte beyond the vocabulary.
    package static func text(plan: Plan, settings: TrainSettings) throws(TrainingError) -> TextData {
        let text = try TextData(
            path: settings.data, sequence: plan.model.sequence, batch: plan.batch, order: settings.order,
            seed: settings.seed)
        guard text.largestToken < plan.model.vocab else {
            throw TrainingError.unsupported(
                field: "model.vocab", value: "\(plan.model.vocab)",
                reason: "the text holds byte \(text.largestToken); a vocabulary of 256 covers every byte")
        }
        return text
    }

    /// Runs one step (from 0) and reports it on every rank.
    /// - Throws: `TrainingError.diverged` when the loss or the gradient norm is no number.
    package func step(_ step: Int) throws -> StepReport {
        recorder.clear()
        let start = recorder.now()
        let tokens = plan.batch * plan.model.sequence
        parameters.clearGradients()
        dataParallel.startStep()
        try batch.load(step: step)
        // Every tensor rank computes the same loss; the first one's counts.
        let loss = try executor.run(lossScale: 1 / Float(tokens)) * (groups.place.tensor == 0 ? 1 : 0)
        recorder.awaitsAll()
        let phaseEnd = recorder.now()
        let phaseCompute = recorder.computeSeconds

        var mark = recorder.now()
        try dataParallel.completeReductions()
        try norm.sumTiedGradients()
        mark = recorder.record(.collective, since: mark)
        let squared = norm.sumOfSquares()
        // One small collective carries every figure of the step.
        let mine = [
            loss, squared, phaseCompute, phaseEnd - start, ProcessMemory.peakBytes(), isAskedToStop ? 1 : 0,
            saver.isWritten ? 0 : 1,
        ]
        let all = try world.allGather(mine)
        mark = recorder.record(.collective, since: mark, bytes: Double(8 * all.count))
        func column(_ index: Int) -> [Double] { stride(from: index, to: all.count, by: mine.count).map { all[$0] } }

        stops = column(5).contains(1)
        isWritten = !column(6).contains(1)
        let gradientNorm = column(1).reduce(0, +).squareRoot()
        let meanLoss = column(0).reduce(0, +) / Double(tokens)
        guard gradientNorm.isFinite, meanLoss.isFinite else {
            throw TrainingError.diverged(step: step, loss: meanLoss, gradientNorm: gradientNorm)
        }
        var scale: Float = 1
        if let clip = settings.clip, gradientNorm > clip { scale = Float(clip / (gradientNorm + 1e-6)) }
        let rate = settings.learningRate(step: step)
        let update = OptimizerStep(rule, number: step + 1, learningRate: rate, gradientScale: scale)
        try profile.measure(.optimizer) { () throws(MPIError) in
            try parameters.optimise(update, matrices: matrices)
        }
        let optimized = recorder.record(.optimizer, since: mark)
        try dataParallel.gatherSteppedWeights()
        let end = layout.sharding == .none ? optimized : recorder.record(.collective, since: optimized)

        let longest = column(3).max() ?? 0
        let ranks = Double(world.size)
        return StepReport(
            step: step, loss: meanLoss, gradientNorm: gradientNorm, learningRate: rate, seconds: end - start,
            tokens: tokens, bubble: 1 - column(2).reduce(0, +) / (ranks * longest),
            computeShare: (phaseCompute + (optimized - mark)) / (end - start), peakBytes: column(4))
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
