/// Runs the lists of a schedule without time: a rank goes on until an input is missing, and is woken by it. Every
/// message has a number in its channel, and must be taken in that order.
struct ScheduleWalk {
    private let program: ScheduleProgram
    private let schedule: Schedule
    /// Per slot: 0 empty; below it −1 − the rank that waits; above it 1 + the message's number in its channel.
    private let slots: [Int32]
    /// Messages taken, by channel.
    private let taken: [Int32]
    /// Per rank the first action not done.
    private let position: [Int]
    /// The actions in the order they were done: all of them in a valid schedule.
    let operations: [ScheduleProgram.Operation]
    /// The backwards of the fused ones.
    let fused: [ScheduleProgram.Partner]
    /// What a rank would take before an earlier message of the same channel: its next action, or that one's backward.
    private let early: (rank: Int, part: Action)?

    /// - Parameter program: With its links found. The lists' actions are in range.
    init(_ program: ScheduleProgram, _ schedule: Schedule) {
        self.program = program
        self.schedule = schedule
        var slots = [Int32](repeating: 0, count: program.slots)
        var sent = [Int32](repeating: 0, count: max(1, 2 * program.links.count))
        var taken = sent
        var steps = Steps(ranks: program.ranks)
        operations = [ScheduleProgram.Operation](
            unsafeUninitializedCapacity: program.firstAction[program.ranks]
        ) { buffer, done in
            slots.withUnsafeMutableBufferPointer { slots in
                sent.withUnsafeMutableBufferPointer { sent in
                    taken.withUnsafeMutableBufferPointer { taken in
                        program.inbound.withUnsafeBufferPointer { inbound in
                            let tables = ScheduleTables(
                                stages: program.stages, microbatches: program.microbatches,
                                split: Int32(clamping: program.split), inbound: inbound, slots: slots, sent: sent,
                                taken: taken)
                            while steps.early == nil, let rank = steps.awake.popLast() {
                                schedule.actions[rank].withUnsafeBufferPointer {
                                    steps.advance(
                                        rank, $0, first: program.firstAction[rank], tables, into: buffer)
                                }
                            }
                        }
                    }
                }
            }
            done = steps.done
        }
        (self.slots, self.taken) = (slots, taken)
        (position, fused, early) = (steps.position, steps.fused, steps.early)
    }

    /// Where the walk stands.
    private struct Steps {
        var position: [Int]
        var awake: [Int]
        var fused: [ScheduleProgram.Partner] = []
        var early: (rank: Int, part: Action)?
        var done = 0

        init(ranks: Int) {
            position = [Int](repeating: 0, count: ranks)
            awake = Array(0..<ranks)
        }

        /// Goes on with one rank's list until an input is missing or comes too early.
        mutating func advance(
            _ rank: Int, _ list: UnsafeBufferPointer<Action>, first: Int, _ tables: ScheduleTables,
            into operations: UnsafeMutableBufferPointer<ScheduleProgram.Operation>
        ) {
            var next = position[rank]
            defer { position[rank] = next }
            while next < list.count {
                let action = list[next]
                let kind = action.kind
                let input = tables.input(kind, action.stage, action.microbatch)
                if tables.isMissing(input, for: rank) { return }
                var time = Int32(Int(kind.rawValue) * tables.stages) + action.stage
                if kind == .fused {
                    guard let partner = backward(of: action, on: rank, tables) else { return }
                    fused.append(partner)
                    time = -Int32(fused.count)
                }
                let isActivation = kind == .forward || kind == .fused
                guard tables.take(isActivation, input, action.stage, action.microbatch) else {
                    early = (rank, action)
                    return
                }
                var operation = ScheduleProgram.Operation(
                    rank: Int32(rank), index: Int32(first + next), time: time, input: input, output: -1, link: -1)
                if kind != .backwardWeight {
                    let made = tables.emit(isActivation, action.stage, action.microbatch)
                    (operation.output, operation.link) = (made.slot, made.link)
                    if made.waiting >= 0 { awake.append(Int(made.waiting)) }
                }
                operations.initializeElement(at: done, to: operation)
                done += 1
                next += 1
            }
        }

        /// Does the backward of a fused action; nil if its input is missing or comes too early.
        private mutating func backward(
            of action: Action, on rank: Int, _ tables: ScheduleTables
        ) -> ScheduleProgram.Partner? {
            let (stage, microbatch) = (action.partnerStage, action.partnerMicrobatch)
            let input = tables.input(.backward, stage, microbatch)
            if tables.isMissing(input, for: rank) { return nil }
            guard tables.take(false, input, stage, microbatch) else {
                early = (rank, Action(.backward, stage: Int(stage), microbatch: Int(microbatch)))
                return nil
            }
            let made = tables.emit(false, stage, microbatch)
            if made.waiting >= 0 { awake.append(Int(made.waiting)) }
            return ScheduleProgram.Partner(
                forwardStage: action.stage, backwardStage: stage, input: input, output: made.slot, link: made.link)
        }
    }
}

// MARK: - What went wrong

extension ScheduleWalk {
    /// The broken rule, nil if every action was done.
    var violation: ScheduleViolation? {
        if let early { return outOfOrder(early.part, on: early.rank) }
        return operations.count < program.firstAction[program.ranks] ? .deadlock(cycle: cycle) : nil
    }

    /// A rank takes an input too early: names it, who sent that input, and who sent the message that comes first.
    private func outOfOrder(_ part: Action, on rank: Int) -> ScheduleViolation {
        let isActivation = part.kind == .forward || part.kind == .fused
        let link = program.link(isActivation, into: Int(part.stage), Int(part.microbatch))
        let place = place(rank, position[rank])
        /// Who sent a message of the channel, by 1 + its number.
        func sender(of number: Int32) -> ScheduleViolation.Place? {
            let rank = program.links[link].sender
            for (position, action) in schedule.actions[rank].prefix(position[rank]).enumerated() {
                for part in action.parts where part.kind != .backwardWeight && (part.kind == .forward) == isActivation {
                    let next = Int(part.stage) + (isActivation ? 1 : -1)
                    if (0..<program.stages).contains(next),
                        program.link(isActivation, into: next, Int(part.microbatch)) == link,
                        self.number(isActivation, into: next, part.microbatch) == number
                    {
                        return self.place(rank, position)
                    }
                }
            }
            return nil
        }
        let number = number(isActivation, into: Int(part.stage), part.microbatch)
        guard let takes = sender(of: number), let first = sender(of: 1 + taken[2 * link + (isActivation ? 0 : 1)])
        else { return .malformed("\(place): takes its input out of order") }
        return .outOfOrder(place, takes: takes, before: first)
    }

    /// What the slot of a tensor into `stage` says.
    private func number(_ isActivation: Bool, into stage: Int, _ microbatch: Int32) -> Int32 {
        slots[program.slot(isActivation ? .activation : .gradient, into: stage, microbatch: Int(microbatch))]
    }

    /// Follows who waits for whom from any stuck rank until a rank comes up again.
    private var cycle: [ScheduleViolation.Place] {
        var path: [ScheduleViolation.Place] = []
        var seenAt = [Int](repeating: -1, count: program.ranks)
        guard var rank = seenAt.indices.first(where: { position[$0] < schedule.actions[$0].count }) else { return [] }
        while seenAt[rank] < 0 {
            seenAt[rank] = path.count
            path.append(place(rank, position[rank]))
            for part in schedule.actions[rank][position[rank]].parts where part.kind != .backwardWeight {
                let isActivation = part.kind == .forward
                let producer = Int(part.stage) + (isActivation ? -1 : 1)
                guard (0..<program.stages).contains(producer),
                    number(isActivation, into: Int(part.stage), part.microbatch) <= 0
                else { continue }
                rank = schedule.placement.rank(stage: producer, microbatch: Int(part.microbatch))
                break
            }
        }
        return Array(path[seenAt[rank]...])
    }

    private func place(_ rank: Int, _ position: Int) -> ScheduleViolation.Place {
        ScheduleViolation.Place(rank: rank, position: position, action: schedule.actions[rank][position])
    }
}
