internal import Schedules

/// A valid schedule made ready to be timed, many times over if need be: its actions in an order in which every input is
/// made before it is taken, with the places of their inputs and outputs worked out.
///
/// Whatever an action can delay (its rank, the links out of it) is touched by that rank alone, in the order of its
/// list. So one order that respects the inputs gives the right times for all costs, and timing is a single pass.
struct Program {
    /// One action. Its tensors are filed in slots: activations, then gradients, each by the stage that takes them in and
    /// the micro-batch.
    struct Operation {
        var rank: Int32
        /// Where the action stands when the lists are laid end to end.
        var index: Int32
        /// Entry of the table of times; a fused action's is −1 − its place in `fused`.
        var time: Int32
        /// Slot awaited, −1 if none.
        var input: Int32
        /// Slot filled, −1 if none.
        var output: Int32
        /// Link the output travels by, −1 if it stays on the rank.
        var link: Int32
    }

    /// The backward of a fused action.
    struct Partner {
        var forwardStage: Int32
        var backwardStage: Int32
        var input: Int32
        var output: Int32
        var link: Int32
    }

    /// A directed pair of ranks.
    struct Link {
        var sender: Int
        var receiver: Int
    }

    private(set) var operations: [Operation] = []
    private(set) var fused: [Partner] = []
    private(set) var links: [Link] = []
    /// Index of each rank's first action when the lists are laid end to end, and their number.
    private(set) var firstAction: [Int] = [0]
    let ranks: Int
    let stages: Int
    let microbatches: Int

    var slots: Int { 2 * stages * microbatches }

    /// - Throws: the broken rule of the lists.
    init(_ schedule: Schedule) throws(ScheduleViolation) {
        try schedule.validateLists()
        ranks = schedule.ranks
        stages = schedule.stages
        microbatches = schedule.microbatches
        for list in schedule.actions { firstAction.append(firstAction[firstAction.count - 1] + list.count) }
        operations.reserveCapacity(firstAction[ranks])
        order(schedule)
        // The slow check tells who waits for whom.
        if operations.count < firstAction[ranks] { try schedule.validate() }
    }

    /// Runs the lists without time: a rank goes on until an input is missing, and is woken by it.
    private mutating func order(_ schedule: Schedule) {
        // Per slot: 0 empty, 1 filled, else 2 + the rank waiting for it.
        var state = [Int32](repeating: 0, count: slots)
        var position = [Int](repeating: 0, count: ranks)
        var linksOfRank = [[(receiver: Int32, link: Int32)]](repeating: [], count: ranks)
        var awake = Array(0..<ranks)
        while let rank = awake.popLast() {
            schedule.actions[rank].withUnsafeBufferPointer { list in
                var next = position[rank]
                while next < list.count {
                    let action = list[next]
                    let input = inputSlot(action.kind, stage: action.stage, microbatch: action.microbatch)
                    if input >= 0, state[Int(input)] != 1 {
                        state[Int(input)] = Int32(rank) + 2
                        break
                    }
                    var operation = Operation(
                        rank: Int32(rank), index: Int32(firstAction[rank] + next), time: timeIndex(action),
                        input: input, output: -1, link: -1)
                    if action.kind == .fused {
                        let stage = action.partnerStage
                        let input = inputSlot(.backward, stage: stage, microbatch: action.partnerMicrobatch)
                        if input >= 0, state[Int(input)] != 1 {
                            state[Int(input)] = Int32(rank) + 2
                            break
                        }
                        let (output, link) = emit(
                            .backward, stage: stage, microbatch: action.partnerMicrobatch, from: rank, schedule,
                            &state, &linksOfRank, &awake)
                        fused.append(
                            Partner(
                                forwardStage: action.stage, backwardStage: stage, input: input, output: output,
                                link: link))
                    }
                    (operation.output, operation.link) = emit(
                        action.kind, stage: action.stage, microbatch: action.microbatch, from: rank, schedule, &state,
                        &linksOfRank, &awake)
                    operations.append(operation)
                    next += 1
                }
                position[rank] = next
            }
        }
    }

    /// Fills the slot of an action's output and wakes who waits for it.
    private mutating func emit(
        _ kind: Action.Kind, stage: Int32, microbatch: Int32, from rank: Int, _ schedule: Schedule,
        _ state: inout [Int32], _ linksOfRank: inout [[(receiver: Int32, link: Int32)]], _ awake: inout [Int]
    ) -> (slot: Int32, link: Int32) {
        guard kind != .backwardWeight else { return (-1, -1) }
        let isActivation = kind == .forward || kind == .fused
        let next = Int(stage) + (isActivation ? 1 : -1)
        guard next >= 0, next < stages else { return (-1, -1) }
        let slot = (isActivation ? 0 : stages * microbatches) + next * microbatches + Int(microbatch)
        if state[slot] > 1 { awake.append(Int(state[slot]) - 2) }
        state[slot] = 1
        let receiver = schedule.placement.rank(stage: next, microbatch: Int(microbatch))
        guard receiver != rank else { return (Int32(slot), -1) }
        if let known = linksOfRank[rank].first(where: { $0.receiver == receiver }) { return (Int32(slot), known.link) }
        linksOfRank[rank].append((Int32(receiver), Int32(links.count)))
        links.append(Link(sender: rank, receiver: receiver))
        return (Int32(slot), Int32(links.count - 1))
    }

    private func timeIndex(_ action: Action) -> Int32 {
        action.kind == .fused
            ? -1 - Int32(fused.count) : Int32(Int(action.kind.rawValue) * stages) + action.stage
    }

    /// The slot of the tensor an action waits for from a neighbouring stage, −1 if it needs none.
    private func inputSlot(_ kind: Action.Kind, stage: Int32, microbatch: Int32) -> Int32 {
        let index = Int32(Int(stage) * microbatches) + microbatch
        switch kind {
        case .forward, .fused: return stage == 0 ? -1 : index
        case .backward, .backwardInput: return Int(stage) == stages - 1 ? -1 : Int32(stages * microbatches) + index
        case .backwardWeight: return -1
        }
    }

    /// Where a message into `stage` is filed: activations come from the stage below, gradients from the one above.
    func slot(_ kind: Transfer.Kind, into stage: Int, microbatch: Int) -> Int {
        (kind == .activation ? 0 : stages * microbatches) + stage * microbatches + microbatch
    }
}
