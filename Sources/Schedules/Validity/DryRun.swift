/// Runs the lists of a schedule without time. A rank goes on until an input is missing, and sleeps until that is sent.
/// Messages are numbered within their channel and must be received in that order.
struct DryRun {
    private let valid: ValidSchedule
    private let schedule: Schedule
    /// State of every tensor, by slot: 0 not sent; below 0, −1 − the rank that waits; above 0, 1 + its number in its channel.
    private let slots: [Int32]
    /// Messages received, by channel.
    private let received: [Int32]
    /// Per rank the first action not done.
    private let position: [Int]
    /// The actions in the order in which they were done: all of them in a valid schedule.
    let operations: [ValidSchedule.Operation]
    /// The backwards of the fused actions.
    let fused: [ValidSchedule.FusedBackward]
    /// The action, or a fused action's backward, whose input would overtake an earlier message of its channel.
    private let overtaking: (rank: Int, part: Action)?

    /// - Parameter valid: its links are found, and all actions are in range.
    init(_ valid: ValidSchedule, _ schedule: Schedule) {
        self.valid = valid
        self.schedule = schedule
        var slots = [Int32](repeating: 0, count: valid.slots)
        var sent = [Int32](repeating: 0, count: max(1, 2 * valid.links.count))
        var received = sent
        var contributions = [Int32](repeating: 0, count: max(1, valid.slots - 2 * valid.stages * valid.microbatches))
        var steps = Steps(ranks: valid.ranks)
        operations = [ValidSchedule.Operation](
            unsafeUninitializedCapacity: valid.firstAction[valid.ranks]
        ) { buffer, done in
            slots.withUnsafeMutableBufferPointer { slots in
                sent.withUnsafeMutableBufferPointer { sent in
                    received.withUnsafeMutableBufferPointer { received in
                        contributions.withUnsafeMutableBufferPointer { contributions in
                            valid.inbound.withUnsafeBufferPointer { inbound in
                                let tables = DryRunTables(
                                    stages: valid.stages, microbatches: valid.microbatches,
                                    split: Int32(clamping: valid.split), inbound: inbound, slots: slots, sent: sent,
                                    received: received, contributions: contributions,
                                    barriers: Int32(valid.vocabulary?.barriers ?? 0), ranks: Int32(valid.ranks))
                                while steps.overtaking == nil, let rank = steps.awake.popLast() {
                                    schedule.actions[rank].withUnsafeBufferPointer {
                                        steps.advance(
                                            rank, $0, first: valid.firstAction[rank], tables, into: buffer)
                                    }
                                }
                            }
                        }
                    }
                }
            }
            done = steps.done
        }
        (self.slots, self.received) = (slots, received)
        (position, fused, overtaking) = (steps.position, steps.fused, steps.overtaking)
    }

    /// The state of the run.
    private struct Steps {
        /// Per rank the next action.
        var position: [Int]
        /// Ranks that can go on.
        var awake: [Int]
        var fused: [ValidSchedule.FusedBackward] = []
        var overtaking: (rank: Int, part: Action)?
        var done = 0

        init(ranks: Int) {
            position = [Int](repeating: 0, count: ranks)
            awake = Array(0..<ranks)
        }

        /// Goes on with one rank's list until an input is missing or out of turn.
        mutating func advance(
            _ rank: Int, _ list: UnsafeBufferPointer<Action>, first: Int, _ tables: DryRunTables,
            into operations: UnsafeMutableBufferPointer<ValidSchedule.Operation>
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
                guard
                    kind.isOfVocabulary
                        || tables.receive(isActivation, input, action.stage, action.microbatch)
                else {
                    overtaking = (rank, action)
                    return
                }
                var operation = ValidSchedule.Operation(
                    rank: Int32(rank), index: Int32(first + next), time: time, input: input, output: -1, link: -1)
                if kind != .backwardWeight {
                    let made =
                        kind.isOfVocabulary
                        ? tables.contribute(
                            to: kind == .softmax ? .afterSoftmax : .afterGradient, action.microbatch, of: tables.ranks)
                        : tables.send(isActivation, action.stage, action.microbatch)
                    (operation.output, operation.link) = (made.slot, made.link)
                    wake(made.waiting)
                }
                operations.initializeElement(at: done, to: operation)
                done += 1
                next += 1
            }
        }

        /// Wakes the rank that waits for a tensor, or all ranks.
        @inline(__always)
        private mutating func wake(_ rank: Int32) {
            if rank == DryRunTables.anyRank { return awake.append(contentsOf: position.indices) }
            if rank >= 0 { awake.append(Int(rank)) }
        }

        /// Does the backward of a fused action; nil if its input is missing or out of turn.
        private mutating func backward(
            of action: Action, on rank: Int, _ tables: DryRunTables
        ) -> ValidSchedule.FusedBackward? {
            let (stage, microbatch) = (action.partnerStage, action.partnerMicrobatch)
            let input = tables.input(.backward, stage, microbatch)
            if tables.isMissing(input, for: rank) { return nil }
            guard tables.receive(false, input, stage, microbatch) else {
                overtaking = (rank, Action(.backward, stage: Int(stage), microbatch: Int(microbatch)))
                return nil
            }
            let made = tables.send(false, stage, microbatch)
            if made.waiting >= 0 { awake.append(Int(made.waiting)) }
            return ValidSchedule.FusedBackward(
                forwardStage: action.stage, backwardStage: stage, input: input, output: made.slot, link: made.link)
        }
    }
}

// MARK: - The broken rule

extension DryRun {
    /// The broken rule, nil if every action was done.
    var violation: ScheduleViolation? {
        if let overtaking { return outOfOrder(overtaking.part, on: overtaking.rank) }
        return operations.count < valid.firstAction[valid.ranks] ? .deadlock(cycle: cycle) : nil
    }

    /// The action whose input overtakes a message, the action that sent the input, and the one that sent the message.
    private func outOfOrder(_ part: Action, on rank: Int) -> ScheduleViolation {
        let isActivation = part.kind == .forward || part.kind == .fused
        let link = valid.link(isActivation, into: Int(part.stage), Int(part.microbatch))
        let place = place(rank, position[rank])
        /// The sender of a message of the channel, by 1 + its number.
        func sender(of number: Int32) -> ScheduleViolation.Place? {
            let rank = valid.links[link].sender
            for (position, action) in schedule.actions[rank].prefix(position[rank]).enumerated() {
                for part in action.parts where part.kind.passesTensors && (part.kind == .forward) == isActivation {
                    let next = Int(part.stage) + (isActivation ? 1 : -1)
                    if (0..<valid.stages).contains(next),
                        valid.link(isActivation, into: next, Int(part.microbatch)) == link,
                        self.number(isActivation, into: next, part.microbatch) == number
                    {
                        return self.place(rank, position)
                    }
                }
            }
            return nil
        }
        let number = number(isActivation, into: Int(part.stage), part.microbatch)
        guard let takes = sender(of: number), let first = sender(of: 1 + received[2 * link + (isActivation ? 0 : 1)])
        else { return .malformed("\(place): takes its input out of order") }
        return .outOfOrder(place, takes: takes, before: first)
    }

    /// The state of a tensor into `stage`, as in `slots`.
    private func number(_ isActivation: Bool, into stage: Int, _ microbatch: Int32) -> Int32 {
        slots[valid.slot(isActivation ? .activation : .gradient, into: stage, microbatch: Int(microbatch))]
    }

    /// The cycle of ranks that wait for each other: followed from any stuck rank until a rank comes up again.
    private var cycle: [ScheduleViolation.Place] {
        var path: [ScheduleViolation.Place] = []
        var seenAt = [Int](repeating: -1, count: valid.ranks)
        guard var rank = seenAt.indices.first(where: { position[$0] < schedule.actions[$0].count }) else { return [] }
        while seenAt[rank] < 0 {
            seenAt[rank] = path.count
            path.append(place(rank, position[rank]))
            if let other = missingRank(for: schedule.actions[rank][position[rank]]) {
                rank = other
                continue
            }
            for part in schedule.actions[rank][position[rank]].parts where part.kind.passesTensors {
                let isActivation = part.kind == .forward
                let producer = Int(part.stage) + (isActivation ? -1 : 1)
                guard (0..<valid.stages).contains(producer),
                    number(isActivation, into: Int(part.stage), part.microbatch) <= 0
                else { continue }
                rank = schedule.placement.rank(stage: producer, microbatch: Int(part.microbatch))
                break
            }
        }
        return Array(path[seenAt[rank]...])
    }

    /// A rank that has not contributed to the exchange among all ranks that an action waits for; nil if it waits for none.
    private func missingRank(for action: Action) -> Int? {
        guard let vocabulary = schedule.vocabulary else { return nil }
        let last = schedule.stages - 1
        let needed: Action.Kind
        switch action.kind {
        case .softmax: return schedule.placement.rank(stage: last, microbatch: Int(action.microbatch))
        case .outputGradient: needed = .softmax
        case .backward, .backwardInput:
            guard Int(action.stage) == last else { return nil }
            needed = vocabulary == .oneBarrier ? .softmax : .outputGradient
        case .forward, .backwardWeight, .fused: return nil
        }
        return schedule.actions.indices.first { rank in
            !schedule.actions[rank].prefix(position[rank]).contains {
                $0.kind == needed && $0.microbatch == action.microbatch
            }
        }
    }

    private func place(_ rank: Int, _ position: Int) -> ScheduleViolation.Place {
        ScheduleViolation.Place(rank: rank, position: position, action: schedule.actions[rank][position])
    }
}
