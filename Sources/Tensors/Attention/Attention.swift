/// Multi-head and grouped-query attention of a block of queries against a block of keys: output = softmax(mask(Q·Kᵀ /
/// √headSize))·V for every head. Shapes: ``AttentionShape``.
///
/// Query rows are worked through in blocks against only the keys they see (Dao et al., FlashAttention, 2022): no
/// queries × keys matrix is kept for the backward pass, which rebuilds the probabilities from the logarithm of each
/// row's softmax denominator, logSumExp [batch, heads, queries].
///
/// Where the keys of a sequence are spread over ranks (ring attention, Liu et al. 2023), every rank calls ``forward`` for
/// each block of keys, joins the results with ``merge``, and calls ``inputGradient`` for each block with the joined
/// logSumExp.
package enum Attention {
    /// Query rows in a block; a multiple of a panel product's tile.
    static var block: Int { 4 * PanelProduct.tile }

    /// Distance between the rows of a block of scores. The extra vector keeps rows of power-of-two length out of the
    /// same cache sets when a column is read.
    static func scoreStride(_ keys: Int) -> Int { PanelProduct.padded(keys) + lanes }

    /// Writes output and logSumExp. A row that sees no key gets zeros and −∞.
    /// - Parameter workspace: ``AttentionShape/workspaceCount`` numbers, of any content.
    package static func forward(
        query: UnsafePointer<Float>, key: UnsafePointer<Float>, value: UnsafePointer<Float>,
        output: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>,
        workspace: UnsafeMutablePointer<Float>, shape: AttentionShape
    ) {
        let (keys, size) = (shape.keys, shape.headSize)
        let keyPanels = workspace
        let valuePanels = keyPanels + PanelProduct.packedCount(rows: size, columns: keys)
        let scores = valuePanels + PanelProduct.packedCount(rows: keys, columns: size)
        for sample in 0..<shape.batch {
            for keyHead in 0..<shape.keyValueHeads {
                let offset = sample * shape.keyValueRows.sampleStride + keyHead * size
                PanelProduct.packTransposed(
                    key + offset, stride: shape.keyValueRows.stride, rows: keys, columns: size, scale: shape.scale,
                    into: keyPanels)
                PanelProduct.pack(
                    value + offset, stride: shape.keyValueRows.stride, rows: keys, columns: size, into: valuePanels)
                for head in keyHead * shape.group..<(keyHead + 1) * shape.group {
                    forwardHead(
                        query: query + sample * shape.queryRows.sampleStride + head * size, keyPanels: keyPanels,
                        valuePanels: valuePanels, output: output + sample * shape.outputRows.sampleStride + head * size,
                        logSumExp: logSumExp + (sample * shape.heads + head) * shape.statisticsStride, scores: scores,
                        shape: shape)
                }
            }
        }
    }

    private static func forwardHead(
        query: UnsafePointer<Float>, keyPanels: UnsafePointer<Float>, valuePanels: UnsafePointer<Float>,
        output: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>,
        scores: UnsafeMutablePointer<Float>, shape: AttentionShape
    ) {
        let (width, size) = (PanelProduct.padded(shape.headSize), shape.headSize)
        let scoreStride = scoreStride(shape.keys)
        let mixed = scores + block * scoreStride
        let inverses = mixed + PanelProduct.tile * width
        for start in Swift.stride(from: 0, to: shape.queries, by: block) {
            let end = min(start + block, shape.queries)
            blockProduct(
                query, stride: shape.queryRows.stride, panels: keyPanels, into: scores, scoreStride: scoreStride,
                start: start, end: end, shape: shape)
            for tile in Swift.stride(from: start, to: end, by: PanelProduct.tile) {
                let tileEnd = min(tile + PanelProduct.tile, end)
                let depth = shape.visible(tileEnd - 1)
                let weights = scores + (tile - start) * scoreStride
                for row in tile..<tileEnd {
                    let (largest, sum) = exponentials(
                        weights + (row - tile) * scoreStride, visible: shape.visible(row), depth: depth)
                    logSumExp[row] = sum > 0 ? largest + VectorMath.logarithm(sum) : -.infinity
                    inverses[row - tile] = sum > 0 ? 1 / sum : 0
                }
                for column in Swift.stride(from: 0, to: width, by: PanelProduct.width) {
                    PanelProduct.multiply(
                        weights, rowStride: scoreStride, depthStride: 1, panel: valuePanels + column * shape.keys,
                        mixed + column, ldc: width, m: tileEnd - tile, depth: depth)
                }
                for row in tile..<tileEnd {
                    VectorMath.copy(
                        mixed + (row - tile) * width, scaledBy: inverses[row - tile],
                        into: output + row * shape.outputRows.stride, count: size)
                }
            }
        }
    }

    /// Joins the results of two blocks of keys: `output` and `logSumExp` become those of both, weighted by their
    /// softmax denominators. All with the strides of `shape`.
    package static func merge(
        partialOutput: UnsafePointer<Float>, partialLogSumExp: UnsafePointer<Float>,
        into output: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>, shape: AttentionShape
    ) {
        for sample in 0..<shape.batch {
            for head in 0..<shape.heads {
                let statistics = (sample * shape.heads + head) * shape.statisticsStride
                for row in 0..<shape.queries {
                    let (mine, other) = (logSumExp[statistics + row], partialLogSumExp[statistics + row])
                    let largest = max(mine, other)
                    guard other > -.infinity else { continue }
                    let both =
                        largest
                        + VectorMath.logarithm(
                            VectorMath.scalarExponential(mine - largest) + VectorMath.scalarExponential(other - largest)
                        )
                    let keep = Vector(repeating: VectorMath.scalarExponential(mine - both))
                    let share = VectorMath.scalarExponential(other - both)
                    logSumExp[statistics + row] = both
                    let offset =
                        sample * shape.outputRows.sampleStride + row * shape.outputRows.stride + head * shape.headSize
                    let (target, source) = (output + offset, partialOutput + offset)
                    eachVector(shape.headSize) {
                        target.store((target.vector($0) * keep).plus(source.vector($0), Vector(repeating: share)), $0)
                    } tail: {
                        target.store(
                            (target.vector($0, count: $1) * keep).plus(
                                source.vector($0, count: $1), Vector(repeating: share)), $0, count: $1)
                    }
                }
            }
        }
    }

    // MARK: parts shared with the gradient

    /// rows[start..<end]·panels: scores of the block's rows against every panel of columns that any of them sees.
    @inline(__always)
    static func blockProduct(
        _ rows: UnsafePointer<Float>, stride: Int, panels: UnsafePointer<Float>,
        into scores: UnsafeMutablePointer<Float>, scoreStride: Int, start: Int, end: Int, shape: AttentionShape
    ) {
        for column in Swift.stride(from: 0, to: shape.visible(end - 1), by: PanelProduct.width) {
            // The first row that sees the column, down to a whole micro-kernel.
            let first = start + max(0, column - shape.ahead - start) / PanelProduct.rows * PanelProduct.rows
            PanelProduct.multiply(
                rows + first * stride, rowStride: stride, depthStride: 1, panel: panels + column * shape.headSize,
                scores + (first - start) * scoreStride + column, ldc: scoreStride, m: end - first,
                depth: shape.headSize)
        }
    }

    /// The first `visible` scores of a row become e^(score − largest), those behind them, as far as their vector or
    /// `depth` reaches, 0.
    @inline(__always)
    private static func exponentials(
        _ scores: UnsafeMutablePointer<Float>, visible: Int, depth: Int
    ) -> (largest: Float, sum: Float) {
        guard visible > 0 else {
            clear(scores, from: 0, to: depth)
            return (-.infinity, 0)
        }
        let boundary = (visible - 1) / lanes * lanes
        let shown = SIMD16<Int32>(repeating: Int32(visible - 1 - boundary)) .>= laneIndices
        let last = Vector(repeating: -.infinity).replacing(with: scores.vector(boundary), where: shown)
        var best = last
        for index in Swift.stride(from: 0, to: boundary, by: lanes) { best = best.larger(scores.vector(index)) }
        let largest = best.laneMax()
        let shift = Vector(repeating: largest)
        let end = exponential(of: last - shift)
        scores.store(end, boundary)
        clear(scores, from: boundary + lanes, to: depth)
        var sum = end
        for index in Swift.stride(from: 0, to: boundary, by: lanes) {
            let value = exponential(of: scores.vector(index) - shift)
            scores.store(value, index)
            sum += value
        }
        return (largest, sum.laneSum())
    }

    /// Zeros in whole vectors from `start` until `end` is covered.
    @inline(__always)
    static func clear(_ scores: UnsafeMutablePointer<Float>, from start: Int, to end: Int) {
        for index in Swift.stride(from: start, to: end, by: lanes) { scores.store(Vector(repeating: 0), index) }
    }

    /// 0, 1, …, 15.
    @inline(__always)
    static var laneIndices: SIMD16<Int32> { SIMD16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) }
}
