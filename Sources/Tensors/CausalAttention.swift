/// Causal multi-head self-attention of query, key and value side by side.
///
/// Shapes: qkv and its gradient [batch · sequence, 3 · hidden], hidden = heads · headSize, a row holding the query, key
/// and value of one token, heads within each; output [batch · sequence, hidden]; logSumExp [batch, heads, sequence].
///
/// Every head is worked through in blocks of query rows against only the keys at or before them (Dao et al.,
/// FlashAttention, 2022): no sequence × sequence matrix is kept for the backward pass, which rebuilds the
/// probabilities from logSumExp.
package enum CausalAttention {
    /// Query rows in a block; a multiple of the rows of a micro-kernel and of a panel's columns.
    static let block = 32

    /// Distance between the rows of a block of scores. The extra vector keeps rows of power-of-two length out of the
    /// same cache sets when a column is read.
    static func scoreStride(_ sequence: Int) -> Int { PanelProduct.padded(sequence) + lanes }

    /// Numbers of scratch space that ``forward`` and ``inputGradient`` need.
    package static func workspaceCount(sequence: Int, headSize: Int) -> Int {
        GradientSpace.count(sequence: sequence, headSize: headSize)
    }

    /// output = softmax(mask(Q·Kᵀ/√headSize))·V for every head, and the logarithm of every softmax's denominator.
    package static func forward(
        qkv: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>,
        workspace: UnsafeMutablePointer<Float>, batch: Int, sequence: Int, heads: Int, headSize: Int
    ) {
        let hidden = heads * headSize
        for sample in 0..<batch {
            for head in 0..<heads {
                forwardHead(
                    query: qkv + sample * sequence * 3 * hidden + head * headSize,
                    output: output + sample * sequence * hidden + head * headSize,
                    logSumExp: logSumExp + (sample * heads + head) * sequence, workspace: workspace,
                    sequence: sequence, hidden: hidden, headSize: headSize)
            }
        }
    }

    private static func forwardHead(
        query: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>,
        workspace: UnsafeMutablePointer<Float>, sequence: Int, hidden: Int, headSize: Int
    ) {
        let (stride, width, panelWidth) = (3 * hidden, PanelProduct.padded(headSize), PanelProduct.width)
        let scoreStride = scoreStride(sequence)
        let keys = workspace
        let values = keys + PanelProduct.packedCount(rows: headSize, columns: sequence)
        let scores = values + PanelProduct.packedCount(rows: sequence, columns: headSize)
        let mixed = scores + block * scoreStride
        PanelProduct.packTransposed(
            query + hidden, stride: stride, rows: sequence, columns: headSize,
            scale: 1 / Float(headSize).squareRoot(), into: keys)
        PanelProduct.pack(query + 2 * hidden, stride: stride, rows: sequence, columns: headSize, into: values)

        for start in Swift.stride(from: 0, to: sequence, by: block) {
            let end = min(start + block, sequence)
            blockProduct(
                query, stride: stride, panels: keys, into: scores, scoreStride: scoreStride, start: start, end: end,
                depth: headSize)
            for tile in Swift.stride(from: start, to: end, by: PanelProduct.rows) {
                let tileEnd = min(tile + PanelProduct.rows, end)
                let weights = scores + (tile - start) * scoreStride
                for row in tile..<tileEnd {
                    let (largest, sum) = exponentials(weights + (row - tile) * scoreStride, row: row)
                    logSumExp[row] = largest + VectorMath.logarithm(sum)
                    mixed[PanelProduct.rows * width + row - tile] = 1 / sum
                }
                for column in Swift.stride(from: 0, to: width, by: panelWidth) {
                    PanelProduct.multiply(
                        weights, rowStride: scoreStride, depthStride: 1, panel: values + column * sequence,
                        mixed + column, ldc: width, m: tileEnd - tile, depth: tileEnd)
                }
                for row in tile..<tileEnd {
                    copy(
                        mixed + (row - tile) * width, scaledBy: mixed[PanelProduct.rows * width + row - tile],
                        into: output + row * hidden, count: headSize)
                }
            }
        }
    }

    /// Scores of query rows start..<end against every panel of keys that any of them may see.
    @inline(__always)
    static func blockProduct(
        _ rows: UnsafePointer<Float>, stride: Int, panels: UnsafePointer<Float>,
        into scores: UnsafeMutablePointer<Float>, scoreStride: Int, start: Int, end: Int, depth: Int
    ) {
        for column in Swift.stride(from: 0, to: end, by: PanelProduct.width) {
            let first = max(start, column)
            PanelProduct.multiply(
                rows + first * stride, rowStride: stride, depthStride: 1, panel: panels + column * depth,
                scores + (first - start) * scoreStride + column, ldc: scoreStride, m: end - first, depth: depth)
        }
    }

    /// Scores 0...row of one row become e^(score − largest), those behind them in their panel 0.
    @inline(__always)
    private static func exponentials(_ scores: UnsafeMutablePointer<Float>, row: Int) -> (largest: Float, sum: Float) {
        let boundary = row / lanes * lanes
        let visible = SIMD16<Int32>(repeating: Int32(row - boundary)) .>= laneIndices
        let last = Vector(repeating: -.infinity).replacing(with: scores.vector(boundary), where: visible)
        var best = last
        for index in Swift.stride(from: 0, to: boundary, by: lanes) { best = best.larger(scores.vector(index)) }
        let largest = best.laneMax()
        let shift = Vector(repeating: largest)
        let end = exponential(of: last - shift)
        scores.store(end, boundary)
        clearBehind(boundary, scores)
        var sum = end
        for index in Swift.stride(from: 0, to: boundary, by: lanes) {
            let value = exponential(of: scores.vector(index) - shift)
            scores.store(value, index)
            sum += value
        }
        return (largest, sum.laneSum())
    }

    /// Zeros in the rest of the panel behind the vector at `boundary`.
    @inline(__always)
    static func clearBehind(_ boundary: Int, _ scores: UnsafeMutablePointer<Float>) {
        if boundary % PanelProduct.width == 0 { scores.store(Vector(repeating: 0), boundary + lanes) }
    }

    /// 0, 1, …, 15.
    @inline(__always)
    static var laneIndices: SIMD16<Int32> { SIMD16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) }

    /// target = source · scale.
    @inline(__always)
    static func copy(
        _ source: UnsafePointer<Float>, scaledBy scale: Float, into target: UnsafeMutablePointer<Float>, count: Int
    ) {
        eachVector(count) {
            target.store(source.vector($0) * scale, $0)
        } tail: {
            target.store(source.vector($0, count: $1) * scale, $0, count: $1)
        }
    }
}
