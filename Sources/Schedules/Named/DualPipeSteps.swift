/// The eight steps of DualPipe (DeepSeek-V3 report, arXiv 2412.19437, 3.2.1) for one rank. Two streams of micro-batches
/// pass the rank: the near stream enters the pipeline closer to it than the far stream.
///
/// In DualPipe the two streams run in opposite directions and meet in the middle of the pipeline. In DualPipeV the far
/// stream is the near one on its way back from the turn. The steps are the same.
struct DualPipeSteps {
    /// One stream of micro-batches through a stage of the rank.
    struct Stream {
        var stage: Int
        var firstMicrobatch: Int
        /// Micro-batches whose forward is done.
        private var forwards = 0
        /// Micro-batches whose backward is done.
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

    /// The list of one rank.
    /// - Parameters:
    ///   - depth: ranks between this one and the end of the pipeline, 0 to `ranks` − 1.
    ///   - ranks: ranks from the end of the pipeline to its middle (DualPipe) or turn (DualPipeV).
    ///   - microbatches: micro-batches of each stream, at least 2 · `ranks`.
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
