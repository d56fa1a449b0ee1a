extension Attention {
    /// output, dOutput [B, Lq, N · D], delta [B · N, Lq]: delta = Σ over a head of dOutput ∘ output. ``inputGradient`` needs
    /// it of the output over all keys, once for a row, however many blocks its keys are in.
    package static func delta(output: MatrixBatch, dOutput: MatrixBatch, into delta: Matrix, shape: AttentionShape) {
        assert(shape.fits(queries: [output, dOutput], keys: [], statistics: [delta]), "tensors of another shape")
        for sample in 0..<shape.batch {
            for head in 0..<shape.heads {
                let (values, gradients) = (shape.head(head, of: output[sample]), shape.head(head, of: dOutput[sample]))
                let target = delta.row(sample * shape.heads + head)
                for row in 0..<shape.queries {
                    target[row] = VectorMath.dotProduct(
                        values.row(row), gradients.row(row), count: shape.headSize)
                }
            }
        }
    }

    /// The gradients that ``inputGradient`` adds to what is there, rather than writes.
    package struct Accumulation: Hashable, Sendable {
        package var query: Bool
        package var keyValue: Bool

        package init(query: Bool = false, keyValue: Bool = false) {
            self.query = query
            self.keyValue = keyValue
        }
    }

    /// query, dOutput, dQuery [B, Lq, N · D], key, value, dKey, dValue [B, Lk, K · D], logSumExp, delta [B · N, Lq]: the
    /// gradients of this block of keys. None may overlap the inputs.
    ///
    /// With P the probabilities under the whole softmax (logSumExp over all blocks of keys): dV = Pᵀ·dO, dP = dO·Vᵀ,
    /// dS = P ∘ (dP − delta), dQ = dS·K/√D, dK = dSᵀ·Q/√D. The sums over all blocks of keys are the gradients of the whole.
    /// - Parameter workspace: ``AttentionShape/workspaceCount`` numbers, of any content.
    package static func inputGradient(
        query: MatrixBatch, key: MatrixBatch, value: MatrixBatch, dOutput: MatrixBatch, logSumExp: Matrix,
        delta: Matrix, dQuery: MatrixBatch, dKey: MatrixBatch, dValue: MatrixBatch,
        accumulating: Accumulation = Accumulation(), workspace: UnsafeMutablePointer<Float>, shape: AttentionShape
    ) {
        assert(
            shape.fits(
                queries: [query, dOutput, dQuery], keys: [key, value, dKey, dValue], statistics: [logSumExp, delta]),
            "tensors of another shape")
        let (keys, size) = (shape.keys, shape.headSize)
        let space = AttentionGradientWorkspace(workspace, queries: shape.queries, keys: keys, headSize: size)
        let down = PanelProduct.packedCount(rows: keys, columns: size)
        for sample in 0..<shape.batch {
            for keyHead in 0..<shape.keyValueHeads {
                let (ownKeys, ownValues) = (
                    shape.head(keyHead, of: key[sample]), shape.head(keyHead, of: value[sample])
                )
                PanelProduct.packTransposed(ownKeys, scale: shape.scale, into: space.transposedKeys)
                PanelProduct.packTransposed(ownValues, scale: 1, into: space.transposedValues)
                PanelProduct.pack(ownKeys, into: space.keys)
                VectorMath.fill(space.dKeys, count: down, with: 0)
                VectorMath.fill(space.dValues, count: down, with: 0)
                for head in keyHead * shape.group..<(keyHead + 1) * shape.group {
                    let statistics = sample * shape.heads + head
                    gradientHead(
                        query: shape.head(head, of: query[sample]), dOutput: shape.head(head, of: dOutput[sample]),
                        logSumExp: logSumExp.row(statistics), delta: delta.row(statistics),
                        dQuery: shape.head(head, of: dQuery[sample]), accumulate: accumulating.query, space: space,
                        shape: shape)
                }
                let (dKeys, dValues) = (shape.head(keyHead, of: dKey[sample]), shape.head(keyHead, of: dValue[sample]))
                for column in Swift.stride(from: 0, to: size, by: PanelProduct.width) {
                    let count = min(PanelProduct.width, size - column)
                    for row in 0..<keys {
                        let source = column * keys + row * PanelProduct.width
                        VectorMath.copy(
                            space.dKeys + source, scaledBy: shape.scale, into: dKeys.row(row) + column, count: count,
                            accumulate: accumulating.keyValue)
                        VectorMath.copy(
                            space.dValues + source, scaledBy: 1, into: dValues.row(row) + column, count: count,
                            accumulate: accumulating.keyValue)
                    }
                }
            }
        }
    }

    /// query, dOutput, dQuery [Lq, D], logSumExp, delta [Lq]: the gradients of one query head. Its part of dK and dV is
    /// added to the sums of its key head.
    private static func gradientHead(
        query: Matrix, dOutput: Matrix, logSumExp: UnsafePointer<Float>, delta: UnsafePointer<Float>, dQuery: Matrix,
        accumulate: Bool, space: AttentionGradientWorkspace, shape: AttentionShape
    ) {
        let (keys, size, scoreStride) = (shape.keys, shape.headSize, scoreStride(shape.keys))
        let (width, panelWidth) = (PanelProduct.padded(size), PanelProduct.width)
        let queries = shape.queries
        PanelProduct.pack(query, into: space.queries)
        PanelProduct.pack(dOutput, into: space.dOutputs)
        for start in Swift.stride(from: 0, to: queries, by: block) {
            let end = min(start + block, queries)
            blockProduct(
                query, panels: space.transposedKeys, into: space.weights, scoreStride: scoreStride, start: start,
                end: end, shape: shape)
            blockProduct(
                dOutput, panels: space.transposedValues, into: space.slopes, scoreStride: scoreStride, start: start,
                end: end, shape: shape)
            for tile in Swift.stride(from: start, to: end, by: PanelProduct.tile) {
                let tileEnd = min(tile + PanelProduct.tile, end)
                for row in tile..<tileEnd {
                    scoreGradient(
                        weights: space.weights + (row - start) * scoreStride,
                        slopes: space.slopes + (row - start) * scoreStride, visible: shape.visible(row),
                        depth: shape.visible(tileEnd - 1), logSumExp: logSumExp[row], delta: delta[row])
                }
            }
            for column in Swift.stride(from: 0, to: width, by: panelWidth) {
                for tile in Swift.stride(from: start, to: end, by: PanelProduct.tile) {
                    let tileEnd = min(tile + PanelProduct.tile, end)
                    PanelProduct.multiply(
                        space.slopes + (tile - start) * scoreStride, rowStride: scoreStride, depthStride: 1,
                        panel: space.keys + column * keys, space.dQueries + (tile - start) * width + column,
                        ldc: width, m: tileEnd - tile, depth: shape.visible(tileEnd - 1))
                }
                addTransposed(
                    space.slopes, scoreStride, space.queries + column * queries, into: space.dKeys + column * keys,
                    start: start, end: end, shape: shape)
                addTransposed(
                    space.weights, scoreStride, space.dOutputs + column * queries, into: space.dValues + column * keys,
                    start: start, end: end, shape: shape)
            }
            for row in start..<end {
                VectorMath.copy(
                    space.dQueries + (row - start) * width, scaledBy: shape.scale, into: dQuery.row(row), count: size,
                    accumulate: accumulate)
            }
        }
    }

    /// sums [Lk, 32] += scores[start..<end]ᵀ · panel[start..<end], each key from the first query row that sees it on.
    @inline(__always)
    private static func addTransposed(
        _ scores: UnsafePointer<Float>, _ scoreStride: Int, _ panel: UnsafePointer<Float>,
        into sums: UnsafeMutablePointer<Float>, start: Int, end: Int, shape: AttentionShape
    ) {
        for tile in Swift.stride(from: 0, to: shape.visible(end - 1), by: PanelProduct.tile) {
            let first = max(start, tile - shape.ahead)
            PanelProduct.multiply(
                scores + (first - start) * scoreStride + tile, rowStride: 1, depthStride: scoreStride,
                panel: panel + first * PanelProduct.width, sums + tile * PanelProduct.width, ldc: PanelProduct.width,
                m: min(PanelProduct.tile, shape.keys - tile), depth: end - first, accumulate: true)
        }
    }

    /// The first `visible` scores become probabilities P, and the gradients beside them P ∘ (dP − delta). Those behind them,
    /// as far as their vector or `depth` reaches, become 0.
    @inline(__always)
    private static func scoreGradient(
        weights: UnsafeMutablePointer<Float>, slopes: UnsafeMutablePointer<Float>, visible: Int, depth: Int,
        logSumExp: Float, delta: Float
    ) {
        guard visible > 0 else {
            clear(weights, from: 0, to: depth)
            clear(slopes, from: 0, to: depth)
            return
        }
        let (shift, offset) = (Vector(repeating: logSumExp), Vector(repeating: delta))
        let boundary = (visible - 1) / lanes * lanes
        for index in Swift.stride(from: 0, to: boundary, by: lanes) {
            let p = exponential(of: weights.vector(index) - shift)
            weights.store(p, index)
            slopes.store(p * (slopes.vector(index) - offset), index)
        }
        let hidden = SIMD16<Int32>(repeating: Int32(visible - 1 - boundary)) .< laneIndices
        let p = exponential(of: weights.vector(boundary) - shift).replacing(with: 0, where: hidden)
        weights.store(p, boundary)
        slopes.store((p * (slopes.vector(boundary) - offset)).replacing(with: 0, where: hidden), boundary)
        clear(weights, from: boundary + lanes, to: depth)
        clear(slopes, from: boundary + lanes, to: depth)
    }
}

/// The workspace of attention's gradient: panels, two blocks of scores, a block of query gradients.
struct AttentionGradientWorkspace {
    var transposedKeys, transposedValues: UnsafeMutablePointer<Float>
    var keys, dKeys, dValues: UnsafeMutablePointer<Float>
    var queries, dOutputs: UnsafeMutablePointer<Float>
    var weights, slopes, dQueries: UnsafeMutablePointer<Float>

    init(_ start: UnsafeMutablePointer<Float>, queries queryCount: Int, keys keyCount: Int, headSize: Int) {
        let across = PanelProduct.packedCount(rows: headSize, columns: keyCount)
        let down = PanelProduct.packedCount(rows: keyCount, columns: headSize)
        let queryPanels = PanelProduct.packedCount(rows: queryCount, columns: headSize)
        let scores = Attention.block * Attention.scoreStride(keyCount)
        transposedKeys = start
        transposedValues = transposedKeys + across
        keys = transposedValues + across
        dKeys = keys + down
        dValues = dKeys + down
        queries = dValues + down
        dOutputs = queries + queryPanels
        weights = dOutputs + queryPanels
        slopes = weights + scores
        dQueries = slopes + scores
    }

    static func count(queries: Int, keys: Int, headSize: Int) -> Int {
        2 * PanelProduct.packedCount(rows: headSize, columns: keys)
            + 3 * PanelProduct.packedCount(rows: keys, columns: headSize)
            + 2 * PanelProduct.packedCount(rows: queries, columns: headSize)
            + 2 * Attention.block * Attention.scoreStride(keys)
            + Attention.block * PanelProduct.padded(headSize)
    }
}
