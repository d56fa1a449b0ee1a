internal import Models
internal import Plans

/// Buffers on one device of software whose ranks share memory on one node and whose matrix library repacks operands.
struct RuntimeBuffers {
    let work: LayoutWork

    init(_ work: LayoutWork) { self.work = work }

    /// Bytes of the buffers into which the matrix library repacks operands: rows of the widest result for one operand,
    /// a square for the other.
    var packedOperands: Double {
        let memory = work.framework.memory
        guard memory.packedDepth > 0 else { return 0 }
        let inner = work.parts.denseBlocks.map(\.feedForward.inner).max() ?? 0
        let results = work.parts.blocks.map(\.attention.results).max() ?? 0
        let vocabulary = work.vocabulary / (work.divided?.ranks ?? 1)
        let widest = Double(max(inner, results, vocabulary)) / work.device.tensor
        return 4 * memory.packedDepth
            * (min(memory.packedRows, max(widest, Double(work.model.hidden))) + memory.packedDepth)
    }

    /// Bytes of memory that ranks of one node share, in two halves for each rank: partial sums of tensor ranks, and the
    /// pieces in which gradients are added up. The keys and values of ring attention and their gradients, each twice,
    /// and its partial output are included.
    ///
    /// `copies`: additional bytes in a bidirectional pipeline, whose stages two ranks hold.
    var shared: (always: Double, copies: Double) {
        guard let piece = work.framework.memory.sharedPiece else { return (0, 0) }
        let (device, w) = (work.device, work.rates.elementBytes)
        let t = device.tensor
        var bytes = 0.0
        if t > 1 { bytes += 2 * w * device.tokens * Double(work.model.hidden) * (1 + (t - 1) * sharedRows) }
        if device.context > 1 {
            let rows = work.parts.blocks.map { 4 * Double($0.core.keys + $0.core.values) + Double($0.core.attended) }
            bytes += w * device.tokens * (rows.max() ?? 0) / t
        }
        func sums(copies: Int) -> Double {
            let ranks = ranksThatAddUp(copies: copies)
            return ranks == 0 ? 0 : piece * (1 + 2 * Double(ranks))
        }
        return (bytes + sums(copies: 1), sums(copies: 2) - sums(copies: 1))
    }

    /// Fraction of another tensor rank's segment that a rank reads. With sequence parallelism it reads the sums of its
    /// own rows, and the first rows, where the gathered parts are.
    var sharedRows: Double { work.device.sequenceParallel ? min(1, 2 / work.device.tensor) : 1 }

    /// Number of ranks with which a rank adds up gradients in pieces of shared memory: the ranks with the same dense
    /// parameters and those with the same experts.
    /// - Parameter copies: number of ranks of a pipeline that hold the same stage.
    func ranksThatAddUp(copies: Int) -> Int {
        let (device, model) = (work.device, work.model)
        let experts =
            model.denseLayers == model.layers ? 0 : device.expertShardGroup.size * device.expertReplicaGroup.size
        return [device.dataGroup.size, experts].map { $0 * copies }.filter { $0 > 1 }.reduce(0, +)
    }
}
