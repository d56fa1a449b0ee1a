/// Causal self-attention of query, key and value side by side: ``Attention`` on a fused product.
///
/// Shapes: qkv and its gradient [batch · sequence, (heads + 2 · keyValueHeads) · headSize], a row holding the query, key
/// and value of one token, heads within each; output [batch · sequence, heads · headSize]; logSumExp [batch, heads,
/// sequence]. keyValueHeads is heads unless given.
package enum CausalAttention {
    /// Numbers of scratch space that ``forward`` and ``inputGradient`` need.
    package static func workspaceCount(sequence: Int, headSize: Int) -> Int {
        AttentionGradientSpace.count(queries: sequence, keys: sequence, headSize: headSize)
    }

    /// output = softmax(mask(Q·Kᵀ/√headSize))·V for every head, and the logarithm of every softmax's denominator.
    package static func forward(
        qkv: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>,
        workspace: UnsafeMutablePointer<Float>, batch: Int, sequence: Int, heads: Int, keyValueHeads: Int? = nil,
        headSize: Int
    ) {
        let keyHeads = keyValueHeads ?? heads
        let key = qkv + heads * headSize
        Attention.forward(
            query: qkv, key: key, value: key + keyHeads * headSize, output: output, logSumExp: logSumExp,
            workspace: workspace,
            shape: .fused(
                batch: batch, sequence: sequence, heads: heads, keyValueHeads: keyHeads, headSize: headSize))
    }

    /// dqkv = the loss's gradient by qkv, given its gradient by the output. dqkv must not overlap the inputs.
    package static func inputGradient(
        qkv: UnsafePointer<Float>, output: UnsafePointer<Float>, dOutput: UnsafePointer<Float>,
        logSumExp: UnsafePointer<Float>, dqkv: UnsafeMutablePointer<Float>,
        workspace: UnsafeMutablePointer<Float>, batch: Int, sequence: Int, heads: Int, keyValueHeads: Int? = nil,
        headSize: Int
    ) {
        let keyHeads = keyValueHeads ?? heads
        let (keyOffset, valueOffset) = (heads * headSize, (heads + keyHeads) * headSize)
        let shape = AttentionShape.fused(
            batch: batch, sequence: sequence, heads: heads, keyValueHeads: keyHeads, headSize: headSize)
        Attention.eachKeyHead(
            key: qkv + keyOffset, value: qkv + valueOffset, dKey: dqkv + keyOffset, dValue: dqkv + valueOffset,
            dRows: shape.keyValueRows, accumulate: false, workspace: workspace, shape: shape
        ) { sample, head, space in
            let offset = sample * shape.queryRows.sampleStride + head * headSize
            let place = sample * shape.outputRows.sampleStride + head * headSize
            for row in 0..<sequence {
                let start = place + row * shape.outputRows.stride
                space.projections[row] = VectorMath.dotProduct(output + start, dOutput + start, count: headSize)
            }
            Attention.gradientHead(
                query: qkv + offset, dOutput: dOutput + place,
                logSumExp: logSumExp + (sample * heads + head) * sequence, projections: space.projections,
                dQuery: dqkv + offset, dQueryStride: shape.queryRows.stride, accumulate: false, space: space,
                shape: shape)
        }
    }
}
