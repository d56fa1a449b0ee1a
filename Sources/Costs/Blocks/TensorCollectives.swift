internal import Models
internal import Plans

/// Collectives of one pass among the ranks that share a layer's matrices.
struct TensorCollectives {
    /// Bytes of each whole tensor that is gathered from its parts, or reduce-scattered into them.
    var gathers: [Double] = []
    /// Bytes of each tensor that is all-reduced.
    var sums: [Double] = []

    /// Seconds of all collectives, one after the other.
    ///
    /// - Parameter software: the software, in whose steps the network reaches `tensorEfficiency` of its rate.
    func seconds(_ group: DeviceGroup, in software: Framework) -> Double {
        let slower = 1 / software.tensorEfficiency
        return gathers.reduce(0) { $0 + group.gather(bytes: slower * $1) }
            + sums.reduce(0) { $0 + group.allReduce(bytes: slower * $1) }
    }

    /// Bytes that one of `ranks` sends, by rings: S(n−1)/n in a gathering or scattering, twice as much in an
    /// all-reduce.
    func sent(ranks: Double) -> Double {
        (gathers.reduce(0, +) + 2 * sums.reduce(0, +)) * (ranks - 1) / ranks
    }
}

/// Collectives of both passes of a micro-batch through a block, the embedding or the head.
struct PassCollectives {
    var forward = TensorCollectives()
    var backward = TensorCollectives()
    /// Inputs that are gathered again for the gradients of weights.
    var again = TensorCollectives()

    /// Bytes that one of `ranks` sends in a forward and a backward.
    func sent(ranks: Double) -> Double {
        forward.sent(ranks: ranks) + backward.sent(ranks: ranks) + again.sent(ranks: ranks)
    }
}

extension DeviceShare {
    /// Collectives of a block or of an end with these `messages`.
    ///
    /// In the forward of a block, attention and the feed-forward network each end in an all-reduce; in the backward,
    /// each begins with one (Shoeybi et al. 2019, section 3). With sequence parallelism they begin with a gathering and
    /// end with a scattering, and the backward gathers their inputs again for the gradients of weights (Korthikanti et
    /// al. 2022, section 4.2.2).
    ///
    /// Latent attention computes the down-projections on every rank, so the ranks share latents rather than hidden
    /// rows. The forward gathers the latents and the rotary part of the keys. The backward scatters their gradients and
    /// gathers the latents again. Without sequence parallelism the backward adds up the gradients of the latents
    /// (Megatron-Core, `multi_latent_attention.py`: duplicated down-projections, column-parallel up-projections).
    /// Queries without latents are projected from the hidden rows.
    ///
    /// With more ranks than heads of keys, the forward gathers the columns of queries, keys and values, and the backward
    /// scatters their gradients (`AttentionSpec.multiHead`).
    ///
    /// - Parameter elementBytes: bytes of a number of an activation.
    func collectives(_ messages: JoinedMessages, elementBytes: Double) -> PassCollectives {
        var all = PassCollectives()
        guard tensor > 1 else { return all }
        let rows = elementBytes * tokens
        func bytes(_ messages: [Message]) -> [Double] {
            messages.map { self.bytes($0, elementBytes: elementBytes) }
        }
        let (inputs, kept, results) = (bytes(messages.inputs), bytes(messages.keptInputs), bytes(messages.results))
        all.backward.sums = bytes(messages.wholeInputs)
        all.forward.sums = messages.totals.map { 4 * tokens * Double($0) }
        if sequenceParallel {
            all.forward.gathers = inputs + kept + bytes(messages.gatheredOnce) + results
            all.backward.gathers = all.forward.gathers
            all.again.gathers = inputs
            if !messages.narrow.forward.isEmpty {
                all.forward.gathers += bytes(messages.narrow.forward)
                all.backward.gathers += bytes(messages.narrow.forward)
            }
        } else {
            all.forward.sums += results
            all.backward.sums += inputs + kept
            if !messages.narrow.forward.isEmpty { all.forward.sums += bytes(messages.narrow.forward) }
        }
        for columns in messages.columns where tensor > Double(columns.ranks) {
            all.forward.gathers.append(rows * Double(columns.width))
            guard columns.areSummedBack || sequenceParallel else { continue }
            all.backward.gathers.append(rows * Double(columns.width))
        }
        if !messages.narrow.backward.isEmpty { all.backward.sums += bytes(messages.narrow.backward) }
        return all
    }

    /// Bytes of a message of one micro-batch, whole.
    func bytes(_ message: Message, elementBytes: Double) -> Double {
        let share = message.rows == .all ? 1 : shares.share(message.rows)
        return elementBytes * tokens * Double(message.width) * share
    }
}
