extension CausalAttention {
    /// dqkv = the loss's gradient by qkv, given its gradient by the output. dqkv must not overlap the inputs.
    ///
    /// With P the probabilities: dV = Pᵀ·dO, dP = dO·Vᵀ, dS = P ∘ (dP − D), D = Σ over the head of dO ∘ O,
    /// dQ = dS·K/√headSize, dK = dSᵀ·Q/√headSize.
    package static func inputGradient(
        qkv: UnsafePointer<Float>, output: UnsafePointer<Float>, dOutput: UnsafePointer<Float>,
        logSumExp: UnsafePointer<Float>, dqkv: UnsafeMutablePointer<Float>,
        workspace: UnsafeMutablePointer<Float>, batch: Int, sequence: Int, heads: Int, headSize: Int
    ) {
        let hidden = heads * headSize
        let space = GradientSpace(workspace, sequence: sequence, headSize: headSize)
        for sample in 0..<batch {
            for head in 0..<heads {
                let token = sample * sequence
                gradientHead(
                    query: qkv + token * 3 * hidden + head * headSize,
                    output: output + token * hidden + head * headSize,
                    dOutput: dOutput + token * hidden + head * headSize,
                    logSumExp: logSumExp + (sample * heads + head) * sequence,
                    dQuery: dqkv + token * 3 * hidden + head * headSize, space: space, sequence: sequence,
                    hidden: hidden, headSize: headSize)
            }
        }
    }

    /// The scratch space of one head's gradient, all panels but the two blocks of scores.
    struct GradientSpace {
        var transposedKeys, transposedValues: UnsafeMutablePointer<Float>
        var queries, keys, dOutputs, dKeys, dValues: UnsafeMutablePointer<Float>
        var weights, slopes, dQueries: UnsafeMutablePointer<Float>

        init(_ start: UnsafeMutablePointer<Float>, sequence: Int, headSize: Int) {
            let across = PanelProduct.packedCount(rows: headSize, columns: sequence)
            let down = PanelProduct.packedCount(rows: sequence, columns: headSize)
            let scores = CausalAttention.block * CausalAttention.scoreStride(sequence)
            transposedKeys = start
            transposedValues = transposedKeys + across
            queries = transposedValues + across
            keys = queries + down
            dOutputs = keys + down
            dKeys = dOutputs + down
            dValues = dKeys + down
            weights = dValues + down
            slopes = weights + scores
            dQueries = slopes + scores
        }

        static func count(sequence: Int, headSize: Int) -> Int {
            2 * PanelProduct.packedCount(rows: headSize, columns: sequence)
                + 5 * PanelProduct.packedCount(rows: sequence, columns: headSize)
                + 2 * CausalAttention.block * CausalAttention.scoreStride(sequence)
                + CausalAttention.block * PanelProduct.padded(headSize)
        }
    }

    private static func gradientHead(
        query: UnsafePointer<Float>, output: UnsafePointer<Float>, dOutput: UnsafePointer<Float>,
        logSumExp: UnsafePointer<Float>, dQuery: UnsafeMutablePointer<Float>, space: GradientSpace, sequence: Int,
        hidden: Int, headSize: Int
    ) {
        let (stride, scoreStride) = (3 * hidden, scoreStride(sequence))
        let (width, panelWidth) = (PanelProduct.padded(headSize), PanelProduct.width)
        let scale = 1 / Float(headSize).squareRoot()
        let (key, value) = (query + hidden, query + 2 * hidden)
        PanelProduct.packTransposed(
            key, stride: stride, rows: sequence, columns: headSize, scale: scale, into: space.transposedKeys)
        PanelProduct.packTransposed(
            value, stride: stride, rows: sequence, columns: headSize, scale: 1, into: space.transposedValues)
        PanelProduct.pack(query, stride: stride, rows: sequence, columns: headSize, into: space.queries)
        PanelProduct.pack(key, stride: stride, rows: sequence, columns: headSize, into: space.keys)
        PanelProduct.pack(dOutput, stride: hidden, rows: sequence, columns: headSize, into: space.dOutputs)

        for start in Swift.stride(from: 0, to: sequence, by: block) {
            let end = min(start + block, sequence)
            blockProduct(
                query, stride: stride, panels: space.transposedKeys, into: space.weights, scoreStride: scoreStride,
                start: start, end: end, depth: headSize)
            blockProduct(
                dOutput, stride: hidden, panels: space.transposedValues, into: space.slopes, scoreStride: scoreStride,
                start: start, end: end, depth: headSize)
            for row in start..<end {
                scoreGradient(
                    weights: space.weights + (row - start) * scoreStride,
                    slopes: space.slopes + (row - start) * scoreStride, row: row, logSumExp: logSumExp[row],
                    projection: product(output + row * hidden, dOutput + row * hidden, count: headSize))
            }
            for column in Swift.stride(from: 0, to: width, by: panelWidth) {
                for tile in Swift.stride(from: start, to: end, by: PanelProduct.rows) {
                    let tileEnd = min(tile + PanelProduct.rows, end)
                    PanelProduct.multiply(
                        space.slopes + (tile - start) * scoreStride, rowStride: scoreStride, depthStride: 1,
                        panel: space.keys + column * sequence, space.dQueries + (tile - start) * width + column,
                        ldc: width, m: tileEnd - tile, depth: tileEnd)
                }
                addTransposed(
                    space.slopes, scoreStride, space.queries + column * sequence, into: space.dKeys + column * sequence,
                    start: start, end: end)
                addTransposed(
                    space.weights, scoreStride, space.dOutputs + column * sequence,
                    into: space.dValues + column * sequence, start: start, end: end)
            }
            for row in start..<end {
                copy(
                    space.dQueries + (row - start) * width, scaledBy: scale, into: dQuery + row * stride,
                    count: headSize)
            }
        }
        for column in Swift.stride(from: 0, to: width, by: panelWidth) {
            let count = min(panelWidth, headSize - column)
            for row in 0..<sequence {
                let target = dQuery + row * stride + hidden + column
                let offset = column * sequence + row * panelWidth
                copy(space.dKeys + offset, scaledBy: scale, into: target, count: count)
                copy(space.dValues + offset, scaledBy: 1, into: target + hidden, count: count)
            }
        }
    }

    /// sums[0..<end, 32] += block[start..<end, 0..<end]ᵀ · panel[start..<end, 32], each row of the block counted from
    /// its diagonal on. Rows of `sums` inside the block are met here first and are overwritten.
    @inline(__always)
    private static func addTransposed(
        _ scores: UnsafePointer<Float>, _ scoreStride: Int, _ panel: UnsafePointer<Float>,
        into sums: UnsafeMutablePointer<Float>, start: Int, end: Int
    ) {
        for tile in Swift.stride(from: 0, to: end, by: PanelProduct.rows) {
            let first = max(start, tile)
            PanelProduct.multiply(
                scores + (first - start) * scoreStride + tile, rowStride: 1, depthStride: scoreStride,
                panel: panel + first * PanelProduct.width, sums + tile * PanelProduct.width, ldc: PanelProduct.width,
                m: min(PanelProduct.rows, end - tile), depth: end - first, accumulate: tile < start)
        }
    }

    /// Scores 0...row become probabilities P and the gradients beside them P ∘ (dP − projection); 0 behind them.
    @inline(__always)
    private static func scoreGradient(
        weights: UnsafeMutablePointer<Float>, slopes: UnsafeMutablePointer<Float>, row: Int, logSumExp: Float,
        projection: Float
    ) {
        let (shift, offset) = (Vector(repeating: logSumExp), Vector(repeating: projection))
        let boundary = row / lanes * lanes
        for index in Swift.stride(from: 0, to: boundary, by: lanes) {
            let p = exponential(of: weights.vector(index) - shift)
            weights.store(p, index)
            slopes.store(p * (slopes.vector(index) - offset), index)
        }
        let hidden = SIMD16<Int32>(repeating: Int32(row - boundary)) .< laneIndices
        let p = exponential(of: weights.vector(boundary) - shift).replacing(with: 0, where: hidden)
        weights.store(p, boundary)
        slopes.store((p * (slopes.vector(boundary) - offset)).replacing(with: 0, where: hidden), boundary)
        clearBehind(boundary, weights)
        clearBehind(boundary, slopes)
    }

    /// Σ a·b.
    @inline(__always)
    private static func product(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
        var sum = Vector(repeating: 0)
        eachVector(count) {
            sum = sum.plus(a.vector($0), b.vector($0))
        } tail: {
            sum = sum.plus(a.vector($0, count: $1), b.vector($0, count: $1))
        }
        return sum.laneSum()
    }
}
