internal import Foundation
package import MPI
package import Plans
package import Schedules
internal import Tensors

/// One rank of a real run: owns its stages, runs the schedule, steps the optimizer.
package final class Trainer {
    package let plan: Plan
    package let layout: Layout
    package let settings: TrainSettings
    package let schedule: Schedule
    /// This rank among the data-parallel copies.
    package let dataRank: Int
    package let parameters: ParameterSet
    /// The spans of the last step, on rank 0's clock.
    package let recorder: TimelineRecorder
    let world: Communicator
    let partition: StagePartition
    let grid: RankGrid
    private let executor: PipelineExecutor
    private let batch: LocalBatch
    private let reduction: GradientReduction
    private let optimizer: AdamW

    /// Builds this rank's part of the run and fills its weights (from `settings.initialWeights` or the seed).
    /// Every rank of `world` calls it. Throws `TrainingError` for a plan that cannot be run as it was started.
    package init(plan: Plan, layout: Layout, settings: TrainSettings, world: Communicator) throws {
        try Runnable.check(plan: plan, layout: layout, processes: world.size)
        self.plan = plan
        self.layout = layout
        self.settings = settings
        self.world = world
        let microbatches = plan.batch / (layout.data * layout.microbatch)
        let schedule = try layout.schedule.schedule(
            ranks: layout.pipeline, virtualStages: layout.virtualStages, microbatches: microbatches)
        try schedule.validate()
        self.schedule = schedule
        grid = RankGrid(layout)
        let place = grid.coordinates(of: world.rank)
        dataRank = place.data
        guard let pipelineGroup = try world.split(color: place.data, key: place.pipeline),
            let dataGroup = try world.split(color: place.pipeline, key: place.data)
        else { preconditionFailure("a split with a colour gives a communicator") }
        partition = StagePartition(layout, model: plan.model)

        let data = try TextData(
            path: settings.data, sequence: plan.model.sequence, batch: plan.batch, order: settings.order,
            seed: settings.seed)
        guard data.largestToken < plan.model.vocab else {
            throw TrainingError.unsupported(
                field: "model.vocab", value: "\(plan.model.vocab)",
                reason: "the text holds byte \(data.largestToken); a vocabulary of 256 covers every byte")
        }

        let held = (0..<schedule.stages).filter { schedule.placement.rank(stage: $0, microbatch: 0) == place.pipeline }
        let last = schedule.stages - 1
        parameters = ParameterSet(
            stages: held.map { [partition] stage in
                let tensors = ParameterLayout.tensors(
                    model: plan.model, layers: partition.layers[stage], isFirst: stage == 0, isLast: stage == last)
                return (stage, tensors)
            })
        if let path = settings.initialWeights {
            try parameters.load(from: SafeTensorsFile(path: path))
        } else {
            parameters.initialise(seed: settings.seed)
        }

        let shape = MicrobatchShape(model: plan.model, sequences: layout.microbatch)
        let workspace = StageWorkspace(shape: shape)
        var stages: [Int: GPTStage] = [:]
        for stage in held {
            stages[stage] = GPTStage(
                model: plan.model, index: stage, layers: partition.layers[stage], isFirst: stage == 0,
                isLast: stage == last, parameters: parameters, shape: shape, workspace: workspace)
        }
        batch = LocalBatch(
            data: data, shape: shape, microbatches: microbatches, first: place.data * plan.batch / layout.data)
        recorder = TimelineRecorder(expectedSpans: 4 * schedule.actions[place.pipeline].count + 16)
        recorder.clockOffset = try ClockAlignment.offset(world)
        executor = try PipelineExecutor(
            schedule: schedule, rank: place.pipeline, stages: stages, batch: batch, communicator: pipelineGroup,
            recorder: recorder)
        reduction = try GradientReduction(
            pipelineGroup: pipelineGroup, dataGroup: dataGroup, model: plan.model,
            stages: schedule.stages, held: held, parameters: parameters)
        optimizer = AdamW(
            beta1: settings.betas[0], beta2: settings.betas[1], epsilon: settings.epsilon,
            weightDecay: settings.weightDecay)
    }

    /// Runs one step (from 0) and reports it on every rank. Throws `TrainingError.diverged` when the loss or the
    /// gradient norm is no number.
    package func step(_ step: Int) throws -> StepReport {
        recorder.clear()
        let start = recorder.now()
        let tokens = plan.batch * plan.model.sequence
        parameters.clearGradients()
        batch.load(step: step)
        let loss = try executor.run(lossScale: 1 / Float(tokens))
        let phaseEnd = recorder.now()
        let phaseCompute = recorder.computeSeconds

        var mark = recorder.now()
        try reduction.reduce(parameters)
        mark = recorder.record(.collective, since: mark)
        let squared = reduction.squaredNorm(parameters) / Double(layout.data)
        // One small collective carries every figure of the step.
        let mine = [loss, squared, phaseCompute, phaseEnd - start, ProcessMemory.peakBytes()]
        let all = try world.allGather(mine)
        mark = recorder.record(.collective, since: mark, bytes: Double(8 * all.count))
        func column(_ index: Int) -> [Double] { stride(from: index, to: all.count, by: mine.count).map { all[$0] } }

        let norm = column(1).reduce(0, +).squareRoot()
        let meanLoss = column(0).reduce(0, +) / Double(tokens)
        guard norm.isFinite, meanLoss.isFinite else {
            throw TrainingError.diverged(step: step, loss: meanLoss, gradientNorm: norm)
        }
        var scale: Float = 1
        if let clip = settings.clip, norm > clip { scale = Float(clip / (norm + 1e-6)) }
        let rate = settings.learningRate(step: step)
        parameters.optimise(optimizer, step: step + 1, learningRate: rate, gradientScale: scale)
        let end = recorder.record(.optimizer, since: mark)

        let longest = column(3).max() ?? 0
        let ranks = Double(world.size)
        return StepReport(
            step: step, loss: meanLoss, gradientNorm: norm, learningRate: rate, seconds: end - start, tokens: tokens,
            bubble: 1 - column(2).reduce(0, +) / (ranks * longest),
            computeShare: (phaseCompute + (end - mark)) / (end - start), peakBytes: column(4))
    }
}
