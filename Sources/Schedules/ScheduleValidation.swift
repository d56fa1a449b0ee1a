/// Why an action list cannot be run.
package enum ScheduleViolation: Error, Hashable, Sendable, CustomStringConvertible {
    /// An action, where it stands.
    package struct Place: Hashable, Sendable, CustomStringConvertible {
        package var rank: Int
        package var position: Int
        package var action: Action

        package var description: String { "rank \(rank), position \(position), \(action)" }
    }

    /// The lists or the placement do not have the sizes the schedule states.
    case malformed(String)
    /// Stage or micro-batch beyond what the schedule has.
    case outOfRange(Place)
    case wrongRank(Place, owner: Int)
    case repeated(Place)
    /// A backward before its forward, or a weight gradient before its input gradient.
    case tooEarly(Place, missing: Action)
    /// A stage and micro-batch without its forward, or without either a full backward or both halves of one.
    case missing(stage: Int, microbatch: Int, what: String)
    /// Each place waits for the tensor of an action that stands behind the next place; the last for one behind the first.
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
        case .deadlock(let cycle):
            let chain = cycle.map { "(\($0))" } + cycle.prefix(1).map { "(\($0))" }
            return "deadlock: " + chain.joined(separator: " waits for ")
        }
    }
}

extension Schedule {
    /// Checks that the lists can be run: every stage computes every micro-batch's forward and backward exactly once, on
    /// the rank that holds it, each backward after its forward, and no ring of ranks waits for itself.
    ///
    /// Ranks run their lists strictly in order; tensors are sent as soon as they exist and wait at the receiver, so
    /// only the order of actions can block. Linear in the number of actions.
    package func validate() throws(ScheduleViolation) {
        try validateLists()
        try validateProgress()
    }

    /// The part of `validate` that looks at each rank's list by itself: whoever runs the lists sees a deadlock anyway.
    package func validateLists() throws(ScheduleViolation) {
        try validateSizes()
        try validateActions()
    }

    private func validateSizes() throws(ScheduleViolation) {
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
    }

    /// Once, on its rank, in a legal local order.
    private func validateActions() throws(ScheduleViolation) {
        // One bit for each of F, B, I, W of a stage and micro-batch.
        var done = [UInt8](repeating: 0, count: stages * microbatches)
        for (rank, list) in actions.enumerated() {
            for (position, action) in list.enumerated() {
                if action.kind == .fused {
                    for part in action.parts { try note(part, of: action, rank: rank, position: position, &done) }
                } else {
                    try note(action, of: action, rank: rank, position: position, &done)
                }
            }
        }
        let whole = Action.Kind.forward.bit | Action.Kind.backward.bit
        let split = Action.Kind.forward.bit | Action.Kind.backwardInput.bit | Action.Kind.backwardWeight.bit
        for (index, bits) in done.enumerated() where bits != whole && bits != split {
            let what =
                bits & Action.Kind.forward.bit == 0
                ? "no forward"
                : bits == Action.Kind.forward.bit
                    ? "no backward"
                    : bits & Action.Kind.backward.bit != 0
                        ? "a full backward and half of one" : "no weight gradient"
            throw .missing(stage: index / microbatches, microbatch: index % microbatches, what: what)
        }
    }

    /// Checks one part of an action against what its rank did before, and marks it done.
    @inline(__always)
    private func note(
        _ part: Action, of action: Action, rank: Int, position: Int, _ done: inout [UInt8]
    ) throws(ScheduleViolation) {
        func place() -> ScheduleViolation.Place {
            ScheduleViolation.Place(rank: rank, position: position, action: action)
        }
        let (stage, microbatch) = (Int(part.stage), Int(part.microbatch))
        guard stage >= 0, stage < stages, microbatch >= 0, microbatch < microbatches else { throw .outOfRange(place()) }
        let owner = placement.rank(stage: stage, microbatch: microbatch)
        if owner != rank { throw .wrongRank(place(), owner: owner) }
        let index = stage * microbatches + microbatch
        let bits = done[index]
        if bits & part.kind.bit != 0 { throw .repeated(place()) }
        let needed: Action.Kind? =
            switch part.kind {
            case .forward, .fused: nil
            case .backward, .backwardInput: .forward
            case .backwardWeight: .backwardInput
            }
        if let needed, bits & needed.bit == 0 {
            throw .tooEarly(place(), missing: Action(needed, stage: stage, microbatch: microbatch))
        }
        done[index] = bits | part.kind.bit
    }

    /// Runs the lists without time: a rank goes on until its next action's input is not there yet, and is woken by it.
    private func validateProgress() throws(ScheduleViolation) {
        let inputs = stages * microbatches
        // Per consuming action (forwards, then backwards): 0 not there, 1 there, else 2 + the rank waiting for it.
        var state = [Int32](repeating: 0, count: 2 * inputs)
        var position = [Int](repeating: 0, count: ranks)
        var awake = Array(0..<ranks)
        var finished = 0
        while let rank = awake.popLast() {
            advance: while position[rank] < actions[rank].count {
                let action = actions[rank][position[rank]]
                for part in action.parts {
                    guard let input = inputIndex(of: part) else { continue }
                    if state[input] != 1 {
                        state[input] = Int32(rank) + 2
                        break advance
                    }
                }
                for part in action.parts {
                    guard let output = outputIndex(of: part) else { continue }
                    if state[output] > 1 { awake.append(Int(state[output]) - 2) }
                    state[output] = 1
                }
                position[rank] += 1
            }
            if position[rank] == actions[rank].count { finished += 1 }
        }
        if finished < ranks { throw .deadlock(cycle: cycle(stuckAt: position, state: state)) }
    }

    /// Follows who waits for whom from any stuck rank until a rank comes up again.
    private func cycle(stuckAt position: [Int], state: [Int32]) -> [ScheduleViolation.Place] {
        var path: [ScheduleViolation.Place] = []
        var seenAt = [Int](repeating: -1, count: ranks)
        guard var rank = (0..<ranks).first(where: { position[$0] < actions[$0].count }) else { return [] }
        while seenAt[rank] < 0 {
            seenAt[rank] = path.count
            let action = actions[rank][position[rank]]
            path.append(ScheduleViolation.Place(rank: rank, position: position[rank], action: action))
            for part in action.parts {
                guard let input = inputIndex(of: part), state[input] != 1 else { continue }
                let producer = Int(part.stage) + (part.kind == .forward ? -1 : 1)
                rank = placement.rank(stage: producer, microbatch: Int(part.microbatch))
                break
            }
        }
        return Array(path[seenAt[rank]...])
    }

    /// Slot of the tensor an action waits for: activations first, then gradients; nil if it needs none from a
    /// neighbouring stage.
    private func inputIndex(of part: Action) -> Int? {
        let index = Int(part.stage) * microbatches + Int(part.microbatch)
        switch part.kind {
        case .forward: return part.stage == 0 ? nil : index
        case .backward, .backwardInput: return Int(part.stage) == stages - 1 ? nil : stages * microbatches + index
        case .backwardWeight, .fused: return nil
        }
    }

    /// Slot of the tensor an action makes for a neighbouring stage.
    private func outputIndex(of part: Action) -> Int? {
        let index = Int(part.stage) * microbatches + Int(part.microbatch)
        switch part.kind {
        case .forward: return Int(part.stage) == stages - 1 ? nil : index + microbatches
        case .backward, .backwardInput: return part.stage == 0 ? nil : (stages - 1) * microbatches + index
        case .backwardWeight, .fused: return nil
        }
    }
}

extension Action {
    /// The action itself, or the two halves of a fused one.
    package var parts: CollectionOfTwo {
        guard kind == .fused else { return CollectionOfTwo(self, nil) }
        return CollectionOfTwo(
            Action(.forward, stage: Int(stage), microbatch: Int(microbatch)),
            Action(.backward, stage: Int(partnerStage), microbatch: Int(partnerMicrobatch)))
    }

    /// One or two actions, held in place.
    package struct CollectionOfTwo: Sequence, IteratorProtocol, Sendable {
        private var first: Action?
        private var second: Action?

        init(_ first: Action, _ second: Action?) {
            self.first = first
            self.second = second
        }

        package mutating func next() -> Action? {
            defer {
                first = second
                second = nil
            }
            return first
        }
    }
}

extension Action.Kind {
    fileprivate var bit: UInt8 { 1 << rawValue }
}
