internal import MPI
internal import Schedules
internal import Tensors

/// Runs one rank's action list: receive posted ahead, compute, send started, next action. It knows no schedule by
/// name, and nothing of what the other ranks do but the messages of the `TransferPlan`.
final class PipelineExecutor {
    private let actions: [Action]
    private let transfers: [ActionTransfers]
    private let microbatches: Int
    private let stages: [Int: GPTStage]
    private let batch: LocalBatch
    private let recorder: TimelineRecorder
    private let pool: BoundaryPool
    private let boundaryCount: Int
    /// Activation sets not in use, by stage.
    private var idleActivations: [Int: [StageActivations]] = [:]
    /// By stage · microbatches + micro-batch: what a forward left for its backward.
    private var inFlight: [StageActivations?]
    /// The same index: a tensor handed from one stage of this rank to another, without a message.
    private var localActivations: [UnsafeMutablePointer<Float>?]
    private var localGradients: [UnsafeMutablePointer<Float>?]
    private var receives: ReceiveQueue
    private var sends: SendQueue

    /// Receives posted before their turn, so that a tensor can arrive while the rank computes.
    private static let receivesAhead = 2

    init(
        schedule: Schedule, rank: Int, stages: [Int: GPTStage], batch: LocalBatch, communicator: Communicator,
        recorder: TimelineRecorder
    ) throws(TrainingError) {
        actions = schedule.actions[rank]
        transfers = schedule.transfers.perRank[rank]
        microbatches = schedule.microbatches
        self.stages = stages
        self.batch = batch
        self.recorder = recorder
        guard let shape = stages.values.first?.shape else {
            throw .unsupported(
                field: "layout.pipeline", value: "\(schedule.ranks)", reason: "rank \(rank) has no stage")
        }
        if let split = actions.first(where: { $0.kind != .forward && $0.kind != .backward }) {
            throw .unsupported(
                field: "layout.schedule", value: schedule.name,
                reason: "the runtime does not split the backward yet (action \(split))")
        }
        boundaryCount = shape.boundaryCount
        pool = BoundaryPool(elements: shape.boundaryCount)
        let slots = schedule.stages * schedule.microbatches
        inFlight = Array(repeating: nil, count: slots)
        localActivations = Array(repeating: nil, count: slots)
        localGradients = Array(repeating: nil, count: slots)
        receives = ReceiveQueue(
            transfers: transfers.compactMap(\.receive), ahead: Self.receivesAhead, communicator: communicator)
        sends = SendQueue(communicator: communicator)
    }

    /// One iteration's forwards and backwards. Gradients are added to the stages' parameter sets; returns the summed
    /// loss of the last stage's tokens (0 on ranks without it).
    func run(lossScale: Float) throws(MPIError) -> Double {
        var loss = 0.0
        receives.restart()
        for (position, action) in actions.enumerated() {
            try receives.post(pool: pool, count: boundaryCount)
            guard let stage = stages[Int(action.stage)] else { continue }
            switch action.kind {
            case .forward: loss += try forward(action, stage, transfers[position], lossScale: lossScale)
            case .backward: try backward(action, stage, transfers[position])
            case .backwardInput, .backwardWeight, .fused: preconditionFailure("refused by the initialiser")
            }
        }
        try sends.finish(pool: pool)
        return loss
    }

    private func forward(
        _ action: Action, _ stage: GPTStage, _ transfer: ActionTransfers, lossScale: Float
    ) throws(MPIError) -> Double {
        let slot = slot(action)
        let activations =
            idleActivations[stage.index]?.popLast()
            ?? StageActivations(shape: stage.shape, blocks: stage.blockCount, isLast: stage.isLast)
        inFlight[slot] = activations
        if stage.isFirst {
            activations.input = pool.take()
        } else {
            activations.input = try input(action, transfer.receive, &localActivations)
        }
        let start = recorder.now()
        if stage.isFirst {
            stage.embed(
                tokens: batch.inputs(microbatch: Int(action.microbatch)), output: activations.input, shape: stage.shape)
        }
        let output = stage.isLast ? nil : pool.take()
        stage.forward(activations, output: output, shape: stage.shape)
        var loss = 0.0
        if stage.isLast {
            loss = stage.loss(
                activations, targets: batch.targets(microbatch: Int(action.microbatch)), scale: lossScale)
        }
        recorder.record(.compute, action, since: start)
        if let output {
            try hand(output, action, transfer.send, to: slot + microbatches, &localActivations)
        }
        return loss
    }

    private func backward(_ action: Action, _ stage: GPTStage, _ transfer: ActionTransfers) throws(MPIError) {
        let slot = slot(action)
        guard let activations = inFlight[slot] else {
            preconditionFailure("\(action) before its forward in a validated schedule")
        }
        let gradient = stage.isLast ? pool.take() : try input(action, transfer.receive, &localGradients)
        let start = recorder.now()
        stage.backward(
            activations, gradient: gradient,
            tokens: stage.isFirst ? batch.inputs(microbatch: Int(action.microbatch)) : nil)
        recorder.record(.compute, action, since: start)
        inFlight[slot] = nil
        pool.giveBack(activations.input)
        idleActivations[stage.index, default: []].append(activations)
        if stage.isFirst {
            pool.giveBack(gradient)
        } else {
            try hand(gradient, action, transfer.send, to: slot - microbatches, &localGradients)
        }
    }

    /// The tensor an action waits for, from a message or from this rank's own neighbouring stage.
    private func input(
        _ action: Action, _ receive: Schedules.Transfer?, _ local: inout [UnsafeMutablePointer<Float>?]
    ) throws(MPIError) -> UnsafeMutablePointer<Float> {
        guard let receive else {
            let slot = slot(action)
            guard let tensor = local[slot] else {
                preconditionFailure("\(action) before its input in a validated schedule")
            }
            local[slot] = nil
            return tensor
        }
        let start = recorder.now()
        let buffer = try receives.next()
        recorder.record(
            .receive, action, since: start, bytes: Double(boundaryCount * 4), peer: Int(receive.peer))
        return buffer
    }

    /// Starts a tensor on its way, to a rank or to the neighbouring stage here.
    private func hand(
        _ tensor: UnsafeMutablePointer<Float>, _ action: Action, _ send: Schedules.Transfer?, to slot: Int,
        _ local: inout [UnsafeMutablePointer<Float>?]
    ) throws(MPIError) {
        guard let send else {
            local[slot] = tensor
            return
        }
        let start = recorder.now()
        try sends.start(tensor, count: boundaryCount, send, pool: pool)
        recorder.record(.send, action, since: start, bytes: Double(boundaryCount * 4), peer: Int(send.peer))
    }

    private func slot(_ action: Action) -> Int { Int(action.stage) * microbatches + Int(action.microbatch) }
}
