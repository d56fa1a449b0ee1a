/// One tensor that crosses from a rank to another.
package struct Transfer: Hashable, Codable, Sendable {
    /// What travels.
    package enum Kind: UInt8, Hashable, Codable, Sendable, CaseIterable {
        /// Output of a stage's forward, to the next stage.
        case activation
        /// Gradient of that tensor, back to the stage that made it.
        case gradient
    }

    package var kind: Kind
    /// The stage that takes the tensor in.
    package var stage: Int32
    package var microbatch: Int32
    /// The rank at the other end: the sender of a receive, the receiver of a send.
    package var peer: Int32
    /// MPI tag of the message, equal on sender and receiver and unique within an iteration of m micro-batches:
    /// 2(stage · m + microbatch) + (0 activation, 1 gradient).
    package var tag: Int32

    package init(kind: Kind, stage: Int, microbatch: Int, peer: Int, tag: Int) {
        self.kind = kind
        self.stage = Int32(stage)
        self.microbatch = Int32(microbatch)
        self.peer = Int32(peer)
        self.tag = Int32(tag)
    }
}

/// What an action waits for and what it sends off. nil where there is no neighbour, or where the neighbouring stage
/// lives on the same rank.
package struct ActionTransfers: Hashable, Codable, Sendable {
    package var receive: Transfer?
    package var send: Transfer?
    /// The gradient a fused action's backward waits for; nil for every other action.
    package var partnerReceive: Transfer?
    /// The gradient a fused action's backward sends off; nil for every other action.
    package var partnerSend: Transfer?

    package init(
        receive: Transfer? = nil, send: Transfer? = nil, partnerReceive: Transfer? = nil, partnerSend: Transfer? = nil
    ) {
        self.receive = receive
        self.send = send
        self.partnerReceive = partnerReceive
        self.partnerSend = partnerSend
    }
}

/// The messages of a schedule: for each rank, one entry an action, in the order of its list.
///
/// Walking a rank's entries gives the order in which it needs its receives and the order in which it starts its sends.
package struct TransferPlan: Hashable, Codable, Sendable {
    package var perRank: [[ActionTransfers]]

    package init(perRank: [[ActionTransfers]]) { self.perRank = perRank }
}

extension Schedule {
    /// The messages that follow from the order of the actions, in one pass. The schedule must be valid.
    package var transfers: TransferPlan {
        TransferPlan(
            perRank: actions.enumerated().map { rank, list in
                list.map { action in
                    var halves = action.parts
                    guard let first = halves.next() else { return ActionTransfers() }
                    let second = halves.next()
                    return ActionTransfers(
                        receive: receive(of: first, on: rank), send: send(of: first, on: rank),
                        partnerReceive: second.flatMap { receive(of: $0, on: rank) },
                        partnerSend: second.flatMap { send(of: $0, on: rank) })
                }
            })
    }

    private func receive(of action: Action, on rank: Int) -> Transfer? {
        let stage = Int(action.stage)
        switch action.kind {
        case .forward: return transfer(.activation, into: stage, at: stage - 1, action, on: rank)
        case .backward, .backwardInput: return transfer(.gradient, into: stage, at: stage + 1, action, on: rank)
        case .backwardWeight, .fused: return nil
        }
    }

    private func send(of action: Action, on rank: Int) -> Transfer? {
        let stage = Int(action.stage)
        switch action.kind {
        case .forward: return transfer(.activation, into: stage + 1, at: stage + 1, action, on: rank)
        case .backward, .backwardInput: return transfer(.gradient, into: stage - 1, at: stage - 1, action, on: rank)
        case .backwardWeight, .fused: return nil
        }
    }

    /// The message into `stage` whose other end is at `neighbour`, or nil if that is no stage or one of the same rank.
    private func transfer(
        _ kind: Transfer.Kind, into stage: Int, at neighbour: Int, _ action: Action, on rank: Int
    ) -> Transfer? {
        guard (0..<stages).contains(neighbour) else { return nil }
        let microbatch = Int(action.microbatch)
        let peer = placement.rank(stage: neighbour, microbatch: microbatch)
        guard peer != rank else { return nil }
        return Transfer(
            kind: kind, stage: stage, microbatch: microbatch, peer: peer,
            tag: 2 * (stage * microbatches + microbatch) + Int(kind.rawValue))
    }
}
