/// The tables of a dry run for its inner loop. Stages and micro-batches have been checked, so no bound is checked again.
struct DryRunTables {
    let stages: Int
    let microbatches: Int
    let split: Int32
    /// Link that carries a tensor into a stage, −1 for none: by kind, direction and stage.
    let inbound: UnsafeBufferPointer<Int32>
    /// State of every tensor, as `DryRun.slots`.
    let slots: UnsafeMutableBufferPointer<Int32>
    /// Messages sent so far, by channel.
    let sent: UnsafeMutableBufferPointer<Int32>
    /// Messages received so far, by channel.
    let received: UnsafeMutableBufferPointer<Int32>
    /// Ranks that have contributed to each exchange of a divided vocabulary.
    let contributions: UnsafeMutableBufferPointer<Int32>
    /// Barriers of a divided vocabulary; 0: the vocabulary is not divided.
    let barriers: Int32
    let ranks: Int32

    /// Result of `send` in place of the rank that waits, if any rank may.
    static let anyRank = Int32.max

    @inline(__always)
    func link(_ isActivation: Bool, into stage: Int32, _ microbatch: Int32) -> Int32 {
        inbound[((isActivation ? 0 : 2) + (microbatch < split ? 0 : 1)) * stages + Int(stage)]
    }

    @inline(__always)
    func slot(_ isActivation: Bool, into stage: Int32, _ microbatch: Int32) -> Int32 {
        Int32(((isActivation ? 0 : stages) + Int(stage)) * microbatches + Int(microbatch))
    }

    /// The slot of the tensor that an action's part waits for, −1 if it needs none from a neighbouring stage.
    @inline(__always)
    func input(_ kind: Action.Kind, _ stage: Int32, _ microbatch: Int32) -> Int32 {
        switch kind {
        case .forward, .fused: stage == 0 ? -1 : slot(true, into: stage, microbatch)
        case .backward, .backwardInput:
            Int(stage) == stages - 1
                ? (barriers == 0 ? -1 : exchange(barriers, microbatch)) : slot(false, into: stage, microbatch)
        case .backwardWeight: -1
        case .softmax: exchange(ValidSchedule.Exchange.broadcast.rawValue, microbatch)
        case .outputGradient: exchange(ValidSchedule.Exchange.afterSoftmax.rawValue, microbatch)
        }
    }

    /// Whether a tensor does not exist yet. The rank is then noted in its slot, to be woken when it does.
    @inline(__always)
    func isMissing(_ slot: Int32, for rank: Int) -> Bool {
        guard slot >= 0, slots[Int(slot)] <= 0 else { return false }
        slots[Int(slot)] = -1 - Int32(rank)
        return true
    }

    /// Receives a part's input from its channel.
    /// - Returns: false if it is not the channel's next message.
    @inline(__always)
    func receive(_ isActivation: Bool, _ slot: Int32, _ stage: Int32, _ microbatch: Int32) -> Bool {
        guard slot >= 0 else { return true }
        let link = link(isActivation, into: stage, microbatch)
        guard link >= 0 else { return true }
        let channel = channel(isActivation, link)
        guard received[channel] == slots[Int(slot)] - 1 else { return false }
        received[channel] += 1
        return true
    }

    /// Sends a part's output.
    /// - Returns: the output's slot and link, and the rank that waits for it; −1 for none.
    @inline(__always)
    func send(
        _ isActivation: Bool, _ stage: Int32, _ microbatch: Int32
    ) -> (slot: Int32, link: Int32, waiting: Int32) {
        let next = stage + (isActivation ? 1 : -1)
        guard next >= 0, Int(next) < stages else {
            return isActivation && barriers > 0 ? contribute(to: .broadcast, microbatch, of: 1) : (-1, -1, -1)
        }
        let slot = slot(isActivation, into: next, microbatch)
        let waiting = slots[Int(slot)] < 0 ? -1 - slots[Int(slot)] : -1
        let link = link(isActivation, into: next, microbatch)
        slots[Int(slot)] = 1
        if link >= 0 {
            let channel = channel(isActivation, link)
            slots[Int(slot)] += sent[channel]
            sent[channel] += 1
        }
        return (slot, link, waiting)
    }

    /// The slot of an exchange among all ranks.
    @inline(__always)
    private func exchange(_ exchange: Int32, _ microbatch: Int32) -> Int32 {
        Int32((2 * stages + Int(exchange)) * microbatches + Int(microbatch))
    }

    /// One rank's contribution to an exchange of `count` ranks, whose result exists with the last one.
    func contribute(
        to exchange: ValidSchedule.Exchange, _ microbatch: Int32, of count: Int32
    ) -> (slot: Int32, link: Int32, waiting: Int32) {
        let slot = self.exchange(exchange.rawValue, microbatch)
        contributions[Int(slot) - 2 * stages * microbatches] += 1
        let isComplete = contributions[Int(slot) - 2 * stages * microbatches] == count
        if isComplete { slots[Int(slot)] = 1 }
        return (slot, exchange.link, isComplete ? Self.anyRank : -1)
    }

    @inline(__always)
    func channel(_ isActivation: Bool, _ link: Int32) -> Int { 2 * Int(link) + (isActivation ? 0 : 1) }
}
