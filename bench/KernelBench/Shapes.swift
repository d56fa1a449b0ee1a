import Foundation
import Tensors

/// A GPT's shapes: one micro-batch on one core.
struct Shapes {
    var name: String
    var (layers, hidden, heads, sequence, vocab, microbatch): (Int, Int, Int, Int, Int, Int)
    var rows: Int { microbatch * sequence }

    static let small = Shapes(
        name: "S", layers: 6, hidden: 384, heads: 6, sequence: 256, vocab: 256, microbatch: 4)
    static let medium = Shapes(
        name: "M", layers: 12, hidden: 768, heads: 12, sequence: 512, vocab: 50304, microbatch: 1)

    /// The kernels of one transformer layer, forward and backward.
    func layer(_ effort: KernelProbe.Effort) -> (forward: [Measurement], backward: [Measurement]) {
        var forward: [Measurement] = []
        var backward: [Measurement] = []
        for (name, inputs, outputs) in [
            ("query, key, value", hidden, 3 * hidden), ("projection", hidden, hidden),
            ("up", hidden, 4 * hidden), ("down", 4 * hidden, hidden),
        ] {
            let time = KernelProbe.linear(rows: rows, inputs: inputs, outputs: outputs, effort: effort)
            let operations = 2 * Double(rows) * Double(inputs) * Double(outputs)
            let label = "\(name) \(inputs)→\(outputs)"
            forward.append(Measurement(name: label, time: time.forward, operations: operations))
            backward.append(Measurement(name: label + " dX", time: time.inputGradient, operations: operations))
            backward.append(Measurement(name: label + " dW, db", time: time.weightGradient, operations: operations))
        }
        let attention = attention(effort)
        forward.append(attention.forward)
        backward.append(attention.backward)
        let numbers = 4 * Double(rows * hidden)
        let gelu = KernelProbe.gelu(rows: rows, width: 4 * hidden, effort: effort)
        forward.append(Measurement(name: "bias + GELU", time: gelu.forward, bytes: 12 * numbers))
        backward.append(Measurement(name: "GELU", time: gelu.inputGradient, bytes: 12 * numbers))
        let norm = KernelProbe.layerNorm(rows: rows, width: hidden, effort: effort)
        for name in ["residual + norm 1", "residual + norm 2"] {
            forward.append(Measurement(name: name, time: norm.forward, bytes: 4 * numbers))
            backward.append(
                Measurement(
                    name: name, time: norm.inputGradient + norm.weightGradient, bytes: 6 * numbers))
        }
        return (forward, backward)
    }

    /// Attention alone, forward and backward.
    func attention(_ effort: KernelProbe.Effort) -> (forward: Measurement, backward: Measurement) {
        let time = KernelProbe.attention(
            batch: microbatch, sequence: sequence, heads: heads, headSize: hidden / heads, effort: effort)
        // Two products forward and five backward over the half of the scores on or below the diagonal.
        let product = 2 * Double(rows * hidden) * Double(sequence + 1) / 2
        return (
            Measurement(name: "attention", time: time.forward, operations: 2 * product),
            Measurement(name: "attention gradient", time: time.inputGradient, operations: 5 * product)
        )
    }

    /// The kernels of the model's ends, forward and backward.
    func ends(_ effort: KernelProbe.Effort) -> [Measurement] {
        let head = KernelProbe.head(rows: rows, inputs: hidden, outputs: vocab, effort: effort)
        let operations = 2 * Double(rows) * Double(hidden) * Double(vocab)
        let embedding = KernelProbe.embedding(
            batch: microbatch, sequence: sequence, width: hidden, vocab: vocab, effort: effort)
        let numbers = 4 * Double(rows * hidden)
        return [
            Measurement(name: "head \(hidden)→\(vocab)", time: head.forward, operations: operations),
            Measurement(name: "head dX", time: head.inputGradient, operations: operations),
            Measurement(name: "head dW", time: head.weightGradient, operations: operations),
            Measurement(
                name: "cross-entropy and gradient",
                time: KernelProbe.crossEntropy(rows: rows, vocab: vocab, effort: effort),
                bytes: 8 * Double(rows * vocab)),
            Measurement(name: "embedding", time: embedding.forward, bytes: 3 * numbers),
            Measurement(name: "embedding dW", time: embedding.weightGradient, bytes: 5 * numbers),
        ]
    }

    /// Parameters of one layer.
    var layerParameters: Int { 12 * hidden * hidden + 13 * hidden }
}
