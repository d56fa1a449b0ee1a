/// The eight steps of DualPipe (DeepSeek-V3 report, arXiv 2412.19437, 3.2.1), for a rank at which two streams of
/// micro-batches meet: `near` enters the pipeline closer to the rank, `far` has the longer way to it.
///
/// In DualPipe the streams run in opposite directions; in DualPipeV the far stream is the near one on its way back. The
/// middle of the one is the turn of the other, so both are the same steps.
struct DualPipeSteps {
    /// Stage and first micro-batch of one stream.
    struct Stream {
        var stage: Int
        var firstMicrobatch: Int
        /// Micro-batches forwarded and sent back so far.
        private var forwards = 0
        private var backwards = 0

        init(stage: Int, firstMicrobatch: Int = 0) {
            self.stage = stage
            self.firstMicrobatch = firstMicrobatch
        }

        fileprivate mutating func nextForward() -> Action {
            defer { forwards += 1 }
            return Action(.forward, stage: stage, microbatch: firstMicrobatch + forwards)
        }

        fileprivate mutating func nextBackward() -> Action {
            defer { backwards += 1 }
            return Action(.backward, stage: stage, microbatch: firstMicrobatch + backwards)
        }
    }

    private enum Side { case near, far }

    private var near: Stream
    private var far: Stream
    private var list: [Action] = []
    /// Input gradients whose weight gradient is still to do, oldest first.
    private var pending: [(stage: Int, microbatch: Int)] = []
    private var nextPending = 0

    private init(near: Stream, far: Stream) {
        self.near = near
        self.far = far
    }

    /// The list of the rank at `depth` (0 at the end of the pipeline, `ranks − 1` at the middle or turn) of `ranks`.
    /// - Parameter microbatches: those of each stream, at least 2 · `ranks`.
    static func actions(depth: Int, ranks: Int, microbatches: Int, near: Stream, far: Stream) -> [Action] {
        var steps = DualPipeSteps(near: near, far: far)
        let toTurn = ranks - depth - 1
        steps.list.reserveCapacity(4 * microbatches + 2 * ranks)
        for _ in 0..<2 * toTurn { steps.forward(.near) }
        for _ in 0..<depth + 1 {
            steps.forward(.near)
            steps.forward(.far)
        }
        for _ in 0..<toTurn {
            steps.backward(.far, split: true)
            steps.weight()
            steps.forward(.far)
        }
        for i in 0..<(microbatches - 2 * ranks + depth + 1) {
            if i == 0 && toTurn == 0 {
                // Apart: the turn is where the far stream's first backward starts, and all ranks wait for it.
                steps.forward(.near)
                steps.backward(.far, split: false)
            } else {
                steps.fused(forward: .near, backward: .far)
            }
            steps.fused(forward: .far, backward: .near)
        }
        for _ in 0..<toTurn {
            steps.backward(.far, split: false)
            steps.fused(forward: .far, backward: .near)
        }
        // The second half of what is left goes with weight gradients apart, to fill the end.
        for i in 0..<depth + 1 {
            steps.backward(.far, split: 2 * i > depth)
            steps.backward(.near, split: 2 * i >= depth)
        }
        for _ in 0..<toTurn {
            steps.weight()
            steps.backward(.near, split: true)
        }
        for _ in 0..<depth + 1 { steps.weight() }
        return steps.list
    }

    private mutating func forward(_ side: Side) {
        list.append(takeForward(side))
    }

    private mutating func backward(_ side: Side, split: Bool) {
        var action = takeBackward(side)
        if split {
            action.kind = .backwardInput
            pending.append((Int(action.stage), Int(action.microbatch)))
        }
        list.append(action)
    }

    private mutating func fused(forward: Side, backward: Side) {
        let (first, second) = (takeForward(forward), takeBackward(backward))
        list.append(
            Action(
                forwardStage: Int(first.stage), forwardMicrobatch: Int(first.microbatch),
                backwardStage: Int(second.stage), backwardMicrobatch: Int(second.microbatch)))
    }

    private mutating func weight() {
        guard nextPending < pending.count else { return }
        let (stage, microbatch) = pending[nextPending]
        nextPending += 1
        list.append(Action(.backwardWeight, stage: stage, microbatch: microbatch))
    }

    private mutating func takeForward(_ side: Side) -> Action {
        switch side {
        case .near: near.nextForward()
        case .far: far.nextForward()
        }
    }

    private mutating func takeBackward(_ side: Side) -> Action {
        switch side {
        case .near: near.nextBackward()
        case .far: far.nextBackward()
        }
    }
}
