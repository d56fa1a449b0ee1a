import Foundation
import Tensors

/// What the matrix library itself needs for one micro-batch: every product of a training step at the shapes one
/// tensor-parallel rank sees, and nothing else. `make bench` runs one on each core and compares a whole step with it.
struct LibraryRate {
    let shapes: Shapes
    /// Tensor-parallel degree.
    let tensor: Int

    /// One JSON object: seconds and floating-point operations of a layer's linear products, of its attention's, and of
    /// the head's.
    func json(_ effort: KernelProbe.Effort) -> String {
        let (rows, hidden, vocab) = (shapes.rows, shapes.hidden, shapes.vocab / tensor)
        let inner = 4 * hidden / tensor
        let layer = [
            (hidden, 3 * hidden / tensor), (hidden / tensor, hidden), (hidden, inner), (inner, hidden),
        ]
        var seconds = 0.0
        var operations = 0.0
        for (inputs, outputs) in layer {
            let time = KernelProbe.linear(rows: rows, inputs: inputs, outputs: outputs, bias: false, effort: effort)
            seconds += time.forward + time.inputGradient + time.weightGradient
            operations += 6 * Double(rows) * Double(inputs) * Double(outputs)
        }
        let head = KernelProbe.head(rows: rows, inputs: hidden, outputs: vocab, effort: effort)
        let headOperations = 6 * Double(rows) * Double(hidden) * Double(vocab)
        // Without a mask of its own the library computes whole squares; half of them count.
        let (length, size) = (shapes.sequence, hidden / shapes.heads)
        let scores = KernelProbe.matrixProduct(m: length, n: length, k: size, transposeB: true, effort: effort)
        let mixed = KernelProbe.matrixProduct(m: length, n: size, k: length, effort: effort)
        let turned = KernelProbe.matrixProduct(m: length, n: size, k: length, transposeA: true, effort: effort)
        // Forward Q·Kᵀ and P·V; backward dO·Vᵀ, dS·K, dSᵀ·Q and Pᵀ·dO.
        let heads = Double(shapes.microbatch * shapes.heads / tensor)
        let attention = heads * (2 * scores + 2 * mixed + 2 * turned) / 2
        let attentionOperations = heads * 6 * Double(length * (length + 1) * size)
        return String(
            format: #"{"layer": [%.9f, %.0f], "attention": [%.9f, %.0f], "head": [%.9f, %.0f]}"#, seconds, operations,
            attention, attentionOperations, head.forward + head.inputGradient + head.weightGradient, headOperations)
    }
}
