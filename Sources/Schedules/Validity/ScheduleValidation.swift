/// A rule that action lists break, so that they cannot be run.
package enum ScheduleViolation: Error, Hashable, Sendable, CustomStringConvertible {
    /// An action and its position in its rank's list.
    package struct Place: Hashable, Sendable, CustomStringConvertible {
        package var rank: Int
        package var position: Int
        package var action: Action

        package var description: String { "rank \(rank), position \(position), \(action)" }
    }

    /// The lists or the placement do not have the sizes the schedule states.
    case malformed(String)
    /// The schedule has no such stage or micro-batch.
    case outOfRange(Place)
    /// The stage lives on the rank `owner`.
    case wrongRank(Place, owner: Int)
    /// The action was done before.
    case repeated(Place)
    /// A backward comes before its forward, or a weight gradient before its input gradient.
    case tooEarly(Place, missing: Action)
    /// A stage and micro-batch has no forward, or neither a full backward nor both halves of one.
    case missing(stage: Int, microbatch: Int, what: String)
    /// An action receives the tensor of `takes` before the tensor of `before`, which the same channel carries first.
    case outOfOrder(Place, takes: Place, before: Place)
    /// Each place waits for a tensor whose sender comes later in the list of the next place; the last waits for the first.
    case deadlock(cycle: [Place])

    package var description: String {
        switch self {
        case .malformed(let reason): return reason
        case .outOfRange(let place): return "\(place): there is no such stage or micro-batch"
        case .wrongRank(let place, let owner): return "\(place): this stage lives on rank \(owner)"
        case .repeated(let place): return "\(place): done twice"
        case .tooEarly(let place, let missing): return "\(place): comes before \(missing)"
        case .missing(let stage, let microbatch, let what):
            return "stage \(stage), micro-batch \(microbatch): \(what)"
        case .outOfOrder(let place, let takes, let before):
            return "\(place): takes the tensor of (\(takes)) before that of (\(before)), which is sent first; "
                + "the channel between two ranks keeps the order"
        case .deadlock(let cycle):
            let chain = cycle.map { "(\($0))" } + cycle.prefix(1).map { "(\($0))" }
            return "deadlock: " + chain.joined(separator: " waits for ")
        }
    }
}

extension Schedule {
    /// Checks that the lists can be run.
    ///
    /// - Every stage computes every micro-batch's forward and backward exactly once, on the rank that holds it, and each
    ///   backward after its forward. With a divided vocabulary every rank runs S and then T of every micro-batch.
    /// - No ring of ranks waits for itself.
    /// - Both ends of a channel agree on the order of its messages.
    ///
    /// A rank runs its list strictly in order. A tensor is sent as soon as it exists and waits at the receiver, so only the
    /// order of actions can block. From each rank to each other there are two in-order channels, one for activations and one
    /// for gradients. With one channel for both, PyTorch's and Megatron-LM's interleaved lists on two ranks, and the lists
    /// of every folded schedule, would be out of order.
    ///
    /// Linear in the number of actions.
    /// - Throws: the first broken rule.
    package func validate() throws(ScheduleViolation) { _ = try ValidSchedule(self) }

    /// The lists and the placement have the sizes that the schedule states.
    func validateSizes() throws(ScheduleViolation) {
        func require(_ holds: Bool, _ reason: String) throws(ScheduleViolation) {
            if !holds { throw .malformed(reason) }
        }
        try require(ranks >= 1 && stages >= 1 && microbatches >= 1, "a schedule needs ranks, stages and micro-batches")
        try require(actions.count == ranks, "\(ranks) ranks but \(actions.count) action lists")
        let directions = [placement.stageToRank] + (placement.reverseStageToRank.map { [$0] } ?? [])
        for stageToRank in directions {
            try require(stageToRank.count == stages, "the two directions hold different numbers of stages")
            try require(
                stageToRank.allSatisfy { (0..<ranks).contains($0) }, "a stage lives on a rank that is not there")
        }
        guard vocabulary != nil else { return }
        try require(
            ranks > 1 && placement.reverseStageToRank == nil, "ranks of one direction, two or more, divide a vocabulary"
        )
        try require(
            stages >= ranks && (0..<ranks).allSatisfy { placement.stageToRank[$0] == $0 },
            "S and T are named by the first stage of their rank, so rank r must hold stage r")
    }

    /// Every action is done once, on its rank, after the actions of the rank that it needs.
    func validateActions() throws(ScheduleViolation) {
        // One bit for each of F, B, I, W, S, T of a stage and micro-batch.
        var done = [UInt8](repeating: 0, count: stages * microbatches)
        for (rank, list) in actions.enumerated() {
            for (position, action) in list.enumerated() {
                if action.kind == .fused {
                    for part in action.parts { try markDone(part, of: action, rank: rank, position: position, &done) }
                } else {
                    try markDone(action, of: action, rank: rank, position: position, &done)
                }
            }
        }
        let whole = Action.Kind.forward.bit | Action.Kind.backward.bit
        let split = Action.Kind.forward.bit | Action.Kind.backwardInput.bit | Action.Kind.backwardWeight.bit
        let output = Action.Kind.softmax.bit | Action.Kind.outputGradient.bit
        for (index, all) in done.enumerated() {
            let (stage, microbatch) = (index / microbatches, index % microbatches)
            let needed = vocabulary != nil && stage < ranks ? output : 0
            if all & output != needed {
                throw .missing(
                    stage: stage, microbatch: microbatch, what: all & Action.Kind.softmax.bit == 0 ? "no S" : "no T")
            }
            let bits = all & ~output
            if bits == whole || bits == split { continue }
            let what =
                bits & Action.Kind.forward.bit == 0
                ? "no forward"
                : bits == Action.Kind.forward.bit
                    ? "no backward"
                    : bits & Action.Kind.backward.bit != 0
                        ? "a full backward and half of one" : "no weight gradient"
            throw .missing(stage: stage, microbatch: microbatch, what: what)
        }
    }

    /// Checks one part of an action against what its rank did before, and marks it done.
    @inline(__always)
    private func markDone(
        _ part: Action, of action: Action, rank: Int, position: Int, _ done: inout [UInt8]
    ) throws(ScheduleViolation) {
        func place() -> ScheduleViolation.Place {
            ScheduleViolation.Place(rank: rank, position: position, action: action)
        }
        let (stage, microbatch) = (Int(part.stage), Int(part.microbatch))
        guard stage >= 0, stage < stages, microbatch >= 0, microbatch < microbatches else { throw .outOfRange(place()) }
        if part.kind.isOfVocabulary, vocabulary == nil || stage >= ranks { throw .outOfRange(place()) }
        let owner = placement.rank(stage: stage, microbatch: microbatch)
        if owner != rank { throw .wrongRank(place(), owner: owner) }
        let index = stage * microbatches + microbatch
        let bits = done[index]
        if bits & part.kind.bit != 0 { throw .repeated(place()) }
        let needed: Action.Kind? =
            switch part.kind {
            case .forward, .fused, .softmax: nil
            case .outputGradient: .softmax
            case .backward, .backwardInput: .forward
            case .backwardWeight: .backwardInput
            }
        if let needed, bits & needed.bit == 0 {
            throw .tooEarly(place(), missing: Action(needed, stage: stage, microbatch: microbatch))
        }
        done[index] = bits | part.kind.bit
    }
}

extension Action.Kind {
    fileprivate var bit: UInt8 { 1 << rawValue }
}
