internal import MPI
internal import Plans
internal import Schedules
internal import Tensors

/// Runs one rank's list of actions: receives are posted ahead, an action is computed, its send is started, and the next
/// action follows. The executor knows no schedule by name. Of the other ranks it knows only the messages of the
/// `TransferPlan`.
///
/// A forward leaves the tensors for its backward in `inFlight`, and a whole backward frees them. A split backward computes
/// the gradient by the input first (`backwardInput`, which sends it on at once) and frees the tensors with
/// `backwardWeight`. A fused action is its forward, then its backward.
///
/// A validation runs the forwards of the same lists in the same order, and frees what they leave at once.
final class PipelineExecutor {
    /// A rank's actions with the messages of each.
    private typealias List = [(action: Action, transfers: ActionTransfers)]
    private let whole: List
    /// The forwards alone.
    private let forwards: List
    private let microbatches: Int
    /// By stage number; nil for the stages of other ranks.
    private let stages: [ModelStage?]
    private let context: StageContext
    /// The tokens of the batch at work.
    private var batch: LocalBatch?
    /// Whether no backward follows the forwards.
    private var isForwardOnly = false
    private let recorder: TimelineRecorder
    private let pool: BoundaryPool
    /// Bytes of a tensor that crosses a stage boundary.
    private let boundaryBytes: Double
    /// Sets of saved tensors not in use, by the kinds of a stage's blocks. Stages with the same kinds take turns with them.
    private var idleActivations: [KeptKinds: [SavedStage]] = [:]
    /// Sets of tensors of the last stage's norm and head that no micro-batch uses at the moment.
    private var idleHeads: [SavedHead] = []
    /// Room for the rebuilt tensors of one block, which all stages share; nil without recomputation.
    private let rebuilt: RecomputeBuffers?
    /// With full recomputation and split backwards: rebuilt tensors of whole stages that no micro-batch uses.
    private var idleRebuilt: [KeptKinds: [RecomputeBuffers]] = [:]
    /// By stage · microbatches + micro-batch: the tensors that a forward saved for its backward.
    private var inFlight: [SavedStage?]
    /// Activations handed from one stage of this rank to another without a message, by stage · microbatches + micro-batch
    /// of the stage that takes them in.
    private var localActivations: [Matrix?]
    /// Gradients handed from one stage of this rank to another without a message, by stage · microbatches + micro-batch of
    /// the stage that takes them in.
    private var localGradients: [Matrix?]
    /// Of the list at work, and of the other.
    private var (receives, otherReceives): (ReceiveQueue, ReceiveQueue)
    private var sends: SendQueue

    /// The number of receives posted before their turn, so that tensors can arrive while the rank computes.
    private static let receivesAhead = 2

    init(
        schedule: Schedule, rank: Int, stages held: [ModelStage], context: StageContext,
        communicator: Communicator, recorder: TimelineRecorder
    ) {
        func list(_ schedule: Schedule) -> List {
            Array(zip(schedule.actions[rank], schedule.transfers.perRank[rank])).map { (action: $0.0, transfers: $0.1) }
        }
        whole = list(schedule)
        forwards = list(schedule.forwards)
        microbatches = schedule.microbatches
        var stages: [ModelStage?] = Array(repeating: nil, count: schedule.stages)
        for stage in held { stages[stage.index] = stage }
        self.stages = stages
        self.context = context
        self.recorder = recorder
        boundaryBytes = Double(4 * context.shape.boundaryCount)
        pool = BoundaryPool(shape: context.shape)
        // One place must hold a block of either kind: the tensors that both have, and the experts' own.
        rebuilt = RecomputeBuffers(
            shape: context.shape, blocks: Array(Set(held.flatMap(\.rebuiltKinds))), recompute: context.recompute,
            splitsBackward: context.splitsBackward)
        let slots = schedule.stages * schedule.microbatches
        inFlight = Array(repeating: nil, count: slots)
        localActivations = Array(repeating: nil, count: slots)
        localGradients = Array(repeating: nil, count: slots)
        func queue(_ list: List) -> ReceiveQueue {
            ReceiveQueue(
                transfers: list.flatMap { [$0.transfers.receive, $0.transfers.partnerReceive].compactMap(\.self) },
                ahead: Self.receivesAhead, communicator: communicator)
        }
        (receives, otherReceives) = (queue(whole), queue(forwards))
        sends = SendQueue(communicator: communicator)
    }

    /// Runs the forwards and backwards of one step. Gradients are added to the stages' parameter sets.
    /// - Returns: the summed loss of the last stage's tokens; 0 on ranks without that stage.
    func run(_ batch: LocalBatch, lossScale: Float) throws(MPIError) -> Double {
        self.batch = batch
        return try run(whole, lossScale: lossScale)
    }

    /// Runs the forwards of a batch.
    /// - Returns: the summed loss of the last stage's tokens; 0 on ranks without that stage.
    func evaluate(_ batch: LocalBatch) throws(MPIError) -> Double {
        self.batch = batch
        isForwardOnly = true
        swap(&receives, &otherReceives)
        defer {
            isForwardOnly = false
            swap(&receives, &otherReceives)
        }
        return try run(forwards, lossScale: 0)
    }

    private func run(_ list: List, lossScale: Float) throws(MPIError) -> Double {
        guard let batch else { return 0 }
        var loss = 0.0
        receives.restart()
        for (action, transfer) in list {
            var parts = action.parts
            var (receive, send) = (transfer.receive, transfer.send)
            while let part = parts.next() {
                try receives.postAhead(pool: pool)
                if let stage = stages[Int(part.stage)] {
                    loss += try run(part, stage, batch, receive, send, lossScale: lossScale)
                }
                (receive, send) = (transfer.partnerReceive, transfer.partnerSend)
            }
        }
        try sends.waitForAll(pool: pool)
        return loss
    }

    private func run(
        _ action: Action, _ stage: ModelStage, _ batch: LocalBatch, _ receive: Transfer?, _ send: Transfer?,
        lossScale: Float
    ) throws(MPIError) -> Double {
        context.documents = batch.documents(microbatch: Int(action.microbatch))
        switch action.kind {
        case .forward: return try forward(action, stage, batch, receive, send, lossScale: lossScale)
        case .backward: try backward(action, stage, batch, receive, send, weightsLater: false)
        case .backwardInput: try backward(action, stage, batch, receive, send, weightsLater: true)
        case .backwardWeight: try weightGradients(action, stage)
        case .fused: preconditionFailure("a fused action is run part by part")
        case .softmax, .outputGradient: preconditionFailure("a real run does not divide the vocabulary over stages")
        }
        return 0
    }

    private func forward(
        _ action: Action, _ stage: ModelStage, _ batch: LocalBatch, _ receive: Transfer?, _ send: Transfer?,
        lossScale: Float
    ) throws(MPIError) -> Double {
        let slot = slot(action)
        let shape = context.shape
        let activations =
            idleActivations[KeptKinds(stage)]?.popLast()
            ?? SavedStage(
                shape: shape, blocks: stage.kinds, recompute: stage.recompute,
                splitsBackward: context.splitsBackward, rebuilt: rebuilt, savesOutputs: false)
        if stage.isLast {
            activations.head =
                idleHeads.popLast()
                ?? SavedHead(shape: shape, savesOutput: context.splitsBackward)
        }
        inFlight[slot] = activations
        activations.input = stage.isFirst ? pool.take() : try input(action, receive, &localActivations)
        let output = stage.isLast ? nil : pool.take()
        let loss = try recorder.compute(action) { () throws(MPIError) -> Double in
            if stage.isFirst {
                try stage.embed(
                    tokens: batch.inputs(microbatch: Int(action.microbatch)), output: activations.input, shape: shape)
            }
            try stage.forward(activations, output: output, shape: shape)
            guard stage.isLast else { return 0 }
            return try stage.loss(
                activations, targets: batch.targets(microbatch: Int(action.microbatch)), scale: lossScale)
        }
        if let output { try handOn(output, action, send, to: slot + microbatches, &localActivations) }
        if isForwardOnly { release(activations, slot: slot, stage) }
        return loss
    }

    private func backward(
        _ action: Action, _ stage: ModelStage, _ batch: LocalBatch, _ receive: Transfer?, _ send: Transfer?,
        weightsLater: Bool
    ) throws(MPIError) {
        let slot = slot(action)
        let activations = savedStage(of: action)
        let gradient = stage.isLast ? pool.take() : try input(action, receive, &localGradients)
        try recorder.compute(action) { () throws(MPIError) in
            if weightsLater, context.recompute == .full {
                // What is rebuilt now must last until the weight gradients.
                activations.ownRebuilt =
                    idleRebuilt[KeptKinds(stage)]?.popLast()
                    ?? RecomputeBuffers(
                        shape: context.shape, blocks: stage.rebuiltKinds, recompute: .full, splitsBackward: true)
            }
            try stage.backward(
                activations, gradient: gradient,
                tokens: stage.isFirst ? batch.inputs(microbatch: Int(action.microbatch)) : nil,
                weightsLater: weightsLater)
        }
        if !weightsLater { release(activations, slot: slot, stage) }
        if stage.isFirst {
            pool.giveBack(gradient)
        } else {
            try handOn(gradient, action, send, to: slot - microbatches, &localGradients)
        }
    }

    private func weightGradients(_ action: Action, _ stage: ModelStage) throws(MPIError) {
        let activations = savedStage(of: action)
        try recorder.compute(action) { () throws(MPIError) in try stage.weightGradients(activations) }
        release(activations, slot: slot(action), stage)
    }

    private func savedStage(of action: Action) -> SavedStage {
        guard let activations = inFlight[slot(action)] else {
            preconditionFailure("\(action) before its forward in a validated schedule")
        }
        return activations
    }

    private func release(_ activations: SavedStage, slot: Int, _ stage: ModelStage) {
        inFlight[slot] = nil
        pool.giveBack(activations.input)
        if let rebuilt = activations.ownRebuilt {
            idleRebuilt[KeptKinds(stage), default: []].append(rebuilt)
            activations.ownRebuilt = nil
        }
        if let head = activations.head {
            idleHeads.append(head)
            activations.head = nil
        }
        idleActivations[KeptKinds(stage), default: []].append(activations)
    }

    /// The tensor that an action waits for, from a message or from a neighbouring stage on this rank.
    private func input(
        _ action: Action, _ receive: Transfer?, _ local: inout [Matrix?]
    ) throws(MPIError) -> Matrix {
        guard let receive else {
            let slot = slot(action)
            guard let tensor = local[slot] else {
                preconditionFailure("\(action) before its input in a validated schedule")
            }
            local[slot] = nil
            return tensor
        }
        let start = recorder.now()
        recorder.awaits(peer: Int(receive.peer))
        let buffer = try context.profile.measure(.pipelineWaits) { () throws(MPIError) in try receives.waitForNext() }
        recorder.record(
            .receive, action, since: start, bytes: boundaryBytes, peer: Int(receive.peer))
        return buffer
    }

    /// Starts a tensor on its way, to another rank or to a neighbouring stage on this rank.
    private func handOn(
        _ tensor: Matrix, _ action: Action, _ send: Transfer?, to slot: Int, _ local: inout [Matrix?]
    ) throws(MPIError) {
        guard let send else {
            local[slot] = tensor
            return
        }
        let start = recorder.now()
        try context.profile.measure(.pipelineWaits) { () throws(MPIError) in
            try sends.start(tensor, send, pool: pool)
        }
        recorder.record(.send, action, since: start, bytes: boundaryBytes, peer: Int(send.peer))
    }

    private func slot(_ action: Action) -> Int { Int(action.stage) * microbatches + Int(action.microbatch) }
}

/// What decides the room that a micro-batch takes on a stage: stages of a rank that agree in it use each other's.
private struct KeptKinds: Hashable {
    let kinds: [FeedForwardKind]
    let recompute: [Layout.Recompute]

    init(_ stage: ModelStage) { (kinds, recompute) = (stage.kinds, stage.recompute) }
}

extension ModelStage {
    /// The feed-forwards of the blocks that are recomputed.
    fileprivate var rebuiltKinds: [FeedForwardKind] {
        zip(kinds, recompute).filter { $0.1 != .none }.map(\.0)
    }
}
