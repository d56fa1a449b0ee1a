internal import MPI
internal import Tensors

/// Causal attention between a block's two linear layers. Shapes: qkv `[R, qkvWidth]`, output `[R, width]`,
/// logSumExp `[sequences, heads, sequence]`.
final class AttentionCore {
    private let workspace: FloatStorage
    private let profile: Profile

    init(shape: MicrobatchShape, profile: Profile) {
        workspace = FloatStorage(
            count: CausalAttention.workspaceCount(sequence: shape.sequence, headSize: shape.headSize))
        self.profile = profile
    }

    func forward(
        qkv: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>,
        shape: MicrobatchShape
    ) throws(MPIError) {
        profile.measure(.attention) {
            CausalAttention.forward(
                qkv: qkv, output: output, logSumExp: logSumExp, workspace: workspace.pointer, batch: shape.sequences,
                sequence: shape.sequence, heads: shape.heads, headSize: shape.headSize)
        }
    }

    /// Turns `dOutput` into `dqkv`.
    func backward(
        qkv: UnsafePointer<Float>, output: UnsafePointer<Float>, dOutput: UnsafeMutablePointer<Float>,
        logSumExp: UnsafePointer<Float>, dqkv: UnsafeMutablePointer<Float>, shape: MicrobatchShape
    ) throws(MPIError) {
        profile.measure(.attention) {
            CausalAttention.inputGradient(
                qkv: qkv, output: output, dOutput: dOutput, logSumExp: logSumExp, dqkv: dqkv,
                workspace: workspace.pointer, batch: shape.sequences, sequence: shape.sequence, heads: shape.heads,
                headSize: shape.headSize)
        }
    }
}
