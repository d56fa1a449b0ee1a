/// query, output [B, Lq, N · D], key, value [B, Lk, K · D], logSumExp, delta [B · N, Lq]: multi-head and grouped-query
/// attention, output = softmax(mask(Q·Kᵀ/√D))·V for every head.
///
/// Query rows are worked through in blocks against only the keys they see (Dao et al., FlashAttention, 2022). No matrix of
/// all queries and keys is kept for the backward: it rebuilds the probabilities from logSumExp, the logarithm of each row's
/// softmax denominator.
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

    /// query, output [B, Lq, N · D], key, value [B, Lk, K · D], logSumExp [B · N, Lq]: writes output and logSumExp. A row
    /// that sees no key gets zeros and −∞.
    /// - Parameter workspace: ``AttentionShape/workspaceCount`` numbers, of any content.
    package static func forward(
        query: MatrixBatch, key: MatrixBatch, value: MatrixBatch, output: MatrixBatch, logSumExp: Matrix,
        workspace: UnsafeMutablePointer<Float>, shape: AttentionShape
    ) {
        assert(
            shape.fits(queries: [query, output], keys: [key, value], statistics: [logSumExp]),
            "tensors of another shape")
        let (keys, size) = (shape.keys, shape.headSize)
        let keyPanels = workspace
        let valuePanels = keyPanels + PanelProduct.packedCount(rows: size, columns: keys)
        let scores = valuePanels + PanelProduct.packedCount(rows: keys, columns: size)
        for sample in 0..<shape.batch {
            for keyHead in 0..<shape.keyValueHeads {
                PanelProduct.packTransposed(
                    shape.head(keyHead, of: key[sample]), scale: shape.scale, into: keyPanels)
                PanelProduct.pack(shape.head(keyHead, of: value[sample]), into: valuePanels)
                for head in keyHead * shape.group..<(keyHead + 1) * shape.group {
                    forwardHead(
                        query: shape.head(head, of: query[sample]), keyPanels: keyPanels, valuePanels: valuePanels,
                        output: shape.head(head, of: output[sample]),
                        logSumExp: logSumExp.row(sample * shape.heads + head), scores: scores, shape: shape)
                }
            }
        }
    }

    /// query, output [Lq, D], logSumExp [Lq]: one query head, keys and values in panels.
    private static func forwardHead(
        query: Matrix, keyPanels: UnsafePointer<Float>, valuePanels: UnsafePointer<Float>, output: Matrix,
        logSumExp: UnsafeMutablePointer<Float>, scores: UnsafeMutablePointer<Float>, shape: AttentionShape
    ) {
        let (width, size) = (PanelProduct.padded(shape.headSize), shape.headSize)
        let scoreStride = scoreStride(shape.keys)
        let mixed = scores + block * scoreStride
        let inverses = mixed + PanelProduct.tile * width
        for start in Swift.stride(from: 0, to: shape.queries, by: block) {
            let end = min(start + block, shape.queries)
            blockProduct(
                query, panels: keyPanels, into: scores, scoreStride: scoreStride, start: start, end: end, shape: shape)
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
                        into: output.row(row), count: size)
                }
            }
        }
    }

    /// partialOutput, output [B, Lq, N · D], partialLogSumExp, logSumExp [B · N, Lq]: adds the result of one block of keys to
    /// the result of others. output and logSumExp become those of all, weighted by their softmax denominators.
    package static func merge(
        partialOutput: MatrixBatch, partialLogSumExp: Matrix, into output: MatrixBatch, logSumExp: Matrix,
        shape: AttentionShape
    ) {
        assert(
            shape.fits(queries: [partialOutput, output], keys: [], statistics: [partialLogSumExp, logSumExp]),
            "tensors of another shape")
        for sample in 0..<shape.batch {
            for head in 0..<shape.heads {
                let index = sample * shape.heads + head
                let (own, others) = (logSumExp.row(index), partialLogSumExp.row(index))
                let (targets, sources) = (
                    shape.head(head, of: output[sample]), shape.head(head, of: partialOutput[sample])
                )
                for row in 0..<shape.queries {
                    let (mine, other) = (own[row], others[row])
                    let largest = max(mine, other)
                    guard other > -.infinity else { continue }
                    let both =
                        largest
                        + VectorMath.logarithm(
                            VectorMath.scalarExponential(mine - largest) + VectorMath.scalarExponential(other - largest)
                        )
                    let keep = Vector(repeating: VectorMath.scalarExponential(mine - both))
                    let share = VectorMath.scalarExponential(other - both)
                    own[row] = both
                    let (target, source) = (targets.row(row), sources.row(row))
                    eachVector(shape.headSize) {
                        target.store(
                            (target.vector($0) * keep).adding(source.vector($0), times: Vector(repeating: share)), $0)
                    } tail: {
                        target.store(
                            (target.vector($0, count: $1) * keep).adding(
                                source.vector($0, count: $1), times: Vector(repeating: share)), $0, count: $1)
                    }
                }
            }
        }
    }

    // MARK: parts shared with the gradient

    /// The first `visible` scores of a row become e^(score − largest). Those behind them, as far as their vector or `depth`
    /// reaches, become 0.
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
