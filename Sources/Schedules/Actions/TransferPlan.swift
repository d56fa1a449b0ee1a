/// A message: one tensor that crosses from a rank to another.
package struct Transfer: Hashable, Codable, Sendable {
    /// The tensor that travels.
    package enum Kind: UInt8, Hashable, Codable, Sendable, CaseIterable {
        /// Output of a stage's forward, sent to the next stage.
        case activation
        /// Gradient of a stage's input, sent back to the stage before.
        case gradient
    }

    package var kind: Kind
    /// The stage that receives the tensor.
    package var stage: Int32
    package var microbatch: Int32
    /// The rank at the other end: the sender of a receive, the receiver of a send.
    package var peer: Int32
    /// MPI tag of the message: 2(stage · m + microbatch) + (0 activation, 1 gradient). It is equal on both ranks and unique
    /// within an iteration of m micro-batches.
    package var tag: Int32

    package init(kind: Kind, stage: Int, microbatch: Int, peer: Int, tag: Int) {
        self.kind = kind
        self.stage = Int32(stage)
        self.microbatch = Int32(microbatch)
        self.peer = Int32(peer)
        self.tag = Int32(tag)
    }
}

/// The messages of one action. A message is nil where there is no neighbouring stage, or where it lives on the same rank.
package struct ActionTransfers: Hashable, Codable, Sendable {
    /// The tensor that the action (a fused action's forward) waits for.
    package var receive: Transfer?
    /// The tensor that it sends when it ends.
    package var send: Transfer?
    /// The gradient that a fused action's backward waits for; nil for every other action.
    package var partnerReceive: Transfer?
    /// The gradient that a fused action's backward sends; nil for every other action.
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
/// A rank's entries are in the order in which it waits for its receives, and in the order in which it starts its sends.
package struct TransferPlan: Hashable, Codable, Sendable {
    package var perRank: [[ActionTransfers]]

    package init(perRank: [[ActionTransfers]]) { self.perRank = perRank }
}

extension Schedule {
    /// The messages of every rank, which follow from the order of the actions. One pass. The schedule must be valid.
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
        case .backwardWeight, .fused, .softmax, .outputGradient: return nil
        }
    }

    private func send(of action: Action, on rank: Int) -> Transfer? {
        let stage = Int(action.stage)
        switch action.kind {
        case .forward: return transfer(.activation, into: stage + 1, at: stage + 1, action, on: rank)
        case .backward, .backwardInput: return transfer(.gradient, into: stage - 1, at: stage - 1, action, on: rank)
        case .backwardWeight, .fused, .softmax, .outputGradient: return nil
        }
    }

    /// The message into `stage` whose other end is stage `neighbour`; nil if there is no such stage, or if it lives on `rank`.
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
