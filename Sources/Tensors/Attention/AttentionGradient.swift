extension Attention {
    /// delta [batch, heads, queries] = Σ over a head of dOutput ∘ output, what ``inputGradient`` needs of the whole
    /// output. Once for a row, however many blocks its keys are in.
    package static func delta(
        output: UnsafePointer<Float>, dOutput: UnsafePointer<Float>, into delta: UnsafeMutablePointer<Float>,
        shape: AttentionShape
    ) {
        for sample in 0..<shape.batch {
            for head in 0..<shape.heads {
                let start = sample * shape.outputRows.sampleStride + head * shape.headSize
                let target = delta + (sample * shape.heads + head) * shape.statisticsStride
                for row in 0..<shape.queries {
                    let offset = start + row * shape.outputRows.stride
                    target[row] = VectorMath.dotProduct(output + offset, dOutput + offset, count: shape.headSize)
                }
            }
        }
    }

    /// Which gradients ``inputGradient`` adds to what is there rather than writes.
    package struct Accumulation: Hashable, Sendable {
        package var query: Bool
        package var keyValue: Bool

        package init(query: Bool = false, keyValue: Bool = false) {
            self.query = query
            self.keyValue = keyValue
        }
    }

    /// The gradients of this block's share by query, key and value: dQuery, dKey and dValue with the strides of query,
    /// key and value unless others are given. None may overlap the inputs.
    ///
    /// With P the probabilities under the whole softmax (`logSumExp` over all blocks) and D = `delta`: dV = Pᵀ·dO,
    /// dP = dO·Vᵀ, dS = P ∘ (dP − D), dQ = dS·K/√headSize, dK = dSᵀ·Q/√headSize. The sums over all blocks of keys are
    /// the gradients of the whole.
    /// - Parameter workspace: ``AttentionShape/workspaceCount`` numbers, of any content.
    package static func inputGradient(
        query: UnsafePointer<Float>, key: UnsafePointer<Float>, value: UnsafePointer<Float>,
        dOutput: UnsafePointer<Float>, logSumExp: UnsafePointer<Float>, delta: UnsafePointer<Float>,
        dQuery: UnsafeMutablePointer<Float>, dKey: UnsafeMutablePointer<Float>, dValue: UnsafeMutablePointer<Float>,
        dQueryRows: AttentionRows? = nil, dKeyValueRows: AttentionRows? = nil,
        accumulating: Accumulation = Accumulation(), workspace: UnsafeMutablePointer<Float>, shape: AttentionShape
    ) {
        eachKeyHead(
            key: key, value: value, dKey: dKey, dValue: dValue, dRows: dKeyValueRows ?? shape.keyValueRows,
            accumulate: accumulating.keyValue, workspace: workspace, shape: shape
        ) { sample, head, space in
            let statistics = (sample * shape.heads + head) * shape.statisticsStride
            let rows = dQueryRows ?? shape.queryRows
            gradientHead(
                query: query + sample * shape.queryRows.sampleStride + head * shape.headSize,
                dOutput: dOutput + sample * shape.outputRows.sampleStride + head * shape.headSize,
                logSumExp: logSumExp + statistics, projections: delta + statistics,
                dQuery: dQuery + sample * rows.sampleStride + head * shape.headSize, dQueryStride: rows.stride,
                accumulate: accumulating.query, space: space, shape: shape)
        }
    }

    /// Calls `body` for every query head of every key head, with that key head's keys and values in panels and the sums
    /// of its gradients in the space; then writes the sums out.
    @inline(__always)
    static func eachKeyHead(
        key: UnsafePointer<Float>, value: UnsafePointer<Float>, dKey: UnsafeMutablePointer<Float>,
        dValue: UnsafeMutablePointer<Float>, dRows: AttentionRows, accumulate: Bool,
        workspace: UnsafeMutablePointer<Float>, shape: AttentionShape,
        _ body: (_ sample: Int, _ head: Int, _ space: AttentionGradientSpace) -> Void
    ) {
        let (keys, size) = (shape.keys, shape.headSize)
        let space = AttentionGradientSpace(workspace, queries: shape.queries, keys: keys, headSize: size)
        let (stride, down) = (shape.keyValueRows.stride, PanelProduct.packedCount(rows: keys, columns: size))
        for sample in 0..<shape.batch {
            for keyHead in 0..<shape.keyValueHeads {
                let offset = sample * shape.keyValueRows.sampleStride + keyHead * size
                PanelProduct.packTransposed(
                    key + offset, stride: stride, rows: keys, columns: size, scale: shape.scale,
                    into: space.transposedKeys)
                PanelProduct.packTransposed(
                    value + offset, stride: stride, rows: keys, columns: size, scale: 1, into: space.transposedValues)
                PanelProduct.pack(key + offset, stride: stride, rows: keys, columns: size, into: space.keys)
                VectorMath.fill(space.dKeys, count: down, with: 0)
                VectorMath.fill(space.dValues, count: down, with: 0)
                for head in keyHead * shape.group..<(keyHead + 1) * shape.group { body(sample, head, space) }
                let target = sample * dRows.sampleStride + keyHead * size
                for column in Swift.stride(from: 0, to: size, by: PanelProduct.width) {
                    let count = min(PanelProduct.width, size - column)
                    for row in 0..<keys {
                        let place = target + row * dRows.stride + column
                        let source = column * keys + row * PanelProduct.width
                        VectorMath.copy(
                            space.dKeys + source, scaledBy: shape.scale, into: dKey + place, count: count,
                            accumulate: accumulate)
                        VectorMath.copy(
                            space.dValues + source, scaledBy: 1, into: dValue + place, count: count,
                            accumulate: accumulate)
                    }
                }
            }
        }
    }

    /// One query head: dQuery, and its share added to the sums of its key head.
    static func gradientHead(
        query: UnsafePointer<Float>, dOutput: UnsafePointer<Float>, logSumExp: UnsafePointer<Float>,
        projections: UnsafePointer<Float>, dQuery: UnsafeMutablePointer<Float>, dQueryStride: Int, accumulate: Bool,
        space: AttentionGradientSpace, shape: AttentionShape
    ) {
        let (keys, size, scoreStride) = (shape.keys, shape.headSize, scoreStride(shape.keys))
        let (width, panelWidth) = (PanelProduct.padded(size), PanelProduct.width)
        let (queries, outputStride) = (shape.queries, shape.outputRows.stride)
        PanelProduct.pack(query, stride: shape.queryRows.stride, rows: queries, columns: size, into: space.queries)
        PanelProduct.pack(dOutput, stride: outputStride, rows: queries, columns: size, into: space.dOutputs)
        for start in Swift.stride(from: 0, to: queries, by: block) {
            let end = min(start + block, queries)
            blockProduct(
                query, stride: shape.queryRows.stride, panels: space.transposedKeys, into: space.weights,
                scoreStride: scoreStride, start: start, end: end, shape: shape)
            blockProduct(
                dOutput, stride: outputStride, panels: space.transposedValues, into: space.slopes,
                scoreStride: scoreStride, start: start, end: end, shape: shape)
            for tile in Swift.stride(from: start, to: end, by: PanelProduct.tile) {
                let tileEnd = min(tile + PanelProduct.tile, end)
                for row in tile..<tileEnd {
                    scoreGradient(
                        weights: space.weights + (row - start) * scoreStride,
                        slopes: space.slopes + (row - start) * scoreStride, visible: shape.visible(row),
                        depth: shape.visible(tileEnd - 1), logSumExp: logSumExp[row], projection: projections[row])
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
                    space.dQueries + (row - start) * width, scaledBy: shape.scale, into: dQuery + row * dQueryStride,
                    count: size, accumulate: accumulate)
            }
        }
    }

    /// sums[keys, 32] += block[start..<end, keys]ᵀ · panel[start..<end, 32], each key from the first row that sees it on.
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

    /// The first `visible` scores become probabilities P and the gradients beside them P ∘ (dP − projection); 0 behind
    /// them as far as their vector or `depth` reaches.
    @inline(__always)
    private static func scoreGradient(
        weights: UnsafeMutablePointer<Float>, slopes: UnsafeMutablePointer<Float>, visible: Int, depth: Int,
        logSumExp: Float, projection: Float
    ) {
        guard visible > 0 else {
            clear(weights, from: 0, to: depth)
            clear(slopes, from: 0, to: depth)
            return
        }
        let (shift, offset) = (Vector(repeating: logSumExp), Vector(repeating: projection))
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

/// The scratch space of attention's gradient: panels, two blocks of scores, a block of query gradients.
struct AttentionGradientSpace {
    var transposedKeys, transposedValues: UnsafeMutablePointer<Float>
    var keys, dKeys, dValues: UnsafeMutablePointer<Float>
    var queries, dOutputs: UnsafeMutablePointer<Float>
    var weights, slopes, dQueries: UnsafeMutablePointer<Float>
    /// A number for every query row, for the caller.
    var projections: UnsafeMutablePointer<Float>

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
        projections = dQueries + Attention.block * PanelProduct.padded(headSize)
    }

    static func count(queries: Int, keys: Int, headSize: Int) -> Int {
        2 * PanelProduct.packedCount(rows: headSize, columns: keys)
            + 3 * PanelProduct.packedCount(rows: keys, columns: headSize)
            + 2 * PanelProduct.packedCount(rows: queries, columns: headSize)
            + 2 * Attention.block * Attention.scoreStride(keys)
            + Attention.block * PanelProduct.padded(headSize) + queries
    }
}
