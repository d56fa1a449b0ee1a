import Tensors

/// Half of a model's layers with their own weights, gradients and activations: a pipeline rank's work on one
/// micro-batch, run through in order, so that operands come from where they do in training rather than from a warm
/// cache.
final class Stack {
    private let shapes: Shapes
    private let layers: [Layer]
    private var input: FloatStorage
    private let gradient, wide, wideGradient, normGradient, output: FloatStorage
    private let space: FloatStorage

    /// Seconds of the shortest forward and of the shortest backward pass.
    static func measure(_ shapes: Shapes, repeats: Int) -> (forward: Double, backward: Double) {
        let stack = Stack(shapes)
        let clock = ContinuousClock()
        var best = (forward: Double.infinity, backward: Double.infinity)
        for _ in 0..<repeats {
            best.forward = min(best.forward, clock.measure(stack.forward) / .seconds(1))
            best.backward = min(best.backward, clock.measure(stack.backward) / .seconds(1))
        }
        return best
    }

    private init(_ shapes: Shapes) {
        self.shapes = shapes
        let (rows, hidden) = (shapes.rows, shapes.hidden)
        layers = (0..<shapes.layers / 2).map { Layer(shapes, seed: UInt32($0)) }
        input = Layer.filled(rows * hidden, scale: 1, seed: 99)
        gradient = Layer.filled(rows * hidden, scale: 0.01, seed: 98)
        wide = FloatStorage(count: rows * 4 * hidden)
        wideGradient = FloatStorage(count: rows * 4 * hidden)
        normGradient = FloatStorage(count: rows * hidden)
        output = FloatStorage(count: rows * hidden)
        space = FloatStorage(
            count: CausalAttention.workspaceCount(sequence: shapes.sequence, headSize: hidden / shapes.heads))
    }

    private func forward() {
        let (rows, hidden) = (shapes.rows, shapes.hidden)
        var x = input
        for (index, layer) in layers.enumerated() {
            if index == 0 {
                LayerNorm.forward(
                    x: x.pointer, gain: layer.gain.pointer, bias: layer.shift.pointer, y: layer.norm1.pointer,
                    mean: layer.mean1.pointer, inverseDeviation: layer.inverse1.pointer, rows: rows, width: hidden)
            } else {
                LayerNorm.addForward(
                    x: x.pointer, delta: output.pointer, deltaBias: layers[index - 1].downBias.pointer,
                    sum: layer.input.pointer, gain: layer.gain.pointer, bias: layer.shift.pointer,
                    y: layer.norm1.pointer, mean: layer.mean1.pointer, inverseDeviation: layer.inverse1.pointer,
                    rows: rows, width: hidden)
                x = layer.input
            }
            Linear.forward(
                x: layer.norm1.pointer, weight: layer.qkvWeight.pointer, bias: layer.qkvBias.pointer,
                y: layer.qkv.pointer, rows: rows, inputs: hidden, outputs: 3 * hidden)
            CausalAttention.forward(
                qkv: layer.qkv.pointer, output: layer.mixed.pointer, logSumExp: layer.logSumExp.pointer,
                workspace: space.pointer, batch: shapes.microbatch, sequence: shapes.sequence, heads: shapes.heads,
                headSize: hidden / shapes.heads)
            Linear.forward(
                x: layer.mixed.pointer, weight: layer.projectionWeight.pointer, bias: nil, y: output.pointer,
                rows: rows, inputs: hidden, outputs: hidden)
            LayerNorm.addForward(
                x: x.pointer, delta: output.pointer, deltaBias: layer.projectionBias.pointer,
                sum: layer.middle.pointer, gain: layer.gain.pointer, bias: layer.shift.pointer,
                y: layer.norm2.pointer, mean: layer.mean2.pointer, inverseDeviation: layer.inverse2.pointer,
                rows: rows, width: hidden)
            Linear.forward(
                x: layer.norm2.pointer, weight: layer.upWeight.pointer, bias: nil, y: layer.up.pointer, rows: rows,
                inputs: hidden, outputs: 4 * hidden)
            Gelu.forward(
                x: layer.up.pointer, bias: layer.upBias.pointer, y: layer.activated.pointer, rows: rows,
                width: 4 * hidden)
            Linear.forward(
                x: layer.activated.pointer, weight: layer.downWeight.pointer, bias: nil, y: output.pointer,
                rows: rows, inputs: 4 * hidden, outputs: hidden)
            x = layer.middle
        }
    }

    private func backward() {
        let (rows, hidden) = (shapes.rows, shapes.hidden)
        for (index, layer) in layers.enumerated().reversed() {
            Linear.inputGradient(
                dy: gradient.pointer, weight: layer.downWeight.pointer, dx: wideGradient.pointer, rows: rows,
                inputs: 4 * hidden, outputs: hidden)
            Linear.weightGradient(
                x: layer.activated.pointer, dy: gradient.pointer, dWeight: layer.dDown.pointer,
                dBias: layer.dBias.pointer, rows: rows, inputs: 4 * hidden, outputs: hidden)
            Gelu.inputGradient(
                x: layer.up.pointer, dy: wideGradient.pointer, dx: wideGradient.pointer, count: rows * 4 * hidden)
            Linear.inputGradient(
                dy: wideGradient.pointer, weight: layer.upWeight.pointer, dx: normGradient.pointer, rows: rows,
                inputs: hidden, outputs: 4 * hidden)
            Linear.weightGradient(
                x: layer.norm2.pointer, dy: wideGradient.pointer, dWeight: layer.dUp.pointer,
                dBias: layer.dBias.pointer, rows: rows, inputs: hidden, outputs: 4 * hidden)
            normBackward(
                layer, x: layer.middle, mean: layer.mean2, inverse: layer.inverse2)
            Linear.inputGradient(
                dy: gradient.pointer, weight: layer.projectionWeight.pointer, dx: output.pointer, rows: rows,
                inputs: hidden, outputs: hidden)
            Linear.weightGradient(
                x: layer.mixed.pointer, dy: gradient.pointer, dWeight: layer.dProjection.pointer,
                dBias: layer.dBias.pointer, rows: rows, inputs: hidden, outputs: hidden)
            CausalAttention.inputGradient(
                qkv: layer.qkv.pointer, output: layer.mixed.pointer, dOutput: output.pointer,
                logSumExp: layer.logSumExp.pointer, dqkv: wide.pointer, workspace: space.pointer,
                batch: shapes.microbatch, sequence: shapes.sequence, heads: shapes.heads,
                headSize: hidden / shapes.heads)
            Linear.inputGradient(
                dy: wide.pointer, weight: layer.qkvWeight.pointer, dx: normGradient.pointer, rows: rows,
                inputs: hidden, outputs: 3 * hidden)
            Linear.weightGradient(
                x: layer.norm1.pointer, dy: wide.pointer, dWeight: layer.dqkv.pointer, dBias: layer.dBias.pointer,
                rows: rows, inputs: hidden, outputs: 3 * hidden)
            normBackward(
                layer, x: index == 0 ? input : layer.input, mean: layer.mean1, inverse: layer.inverse1)
        }
    }

    private func normBackward(_ layer: Layer, x: FloatStorage, mean: FloatStorage, inverse: FloatStorage) {
        LayerNorm.weightGradient(
            dy: normGradient.pointer, x: x.pointer, mean: mean.pointer, inverseDeviation: inverse.pointer,
            dGain: layer.dBias.pointer, dBias: layer.dBias.pointer + shapes.hidden, rows: shapes.rows,
            width: shapes.hidden)
        LayerNorm.inputGradient(
            dy: normGradient.pointer, x: x.pointer, gain: layer.gain.pointer, mean: mean.pointer,
            inverseDeviation: inverse.pointer, dx: gradient.pointer, rows: shapes.rows, width: shapes.hidden,
            accumulate: true)
    }

    /// One layer's weights, gradients and kept activations.
    fileprivate struct Layer {
        let qkvWeight, projectionWeight, upWeight, downWeight: FloatStorage
        let qkvBias, projectionBias, upBias, downBias, gain, shift: FloatStorage
        let dqkv, dProjection, dUp, dDown, dBias: FloatStorage
        let input, norm1, qkv, mixed, logSumExp, middle, norm2, up, activated: FloatStorage
        let mean1, inverse1, mean2, inverse2: FloatStorage

        init(_ shapes: Shapes, seed: UInt32) {
            let (rows, hidden) = (shapes.rows, shapes.hidden)
            func weight(_ count: Int, _ kind: UInt32) -> FloatStorage {
                Self.filled(count, scale: 0.03, seed: seed &* 16 &+ kind)
            }
            func empty(_ count: Int) -> FloatStorage { FloatStorage(count: count) }
            qkvWeight = weight(3 * hidden * hidden, 0)
            projectionWeight = weight(hidden * hidden, 1)
            upWeight = weight(4 * hidden * hidden, 2)
            downWeight = weight(4 * hidden * hidden, 3)
            (qkvBias, projectionBias) = (weight(3 * hidden, 4), weight(hidden, 5))
            (upBias, downBias) = (weight(4 * hidden, 6), weight(hidden, 7))
            (gain, shift) = (empty(hidden), weight(hidden, 8))
            VectorMath.fill(gain.pointer, count: hidden, with: 1)
            (dqkv, dProjection) = (empty(3 * hidden * hidden), empty(hidden * hidden))
            (dUp, dDown, dBias) = (empty(4 * hidden * hidden), empty(4 * hidden * hidden), empty(4 * hidden))
            (input, norm1, mixed) = (empty(rows * hidden), empty(rows * hidden), empty(rows * hidden))
            (middle, norm2) = (empty(rows * hidden), empty(rows * hidden))
            (qkv, logSumExp) = (empty(rows * 3 * hidden), empty(rows * shapes.heads))
            (up, activated) = (empty(rows * 4 * hidden), empty(rows * 4 * hidden))
            (mean1, inverse1, mean2, inverse2) = (empty(rows), empty(rows), empty(rows), empty(rows))
        }

        static func filled(_ count: Int, scale: Float, seed: UInt32) -> FloatStorage {
            let storage = FloatStorage(count: count)
            var state = seed &* 2_654_435_761 &+ 12345
            for index in 0..<count {
                state = state &* 1_664_525 &+ 1_013_904_223
                storage.pointer[index] = Float(Int32(bitPattern: state)) * 0x1p-31 * scale
            }
            return storage
        }
    }
}
