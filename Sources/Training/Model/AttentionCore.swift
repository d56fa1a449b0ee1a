internal import MPI
internal import Tensors

/// Causal attention between a block's two linear layers, on one rank or around a ring. Shapes: qkv `[R, qkvWidth]`, a row
/// holding the queries, keys and values of one token; output `[R, width]`; logSumExp `[sequences, heads, sequence]`.
final class AttentionCore {
    private let workspace: FloatStorage
    /// What the gradient needs of every row, `[sequences, heads, sequence]`.
    private let delta: FloatStorage
    private let ring: RingAttention?
    /// Cosines and sines of this rank's positions, `[sequence, headSize / 2]` each; nil for learned positions.
    private let rotation: (cosines: FloatStorage, sines: FloatStorage)?
    private let profile: Profile

    init(
        shape: MicrobatchShape, pieces: SequencePieces, isRotary: Bool, ring: RingAttention? = nil, profile: Profile
    ) {
        workspace = FloatStorage(count: Self.shape(shape).workspaceCount)
        delta = FloatStorage(count: shape.sequences * shape.heads * shape.sequence)
        self.ring = ring
        self.profile = profile
        guard isRotary else {
            rotation = nil
            return
        }
        let count = shape.sequence * (shape.headSize / 2)
        let tables = (cosines: FloatStorage(count: count), sines: FloatStorage(count: count))
        let positions = (0..<shape.sequence).map { Int32(pieces.position(ofLocal: $0)) }
        RotaryEmbedding.fillTables(
            positions: positions, count: positions.count, headSize: shape.headSize, cosines: tables.cosines.pointer,
            sines: tables.sines.pointer)
        rotation = tables
    }

    private static func shape(_ shape: MicrobatchShape) -> AttentionShape {
        .fused(
            batch: shape.sequences, sequence: shape.sequence, heads: shape.heads, keyValueHeads: shape.kvHeads,
            headSize: shape.headSize)
    }

    /// Turns queries and keys to their positions, in place.
    func rotate(_ qkv: UnsafeMutablePointer<Float>, shape: MicrobatchShape) {
        guard let rotation else { return }
        profile.measure(.attention) {
            for (start, heads) in [(0, shape.heads), (shape.width, shape.kvHeads)] {
                RotaryEmbedding.rotate(
                    qkv + start, stride: shape.qkvWidth, cosines: rotation.cosines.pointer,
                    sines: rotation.sines.pointer, rows: shape.rows, period: shape.sequence, heads: heads,
                    headSize: shape.headSize)
            }
        }
    }

    /// The gradient by queries and keys before `rotate`, in place.
    func rotateBack(_ dqkv: UnsafeMutablePointer<Float>, shape: MicrobatchShape) {
        guard let rotation else { return }
        profile.measure(.attention) {
            for (start, heads) in [(0, shape.heads), (shape.width, shape.kvHeads)] {
                RotaryEmbedding.inputGradient(
                    dqkv + start, stride: shape.qkvWidth, cosines: rotation.cosines.pointer,
                    sines: rotation.sines.pointer, rows: shape.rows, period: shape.sequence, heads: heads,
                    headSize: shape.headSize)
            }
        }
    }

    func forward(
        qkv: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>,
        shape: MicrobatchShape
    ) throws(MPIError) {
        if let ring {
            return try ring.forward(qkv: qkv, output: output, logSumExp: logSumExp, workspace: workspace.pointer)
        }
        profile.measure(.attention) {
            Attention.forward(
                query: qkv, key: qkv + shape.width, value: qkv + shape.width + shape.keyWidth, output: output,
                logSumExp: logSumExp, workspace: workspace.pointer, shape: Self.shape(shape))
        }
    }

    /// Turns `dOutput` into `dqkv`.
    func backward(
        qkv: UnsafePointer<Float>, output: UnsafePointer<Float>, dOutput: UnsafePointer<Float>,
        logSumExp: UnsafePointer<Float>, dqkv: UnsafeMutablePointer<Float>, shape: MicrobatchShape
    ) throws(MPIError) {
        let whole = Self.shape(shape)
        profile.measure(.attention) {
            Attention.delta(output: output, dOutput: dOutput, into: delta.pointer, shape: whole)
        }
        if let ring {
            return try ring.backward(
                qkv: qkv, dOutput: dOutput, logSumExp: logSumExp, delta: delta.pointer, dqkv: dqkv,
                workspace: workspace.pointer)
        }
        profile.measure(.attention) {
            Attention.inputGradient(
                query: qkv, key: qkv + shape.width, value: qkv + shape.width + shape.keyWidth, dOutput: dOutput,
                logSumExp: logSumExp, delta: delta.pointer, dQuery: dqkv, dKey: dqkv + shape.width,
                dValue: dqkv + shape.width + shape.keyWidth, workspace: workspace.pointer, shape: whole)
        }
    }
}
