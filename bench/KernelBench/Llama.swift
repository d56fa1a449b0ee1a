import Tensors

/// The kernels of one llama layer, at config S's rows and width: what differs from the GPT's.
struct Llama {
    let rows = 1024
    let hidden = 384
    let heads = 6
    let keyValueHeads = 2
    let sequence = 256
    let ffn = 1024

    /// Forward and backward of every kernel that a GPT layer has not.
    func kernels(_ effort: KernelProbe.Effort) -> [Measurement] {
        let headSize = hidden / heads
        let (numbers, wide) = (4 * Double(rows * hidden), 4 * Double(rows * ffn))
        let norm = KernelProbe.rmsNorm(rows: rows, width: hidden, effort: effort)
        let attention = KernelProbe.rotaryAttention(
            batch: rows / sequence, sequence: sequence, heads: heads, keyValueHeads: keyValueHeads,
            headSize: headSize, effort: effort)
        let product = 2 * Double(rows * hidden) * Double(sequence + 1) / 2
        let turned = 8 * Double(rows * (heads + keyValueHeads) * headSize)
        let unit = KernelProbe.gatedLinearUnit(rows: rows, width: ffn, effort: effort)
        return [
            Measurement(name: "residual + RMS norm", time: norm.forward, bytes: 4 * numbers),
            Measurement(name: "RMS norm dX", time: norm.inputGradient, bytes: 4 * numbers),
            Measurement(name: "RMS norm dW", time: norm.weightGradient, bytes: 2 * numbers),
            Measurement(name: "rotary positions", time: attention.rotation, bytes: turned),
            Measurement(
                name: "attention, \(heads)/\(keyValueHeads) heads", time: attention.forward, operations: 2 * product),
            Measurement(name: "attention gradient", time: attention.inputGradient, operations: 5 * product),
            Measurement(name: "SwiGLU", time: unit.forward, bytes: 3 * wide),
            Measurement(name: "SwiGLU dX", time: unit.inputGradient, bytes: 5 * wide),
        ]
    }

    /// A linear layer in bf16; nothing where the processor has none.
    func bfloat16(_ effort: KernelProbe.Effort) -> [Measurement] {
        guard
            let time = KernelProbe.bfloat16Linear(rows: rows, inputs: hidden, outputs: 4 * hidden, effort: effort)
        else { return [] }
        let operations = 2 * Double(rows) * Double(hidden) * Double(4 * hidden)
        return [
            Measurement(name: "rounding to bf16", time: time.rounding, bytes: 6 * Double(rows * hidden)),
            Measurement(name: "bf16 \(hidden)→\(4 * hidden)", time: time.forward, operations: operations),
            Measurement(name: "bf16 dX", time: time.inputGradient, operations: operations),
            Measurement(name: "bf16 dW", time: time.weightGradient, operations: operations),
        ]
    }
}
