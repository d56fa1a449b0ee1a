internal import Models
internal import Plans

/// Collectives of one pass among the ranks that share a layer's matrices.
struct TensorCollectives {
    /// Bytes of each whole tensor that is gathered from its parts, or added up and scattered into them.
    var gathers: [Double] = []
    /// Bytes of each tensor that is added up on every rank.
    var sums: [Double] = []

    /// Seconds of all of them, one after the other.
    func seconds(_ group: DeviceGroup) -> Double {
        gathers.reduce(0) { $0 + group.gather(bytes: $1) } + sums.reduce(0) { $0 + group.allReduce(bytes: $1) }
    }

    /// Bytes that one of `ranks` sends, by rings: a gathering or scattering S(n−1)/n, an all-reduce both.
    func sent(ranks: Double) -> Double {
        (gathers.reduce(0, +) + 2 * sums.reduce(0, +)) * (ranks - 1) / ranks
    }
}

/// Collectives of both passes of a micro-batch through a block, the embedding or the head.
struct PassCollectives {
    var forward = TensorCollectives()
    var backward = TensorCollectives()
    /// Inputs gathered again for the gradients of weights.
    var again = TensorCollectives()

    /// Bytes one of `ranks` sends in a forward and a backward.
    func sent(ranks: Double) -> Double {
        forward.sent(ranks: ranks) + backward.sent(ranks: ranks) + again.sent(ranks: ranks)
    }
}

extension DeviceShare {
    /// Collectives of one block. Attention and the feed-forward network each end in an all-reduce forward and begin with one
    /// backward (Shoeybi et al. 2019, section 3). With sequence parallelism they begin with a gathering and end with a scattering,
    /// and the backward gathers their inputs again for the gradients of weights (Korthikanti et al. 2022, section 4.2.2).
    ///
    /// Latent attention projects down on every rank, so the ranks have latents and no hidden rows in common: the forward
    /// gathers the latents and the keys' rotary part, the backward scatters their gradients and gathers the latents again.
    /// Without sequence parallelism the backward adds up the gradients of the latents (Megatron-Core,
    /// `multi_latent_attention.py`: duplicated down-projections, column-parallel up-projections). A query without latents
    /// is projected from the hidden rows.
    ///
    /// - Parameter elementBytes: bytes of an activation's number.
    func collectives(_ block: Block, elementBytes: Double) -> PassCollectives {
        var all = PassCollectives()
        guard tensor > 1 else { return all }
        let rows = elementBytes * tokens
        let (attention, feedForward) = (block.attention.part.messages, block.feedForward.part.messages)
        func bytes(_ widths: [Int]) -> [Double] { widths.map { rows * Double($0) } }
        // Rows that are scattered for the experts stay so; only shared experts gather theirs.
        let isScattered = sequenceParallel && feedForward.staysScattered
        let inputs = bytes(attention.inputs) + (isScattered ? [] : bytes(feedForward.inputs))
        let results = bytes(attention.results) + (isScattered ? [] : bytes(feedForward.results))
        if sequenceParallel {
            all.forward.gathers = inputs + bytes(attention.gatheredOnce) + results
            all.backward.gathers = all.forward.gathers
            all.again.gathers = inputs
        } else {
            all.forward.sums = results
            all.backward.sums = inputs
        }
        return all
    }

    /// Collectives of the embedding: its rows are added up, with sequence parallelism into parts.
    func embeddingCollectives(hidden: Int, elementBytes: Double) -> PassCollectives {
        var all = PassCollectives()
        guard tensor > 1 else { return all }
        let hidden = elementBytes * tokens * Double(hidden)
        if sequenceParallel {
            all.forward.gathers = [hidden]
            all.backward.gathers = [hidden]
        } else {
            all.forward.sums = [hidden]
        }
        return all
    }

    /// Collectives of the head and the loss: maximum, target logit and sum of exponentials, 4 bytes a token each
    /// (Megatron-LM's vocabulary-parallel loss).
    func headCollectives(hidden: Int, elementBytes: Double) -> PassCollectives {
        var all = PassCollectives()
        guard tensor > 1 else { return all }
        let hidden = elementBytes * tokens * Double(hidden)
        all.forward.sums = [4 * tokens, 4 * tokens, 4 * tokens]
        if sequenceParallel {
            all.forward.gathers = [hidden]
            all.backward.gathers = [hidden]
        } else {
            all.backward.sums = [hidden]
        }
        return all
    }
}
