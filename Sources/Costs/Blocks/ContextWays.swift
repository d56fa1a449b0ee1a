internal import Models
internal import Plans

/// Bytes that one device sends in one forward of a micro-batch to bring the queries and keys of a block together.
///
/// Letters: T rows of a device, Q, K, V and A the widths of queries, keys, values and results on one device, c context
/// ranks, u of them exchange heads, w bytes of a number.
///
/// - Ring: T·(K + V) numbers pass from rank to rank, c/u − 1 times (Liu et al. 2023).
/// - Gathering: every rank receives the keys and values of all, c·T·(K + V) numbers (Llama team 2024, section 3.3.2;
///   Transformer Engine, `AttnFuncWithCPAndKVAllGather`).
/// - Heads: T·(Q + K + V + A) numbers in four all-to-alls: of queries, keys, values and results (Jacobs et al. 2023;
///   Transformer Engine, `AttnFuncWithCPAndQKVOA2A`). If there are more ranks than key/value heads, each of these heads
///   is sent to several ranks.
///
/// A backward sends as much over heads (gradients of the results, then of queries, keys and values) and twice as much
/// over rings (keys and values again, and their gradients) and by gatherings (gathered again, gradients scattered).
struct ContextWays {
    /// All-to-alls of one pass: of queries, keys, values and results.
    static let headExchanges = 4.0

    /// Bytes that one exchange of a ring passes on.
    let piece: Double
    /// Number of a ring's exchanges.
    let exchanges: Double
    /// Bytes of the rows whose heads are exchanged, those that stay on the device included.
    let heads: Double
    /// Bytes of the keys and values of all ranks, if they are gathered.
    let gathered: Double
    /// Bytes that a block with this core attention keeps beyond those without an exchange: the result for whole
    /// sequences of some heads, beside that for a piece of all heads, which the next product reads, and further copies
    /// of keys and values (Transformer Engine keeps `q_part`, `k_part`, `v_part` and `out_part`).
    let kept: Double
    /// Ranks that get each key/value head.
    let copies: Double
    /// Context ranks.
    private let ranks: Double

    init(_ block: Block, _ device: DeviceShare, sequence: Int, elementBytes w: Double) {
        let (core, headRanks) = (block.core, Double(device.headRanks))
        let rows = w * device.tokens
        let keysAndValues = core.keysAndValues(tensor: device.tensor)
        // Tensor ranks beyond the key/value heads hold one head each.
        copies = headRanks > 1 ? max(1, headRanks / max(1, Double(block.keyHeads) / device.tensor)) : 1
        ranks = device.context
        piece = rows * keysAndValues * copies
        let isGathered = device.contextExchange == .gather
        exchanges =
            isGathered ? 0 : core.exchanges(ranks: Double(device.ringRanks), length: Double(sequence))
        gathered = isGathered && core.heads > 0 ? device.context * piece : 0
        let isExchanged = headRanks > 1 && core.heads > 0
        let attended = Double(core.attended) / device.tensor
        heads = isExchanged ? rows * (Double(core.queries) / device.tensor + attended) + piece : 0
        kept = isExchanged ? rows * (attended + keysAndValues * (copies - 1)) : 0
    }

    /// Bytes that one device sends in a forward around rings, or to gather keys and values.
    var ringBytes: Double { exchanges * piece + gathered * (ranks - 1) / ranks }

    /// Bytes of the buffers of one block: gathered keys and values with their gradients, or rows on their way between
    /// ranks [own]. Those of rings are pieces that the runtime's own buffers count.
    var buffers: Double { 2 * gathered + heads }
}

extension Block {
    /// Key/value heads of the attention; latent attention has as many as heads.
    var keyHeads: Int { shape.mla == nil ? shape.kvHeads : shape.heads }
}

extension BlockTimes {
    /// Exposed exchanges of one pass among the ranks of a sequence. A ring's exchanges each overlap with the attention
    /// of the previous part, which loses as much to them as compute loses to any message. Nothing hides gatherings and
    /// exchanges of heads: the attention needs all of them before it begins, and the next product after it.
    /// - Parameters:
    ///   - attention: seconds of the pass's attention.
    ///   - passes: how often a ring passes keys and values on, or they are gathered: in the backward twice.
    func contextExposed(attention: Double, passes: Double) -> Exposed {
        guard device.context > 1 else { return Exposed() }
        let ways = ContextWays(block, device, sequence: sequence, elementBytes: rates.elementBytes)
        let exchange = device.contextRing.transfer(bytes: ways.piece)
        let one = rates.hide(passes * exchange, behind: attention / Double(device.ringRanks))
        var exposed = Exposed(seconds: ways.exchanges * one.seconds, hidden: ways.exchanges * one.hidden)
        if ways.gathered > 0 {
            // Keys and values are two tensors.
            exposed.seconds += passes * device.contextGroup.gather(bytes: ways.gathered, count: 2)
        }
        if ways.heads > 0 {
            exposed.seconds += device.contextHeads.allToAll(
                ExpertTraffic(copies: ways.heads), count: ContextWays.headExchanges)
        }
        return exposed
    }

    /// Seconds of both passes' exchanges among the ranks of a sequence.
    var contextSeconds: Double {
        let attention = attention()
        return contextExposed(attention: attention.forward, passes: 1).seconds
            + contextExposed(attention: attention.backward, passes: 2).seconds
    }
}
