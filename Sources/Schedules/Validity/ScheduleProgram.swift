/// A schedule found valid, ready to be run: its actions in an order in which every input is made before it is taken,
/// with the places of their inputs and outputs worked out.
///
/// The one judge of validity: tests, simulator and runtime all come through here (`Schedule.validate`).
///
/// Whatever an action can delay (its rank, the links out of it) is touched by that rank alone, in the order of its
/// list. So one order that respects the inputs gives the right times for all costs, and timing is a single pass.
package struct ScheduleProgram: Sendable {
    /// One action. Its tensors are filed in slots: activations, then gradients, each by the stage that takes them in and
    /// the micro-batch.
    package struct Operation: Sendable {
        package var rank: Int32
        /// Where the action stands when the lists are laid end to end.
        package var index: Int32
        /// Entry of the table of times, by kind and stage; a fused action's is −1 − its place in `fused`.
        package var time: Int32
        /// Slot awaited, −1 if none.
        package var input: Int32
        /// Slot filled, −1 if none.
        package var output: Int32
        /// Link the output travels by, −1 if it stays on the rank.
        package var link: Int32
    }

    /// The backward of a fused action.
    package struct Partner: Sendable {
        package var forwardStage: Int32
        package var backwardStage: Int32
        package var input: Int32
        package var output: Int32
        package var link: Int32
    }

    /// A directed pair of ranks: two in-order channels, one for activations and one for gradients.
    package struct Link: Sendable {
        package var sender: Int
        package var receiver: Int
    }

    package private(set) var operations: [Operation] = []
    package private(set) var fused: [Partner] = []
    package private(set) var links: [Link] = []
    /// Link by which a tensor comes into a stage, −1 where it is made on the same rank: by kind, direction and stage.
    private(set) var inbound: [Int32] = []
    /// First micro-batch of the reverse direction.
    let split: Int
    /// Index of each rank's first action when the lists are laid end to end, and their number.
    package private(set) var firstAction: [Int] = [0]
    package let ranks: Int
    package let stages: Int
    package let microbatches: Int

    package var slots: Int { 2 * stages * microbatches }

    /// Linear in the number of actions.
    /// - Throws: the broken rule of the lists.
    package init(_ schedule: Schedule) throws(ScheduleViolation) {
        try schedule.validateSizes()
        try schedule.validateActions()
        ranks = schedule.ranks
        stages = schedule.stages
        microbatches = schedule.microbatches
        split = schedule.placement.reverseStageToRank == nil ? .max : schedule.placement.split
        findLinks(schedule.placement)
        firstAction.reserveCapacity(ranks + 1)
        for list in schedule.actions { firstAction.append(firstAction[firstAction.count - 1] + list.count) }
        let walk = ScheduleWalk(self, schedule)
        if let violation = walk.violation { throw violation }
        operations = walk.operations
        fused = walk.fused
    }

    private mutating func findLinks(_ placement: StagePlacement) {
        inbound.reserveCapacity(4 * stages)
        // Per rank the last link found that leaves it, per link the one found before from the same rank; −1 ends.
        var last = [Int](repeating: -1, count: ranks)
        var before: [Int] = []
        func link(from sender: Int, to receiver: Int) -> Int {
            var link = last[sender]
            while link >= 0 {
                if links[link].receiver == receiver { return link }
                link = before[link]
            }
            links.append(Link(sender: sender, receiver: receiver))
            before.append(last[sender])
            last[sender] = links.count - 1
            return links.count - 1
        }
        for kind in Transfer.Kind.allCases {
            for stageToRank in [placement.stageToRank, placement.reverseStageToRank ?? placement.stageToRank] {
                for stage in stageToRank.indices {
                    let neighbour = stage + (kind == .activation ? -1 : 1)
                    guard stageToRank.indices.contains(neighbour), stageToRank[neighbour] != stageToRank[stage] else {
                        inbound.append(-1)
                        continue
                    }
                    inbound.append(Int32(link(from: stageToRank[neighbour], to: stageToRank[stage])))
                }
            }
        }
    }

    /// The link by which a tensor comes into a stage, −1 if it is made on the same rank.
    func link(_ isActivation: Bool, into stage: Int, _ microbatch: Int) -> Int {
        Int(inbound[((isActivation ? 0 : 2) + (microbatch < split ? 0 : 1)) * stages + stage])
    }

    /// Where a message into `stage` is filed: activations come from the stage below, gradients from the one above.
    package func slot(_ kind: Transfer.Kind, into stage: Int, microbatch: Int) -> Int {
        (kind == .activation ? 0 : stages * microbatches) + stage * microbatches + microbatch
    }
}
