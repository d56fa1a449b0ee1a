/// Which keys a query may see.
package enum AttentionMask: Hashable, Sendable {
    /// Every query sees every key.
    case full
    /// Query row i sees keys 0...(i + ahead): `ahead` is the position of the first query minus that of the first key. 0
    /// is self-attention; large values let all queries see all keys, negative ones hide keys from the first queries or
    /// from all of them.
    case causal(ahead: Int)

    /// The mask of a block of queries that begins at position `queryStart` against keys that begin at `keyStart`.
    package static func causal(queryStart: Int, keyStart: Int) -> AttentionMask {
        .causal(ahead: queryStart - keyStart)
    }
}

/// Where the rows of a [batch, rows, heads, headSize] tensor lie, in numbers. A row's heads are next to each other.
package struct AttentionRows: Hashable, Sendable {
    /// From one row to the next.
    package var stride: Int
    /// From one sample of the batch to the next.
    package var sampleStride: Int

    package init(stride: Int, sampleStride: Int) {
        self.stride = stride
        self.sampleStride = sampleStride
    }
}

/// The dimensions of one call of ``Attention``: a block of queries against a block of keys and values.
///
/// A pointer to a tensor points to the first head of the first row that takes part, so a part of a sequence is named by
/// moving the pointer and keeping the strides.
package struct AttentionShape: Hashable, Sendable {
    /// Samples.
    package var batch: Int
    /// Query rows of a sample.
    package var queries: Int
    /// Key (and value) rows of a sample.
    package var keys: Int
    /// Query heads.
    package var heads: Int
    /// Key and value heads; divides ``heads``. Query head h reads key head h / (heads / keyValueHeads).
    package var keyValueHeads: Int
    /// Numbers in a head.
    package var headSize: Int
    /// Which keys a query sees.
    package var mask: AttentionMask
    /// Where the query rows lie.
    package var queryRows: AttentionRows
    /// Where the key and the value rows lie.
    package var keyValueRows: AttentionRows
    /// Where the output rows (and those of its gradient) lie.
    package var outputRows: AttentionRows
    /// logSumExp and delta are [batch, heads, this], of which the first ``queries`` numbers are used.
    package var statisticsStride: Int

    /// Tensors of their own, rows next to each other: query and output [batch, queries, heads, headSize], key and value
    /// [batch, keys, keyValueHeads, headSize], statistics [batch, heads, queries].
    package init(
        batch: Int, queries: Int, keys: Int, heads: Int, keyValueHeads: Int, headSize: Int, mask: AttentionMask
    ) {
        self.batch = batch
        self.queries = queries
        self.keys = keys
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.headSize = headSize
        self.mask = mask
        let (width, keyWidth) = (heads * headSize, keyValueHeads * headSize)
        queryRows = AttentionRows(stride: width, sampleStride: queries * width)
        keyValueRows = AttentionRows(stride: keyWidth, sampleStride: keys * keyWidth)
        outputRows = queryRows
        statisticsStride = queries
    }

    /// Causal self-attention of a fused product [batch · sequence, query | key | value], a row (heads + 2 ·
    /// keyValueHeads) · headSize wide; output [batch · sequence, heads · headSize], statistics [batch, heads, sequence].
    package static func fused(
        batch: Int, sequence: Int, heads: Int, keyValueHeads: Int, headSize: Int
    ) -> AttentionShape {
        var shape = AttentionShape(
            batch: batch, queries: sequence, keys: sequence, heads: heads, keyValueHeads: keyValueHeads,
            headSize: headSize, mask: .causal(ahead: 0))
        let width = (heads + 2 * keyValueHeads) * headSize
        shape.queryRows = AttentionRows(stride: width, sampleStride: sequence * width)
        shape.keyValueRows = shape.queryRows
        return shape
    }

    /// Numbers of scratch space that ``Attention`` needs for a call of this shape, forward or backward.
    package var workspaceCount: Int {
        AttentionGradientSpace.count(queries: queries, keys: keys, headSize: headSize)
    }

    /// Whether no query sees any key: the output is zero and the gradients are.
    package var isEmpty: Bool { visible(queries - 1) == 0 }

    /// Query heads that share a key head.
    var group: Int { heads / keyValueHeads }

    /// 1/√headSize.
    var scale: Float { 1 / Float(headSize).squareRoot() }

    /// Query row i sees keys 0...(i + ahead). Within the block's bounds, beyond which nothing changes.
    var ahead: Int {
        switch mask {
        case .full: keys
        case .causal(let ahead): max(-queries, min(ahead, keys))
        }
    }

    /// How many keys query `row` sees: the first ones.
    @inline(__always)
    func visible(_ row: Int) -> Int { min(keys, max(0, row + 1 + ahead)) }
}
