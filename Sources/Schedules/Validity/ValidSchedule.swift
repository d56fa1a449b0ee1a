/// A schedule that has been found valid, and is ready to be timed. Its actions stand in one order in which every tensor is
/// produced before it is used, and each action knows the slots of its input and output.
///
/// This is the one check of validity: `Schedule.validate`, the simulator and the runtime all use it.
///
/// An action can only delay its own rank and the links out of it, and only that rank touches these, in the order of its
/// list. Any order that produces inputs first therefore gives the right times, whatever the costs. Timing is one pass.
package struct ValidSchedule: Sendable {
    /// One action. Every tensor has a slot: activations first, then gradients, by the stage that receives them and the
    /// micro-batch. With a divided vocabulary three slots of each micro-batch follow: the broadcast output of the last stage,
    /// the exchange after S and the exchange after T, to which every rank contributes.
    package struct Operation: Sendable {
        package var rank: Int32
        /// Position of the action in all lists laid end to end.
        package var index: Int32
        /// kind · stages + stage, the action's place in a table of times; −1 − its place in `fused` for a fused action.
        package var time: Int32
        /// Slot of the tensor that the action waits for, −1 if none.
        package var input: Int32
        /// Slot of the tensor that it produces, −1 if none.
        package var output: Int32
        /// Link that carries the output, −1 if it stays on the rank, `Exchange.link` if all ranks get it.
        package var link: Int32
    }

    /// An exchange among all ranks for a divided vocabulary.
    package enum Exchange: Int32, CaseIterable, Sendable {
        case broadcast, afterSoftmax, afterGradient

        /// The number in the place of a link.
        package var link: Int32 { -2 - rawValue }
    }

    /// The backward of a fused action, with the slots and the link of its own tensors.
    package struct FusedBackward: Sendable {
        package var forwardStage: Int32
        package var backwardStage: Int32
        package var input: Int32
        package var output: Int32
        package var link: Int32
    }

    /// A directed pair of ranks with two in-order channels, one for activations and one for gradients.
    package struct Link: Sendable {
        package var sender: Int
        package var receiver: Int
    }

    /// All actions, every tensor's producer before its user.
    package private(set) var operations: [Operation] = []
    package private(set) var fused: [FusedBackward] = []
    package private(set) var links: [Link] = []
    /// Link that carries a tensor into a stage, −1 where the stage before it is on the same rank: by kind, direction, stage.
    private(set) var inbound: [Int32] = []
    /// First micro-batch that travels in the reverse direction.
    let split: Int
    /// Position of each rank's first action in all lists laid end to end; the last entry is the number of actions.
    package private(set) var firstAction: [Int] = [0]
    package let ranks: Int
    package let stages: Int
    package let microbatches: Int
    /// How the ranks divide the vocabulary.
    package let vocabulary: VocabularyParallel?

    /// Number of slots.
    package var slots: Int { (2 * stages + (vocabulary == nil ? 0 : Exchange.allCases.count)) * microbatches }

    /// The slot of an exchange among all ranks.
    package func slot(_ exchange: Exchange, microbatch: Int) -> Int {
        (2 * stages + Int(exchange.rawValue)) * microbatches + microbatch
    }

    /// Linear in the number of actions.
    /// - Throws: the broken rule of the lists.
    package init(_ schedule: Schedule) throws(ScheduleViolation) {
        try schedule.validateSizes()
        try schedule.validateActions()
        ranks = schedule.ranks
        stages = schedule.stages
        microbatches = schedule.microbatches
        vocabulary = schedule.vocabulary
        split = schedule.placement.reverseStageToRank == nil ? .max : schedule.placement.split
        findLinks(schedule.placement)
        firstAction.reserveCapacity(ranks + 1)
        for list in schedule.actions { firstAction.append(firstAction[firstAction.count - 1] + list.count) }
        let run = DryRun(self, schedule)
        if let violation = run.violation { throw violation }
        operations = run.operations
        fused = run.fused
    }

    private mutating func findLinks(_ placement: StagePlacement) {
        inbound.reserveCapacity(4 * stages)
        // A chain of links for every sender: the newest of each rank, and before each link an older one; −1 ends the chain.
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

    /// The link that carries a tensor into a stage, −1 if the tensor stays on the rank.
    func link(_ isActivation: Bool, into stage: Int, _ microbatch: Int) -> Int {
        Int(inbound[((isActivation ? 0 : 2) + (microbatch < split ? 0 : 1)) * stages + stage])
    }

    /// The slot of a tensor into `stage`.
    package func slot(_ kind: Transfer.Kind, into stage: Int, microbatch: Int) -> Int {
        (kind == .activation ? 0 : stages * microbatches) + stage * microbatches + microbatch
    }
}

extension ValidSchedule {
    /// Time from the first action to the end of the last when all stages are equal. A message takes `transfer` and occupies
    /// neither rank nor link. S and T of a divided vocabulary take no time: they are parts of the passes.
    func makespan(forward: Double, backwardInput: Double, backwardWeight: Double, transfer: Double) -> Double {
        let backward = backwardInput + backwardWeight
        // In the order of `Operation.time`.
        let times = [forward, backward, backwardInput, backwardWeight, 0, 0, 0]
        var free = [Double](repeating: 0, count: ranks)
        var arrival = [Double](repeating: 0, count: slots)
        func publish(_ slot: Int32, link: Int32, at time: Double) {
            if slot >= 0 { arrival[Int(slot)] = max(arrival[Int(slot)], time + (link >= 0 ? transfer : 0)) }
        }
        for operation in operations {
            let rank = Int(operation.rank)
            var end = free[rank]
            if operation.input >= 0 { end = max(end, arrival[Int(operation.input)]) }
            if operation.time >= 0 {
                end += times[Int(operation.time) / stages]
            } else {
                let partner = fused[Int(-1 - operation.time)]
                if partner.input >= 0 { end = max(end, arrival[Int(partner.input)]) }
                end += forward + backward
                publish(partner.output, link: partner.link, at: end)
            }
            free[rank] = end
            publish(operation.output, link: operation.link, at: end)
        }
        return free.max() ?? 0
    }
}
