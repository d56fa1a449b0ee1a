internal import Models
internal import Plans
internal import Schedules

/// Bytes that one device of a rank sends in the passes of a step: to tensor, context and expert ranks and to the
/// neighbouring pipeline ranks.
struct PassTraffic {
    private let work: LayoutWork
    private let passed: PassedBlocks
    /// The pipeline ranks to which the rank sends, and its number of messages to each in a step. Activations are sent
    /// forward and gradients backward to every neighbouring stage on another rank.
    let neighbours: [(rank: Int, messages: Int)]

    init(_ work: LayoutWork, rank: Int) {
        self.work = work
        let passes = StagePasses.of(rank, work)
        passed = PassedBlocks(passes, work)
        neighbours = StagePasses.neighbours(of: rank, passes, work)
    }

    /// Bytes sent to the tensor ranks for blocks, embedding, head and loss.
    var tensor: Double {
        let (device, parts, t) = (work.device, work.parts, work.device.tensor)
        func collectives(_ messages: JoinedMessages) -> PassCollectives {
            device.collectives(messages, elementBytes: work.rates.elementBytes)
        }
        let (embedding, head) = (collectives(parts.embedding.messages), collectives(parts.head.messages))
        var bytes = passed.embedding * embedding.sent(ranks: t) + passed.head * head.sent(ranks: t)
        if let divided = work.divided {
            // Every rank runs its part for every micro-batch; one barrier scatters two gradients (`DividedVocabulary`).
            let twice = divided.way == .oneBarrier ? head.backward.sent(ranks: t) : 0
            bytes = Double(work.m) * (embedding.sent(ranks: t) + head.sent(ranks: t) + twice)
        }
        for (kind, block) in parts.blocks.enumerated() where passed.blocks[kind] > 0 {
            let sent = collectives(block.messages(sequenceParallel: device.sequenceParallel))
            guard passed.hasBackward[kind] else {
                bytes += passed.blocks[kind] * sent.forward.sent(ranks: t)
                continue
            }
            bytes += passed.blocks[kind] * sent.sent(ranks: t) + passed.again[kind] * sent.forward.sent(ranks: t)
            guard !device.modules.isEmpty else { continue }
            let again = block.messages(
                again: block.recomputations(of: device.modules), sequenceParallel: device.sequenceParallel)
            bytes += passed.blocks[kind] * collectives(again).forward.sent(ranks: t)
        }
        return bytes
    }

    /// Bytes sent to the other ranks of the pipeline for parts of the vocabulary, by rings. All ranks get the output and the
    /// gradients of lookups, and add up the sums, the gradient of the output and the rows that they looked up.
    var vocabulary: Double {
        guard let bytes = work.divided?.bytes else { return 0 }
        return Double(work.m) * (bytes.output + bytes.rows + 2 * (bytes.sums + 2 * bytes.rows)) * Ring.sent(work.p)
    }

    /// Bytes sent to the tensor ranks to gather messages that were sent in parts. A rank receives as many messages as
    /// it sends.
    var gatheredMessages: Double {
        guard work.scattersMessages else { return 0 }
        let messages = neighbours.reduce(0) { $0 + Double($1.messages) }
        return messages * work.boundaryBytes * Ring.sent(work.layout.tensor)
    }

    /// Bytes sent to the context ranks: around rings or for gatherings in every forward, twice as much in every backward;
    /// the states of token mixers once in every pass.
    var context: Double {
        let device = work.device
        var bytes = 0.0
        for (kind, block) in work.parts.blocks.enumerated() {
            let rings = (passed.hasBackward[kind] ? 3 : 1) * passed.blocks[kind] + passed.again[kind]
            bytes += rings * ways(block).ringBytes
            if let scan = block.core.scan {
                let passes = passed.passes(kind)
                bytes += passes * (device.context - 1) * device.stateBytes(scan, sequence: work.model.sequence)
            }
        }
        return bytes
    }

    /// Bytes of the rows whose heads context ranks exchange, those that stay on the device included.
    var contextHeads: Double {
        guard work.device.headRanks > 1 else { return 0 }
        return work.parts.blocks.enumerated().reduce(0) { sum, kind in
            sum + passed.passes(kind.offset) * ways(kind.element).heads
        }
    }

    private func ways(_ block: Block) -> ContextWays {
        ContextWays(block, work.device, sequence: work.model.sequence, elementBytes: work.rates.elementBytes)
    }

    /// Exchanges with the expert ranks in forward, backward and recomputation; nil in a dense model.
    var experts: ExpertTraffic? {
        var sum: ExpertTraffic?
        for (passes, ways) in expertWays {
            let traffic = passes * (ways.dispatch + ways.combine)
            sum = sum.map { $0 + traffic } ?? traffic
        }
        return sum
    }

    /// Bytes sent among the ranks that share an expert: rows gathered before its products, results scattered after
    /// them.
    var expertPieces: Double {
        expertWays.reduce(0) { $0 + $1.passes * 2 * $1.ways.shared * Ring.sent(work.layout.expertTensor) }
    }

    /// Bytes sent among the ranks that hold the experts in gatherings of all their rows and scatterings of the results.
    var expertGathers: Double {
        expertWays.reduce(0) {
            $0 + $1.passes * 2 * $1.ways.gathered * Ring.sent(work.layout.expert * work.layout.expertTensor)
        }
    }

    /// The way by which rows reach their experts.
    var dispatcher: Layout.Dispatcher { work.framework.dispatcher(work.layout.dispatcher) }

    /// For each kind of block with experts: the number of passes through such blocks, and the bytes of one.
    private var expertWays: [(passes: Double, ways: ExpertWays)] {
        work.parts.blocks.enumerated().compactMap { kind, block in
            block.mixture.map {
                (
                    passed.passes(kind)
                        + (work.device.modules.contains(.mixture) && passed.hasBackward[kind]
                            ? passed.blocks[kind] : 0),
                    ExpertWays(hidden: work.model.hidden, $0, rates: work.rates, device: work.device)
                )
            }
        }
    }
}

/// The micro-batches of a step that pass one stage of a rank.
private struct StagePasses {
    let stage: Int
    let microbatches: Int
    /// Rank of every stage for these micro-batches. For micro-batches that enter at the other end, the stages are on
    /// other ranks.
    let stageToRank: [Int]

    /// Passes through each stage of `rank`. In a bidirectional pipeline with an odd number of micro-batches, one end
    /// gets one more.
    static func of(_ rank: Int, _ work: LayoutWork) -> [StagePasses] {
        let placement = work.layout.schedule.placement(work.shape)
        func passes(_ stageToRank: [Int], _ count: Int) -> [StagePasses] {
            stageToRank.indices.filter { stageToRank[$0] == rank }.map {
                StagePasses(stage: $0, microbatches: count, stageToRank: stageToRank)
            }
        }
        guard let reverse = placement.reverseStageToRank else { return passes(placement.stageToRank, work.m) }
        let first = min(work.m, max(0, placement.split))
        return passes(placement.stageToRank, first) + passes(reverse, work.m - first)
    }

    /// The ranks of the stages next to those of `rank`, and the number of messages to each.
    static func neighbours(
        of rank: Int, _ passes: [StagePasses], _ work: LayoutWork
    ) -> [(rank: Int, messages: Int)] {
        var messages = [Int](repeating: 0, count: work.p)
        for pass in passes {
            let ranks = pass.stageToRank
            for next in [pass.stage - 1, pass.stage + 1] where ranks.indices.contains(next) && ranks[next] != rank {
                messages[ranks[next]] += pass.microbatches
            }
        }
        return messages.enumerated().compactMap { $1 > 0 ? ($0, $1) : nil }
    }
}

/// Number of times that the micro-batches of one step pass blocks, embedding and head on a rank.
private struct PassedBlocks {
    /// Blocks of each kind.
    var blocks: [Double]
    /// Blocks of each kind whose forward runs again in the backward: full recomputation.
    var again: [Double]
    /// Whether blocks of each kind have a backward.
    let hasBackward: [Bool]
    /// Micro-batches that pass the embedding.
    var embedding = 0.0
    /// Micro-batches that pass the head.
    var head = 0.0

    /// Number of forwards and backwards through blocks of a kind, with those that run again.
    func passes(_ kind: Int) -> Double { (hasBackward[kind] ? 2 : 1) * blocks[kind] + again[kind] }

    init(_ passes: [StagePasses], _ work: LayoutWork) {
        let layout = work.layout
        blocks = [Double](repeating: 0, count: work.parts.blocks.count)
        again = blocks
        hasBackward = work.parts.blocks.map { $0.tuned?.passesGradient ?? true }
        for pass in passes {
            let (stage, count) = (work.shares.stages[pass.stage], Double(pass.microbatches))
            if pass.stage == 0 { embedding += count }
            if pass.stage == work.layers.count - 1 { head += count }
            let keepsSome = layout.recomputed.keepsSome
            for kind in blocks.indices {
                let recomputed = stage.whole(kind, isRecomputed: true)
                blocks[kind] += count * (stage.whole(kind) + recomputed)
                if layout.recompute == .full, hasBackward[kind] {
                    again[kind] += count * (keepsSome ? recomputed : stage.whole(kind) + recomputed)
                }
            }
        }
    }
}
