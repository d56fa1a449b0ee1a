import Tensors

/// Half of a model's layers with their own weights, gradients and activations: a pipeline rank's work on one
/// micro-batch, run through in order, so that operands come from where they do in training rather than from a warm
/// cache.
final class Stack {
    private let shapes: Shapes
    private let layers: [Layer]
    private var input: Storage<Float>
    private let gradient, wide, wideGradient, normGradient, output: Storage<Float>
    private let delta: Storage<Float>
    private let attention: AttentionShape
    private let space: Storage<Float>

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
        wide = Storage<Float>(count: rows * 4 * hidden)
        wideGradient = Storage<Float>(count: rows * 4 * hidden)
        normGradient = Storage<Float>(count: rows * hidden)
        output = Storage<Float>(count: rows * hidden)
        delta = Storage<Float>(count: rows * shapes.heads)
        attention = AttentionShape(
            batch: shapes.microbatch, queries: shapes.sequence, keys: shapes.sequence, heads: shapes.heads,
            keyValueHeads: shapes.heads, headSize: hidden / shapes.heads, mask: .causal(ahead: 0))
        space = Storage<Float>(count: attention.workspaceCount)
    }

    /// [rows, hidden].
    private func narrow(_ storage: Storage<Float>) -> Matrix {
        storage.matrix(rows: shapes.rows, columns: shapes.hidden)
    }

    /// [rows, 4 · hidden].
    private func wide(_ storage: Storage<Float>) -> Matrix {
        storage.matrix(rows: shapes.rows, columns: 4 * shapes.hidden)
    }

    /// [rows, 3 · hidden].
    private func fused(_ storage: Storage<Float>) -> Matrix {
        storage.matrix(rows: shapes.rows, columns: 3 * shapes.hidden)
    }

    private func weight(_ storage: Storage<Float>, _ inputs: Int, _ outputs: Int) -> Matrix {
        storage.matrix(rows: inputs * shapes.hidden, columns: outputs * shapes.hidden)
    }

    private func parts(_ qkv: Storage<Float>) -> (query: MatrixBatch, key: MatrixBatch, value: MatrixBatch) {
        let (rows, hidden) = (fused(qkv).sequences(of: shapes.sequence), shapes.hidden)
        return (
            rows.columns(0..<hidden), rows.columns(hidden..<2 * hidden), rows.columns(2 * hidden..<3 * hidden)
        )
    }

    private func heads(_ output: Storage<Float>) -> MatrixBatch { narrow(output).sequences(of: shapes.sequence) }

    private func statistics(_ storage: Storage<Float>) -> Matrix {
        storage.matrix(rows: shapes.microbatch * shapes.heads, columns: shapes.sequence)
    }

    private func forward() {
        var x = input
        for (index, layer) in layers.enumerated() {
            if index == 0 {
                LayerNorm.forward(
                    x: narrow(x), gain: layer.gain.pointer, bias: layer.shift.pointer, y: narrow(layer.norm1),
                    mean: layer.mean1.pointer, inverseDeviation: layer.inverse1.pointer)
            } else {
                LayerNorm.addForward(
                    x: narrow(x), delta: narrow(output), deltaBias: layers[index - 1].downBias.pointer,
                    sum: narrow(layer.input), gain: layer.gain.pointer, bias: layer.shift.pointer,
                    y: narrow(layer.norm1), mean: layer.mean1.pointer, inverseDeviation: layer.inverse1.pointer)
                x = layer.input
            }
            Linear.forward(
                x: narrow(layer.norm1), weight: weight(layer.qkvWeight, 1, 3), bias: layer.qkvBias.pointer,
                y: fused(layer.qkv))
            let (query, key, value) = parts(layer.qkv)
            Attention.forward(
                query: query, key: key, value: value, output: heads(layer.mixed),
                logSumExp: statistics(layer.logSumExp),
                workspace: space.pointer, shape: attention)
            Linear.forward(
                x: narrow(layer.mixed), weight: weight(layer.projectionWeight, 1, 1), bias: nil, y: narrow(output))
            LayerNorm.addForward(
                x: narrow(x), delta: narrow(output), deltaBias: layer.projectionBias.pointer, sum: narrow(layer.middle),
                gain: layer.gain.pointer, bias: layer.shift.pointer, y: narrow(layer.norm2), mean: layer.mean2.pointer,
                inverseDeviation: layer.inverse2.pointer)
            Linear.forward(x: narrow(layer.norm2), weight: weight(layer.upWeight, 1, 4), bias: nil, y: wide(layer.up))
            GELU.forward(x: wide(layer.up), bias: layer.upBias.pointer, y: wide(layer.activated))
            Linear.forward(
                x: wide(layer.activated), weight: weight(layer.downWeight, 4, 1), bias: nil, y: narrow(output))
            x = layer.middle
        }
    }

    private func backward() {
        let (wideGradient, dqkv) = (wide(self.wideGradient), fused(self.wide))
        for (index, layer) in layers.enumerated().reversed() {
            Linear.inputGradient(dy: narrow(gradient), weight: weight(layer.downWeight, 4, 1), dx: wideGradient)
            Linear.weightGradient(
                x: wide(layer.activated), dy: narrow(gradient), dWeight: weight(layer.dDown, 4, 1),
                dBias: layer.dBias.pointer)
            GELU.inputGradient(x: wide(layer.up), dy: wideGradient, dx: wideGradient)
            Linear.inputGradient(dy: wideGradient, weight: weight(layer.upWeight, 1, 4), dx: narrow(normGradient))
            Linear.weightGradient(
                x: narrow(layer.norm2), dy: wideGradient, dWeight: weight(layer.dUp, 1, 4), dBias: layer.dBias.pointer)
            normBackward(layer, x: layer.middle, mean: layer.mean2, inverse: layer.inverse2)
            Linear.inputGradient(dy: narrow(gradient), weight: weight(layer.projectionWeight, 1, 1), dx: narrow(output))
            Linear.weightGradient(
                x: narrow(layer.mixed), dy: narrow(gradient), dWeight: weight(layer.dProjection, 1, 1),
                dBias: layer.dBias.pointer)
            let ((query, key, value), (dQuery, dKey, dValue)) = (parts(layer.qkv), parts(self.wide))
            Attention.delta(
                output: heads(layer.mixed), dOutput: heads(output), into: statistics(delta), shape: attention)
            Attention.inputGradient(
                query: query, key: key, value: value, dOutput: heads(output), logSumExp: statistics(layer.logSumExp),
                delta: statistics(delta), dQuery: dQuery, dKey: dKey, dValue: dValue, workspace: space.pointer,
                shape: attention)
            Linear.inputGradient(dy: dqkv, weight: weight(layer.qkvWeight, 1, 3), dx: narrow(normGradient))
            Linear.weightGradient(
                x: narrow(layer.norm1), dy: dqkv, dWeight: weight(layer.dqkv, 1, 3), dBias: layer.dBias.pointer)
            normBackward(layer, x: index == 0 ? input : layer.input, mean: layer.mean1, inverse: layer.inverse1)
        }
    }

    private func normBackward(_ layer: Layer, x: Storage<Float>, mean: Storage<Float>, inverse: Storage<Float>) {
        LayerNorm.weightGradient(
            dy: narrow(normGradient), x: narrow(x), mean: mean.pointer, inverseDeviation: inverse.pointer,
            dGain: layer.dBias.pointer, dBias: layer.dBias.pointer + shapes.hidden)
        LayerNorm.inputGradient(
            dy: narrow(normGradient), x: narrow(x), gain: layer.gain.pointer, mean: mean.pointer,
            inverseDeviation: inverse.pointer, dx: narrow(gradient), accumulate: true)
    }

    /// One layer's weights, gradients and kept activations.
    fileprivate struct Layer {
        let qkvWeight, projectionWeight, upWeight, downWeight: Storage<Float>
        let qkvBias, projectionBias, upBias, downBias, gain, shift: Storage<Float>
        let dqkv, dProjection, dUp, dDown, dBias: Storage<Float>
        let input, norm1, qkv, mixed, logSumExp, middle, norm2, up, activated: Storage<Float>
        let mean1, inverse1, mean2, inverse2: Storage<Float>

        init(_ shapes: Shapes, seed: UInt32) {
            let (rows, hidden) = (shapes.rows, shapes.hidden)
            func weight(_ count: Int, _ kind: UInt32) -> Storage<Float> {
                Self.filled(count, scale: 0.03, seed: seed &* 16 &+ kind)
            }
            func empty(_ count: Int) -> Storage<Float> { Storage<Float>(count: count) }
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

        static func filled(_ count: Int, scale: Float, seed: UInt32) -> Storage<Float> {
            let storage = Storage<Float>(count: count)
            var state = seed &* 2_654_435_761 &+ 12345
            for index in 0..<count {
                state = state &* 1_664_525 &+ 1_013_904_223
                storage.pointer[index] = Float(Int32(bitPattern: state)) * 0x1p-31 * scale
            }
            return storage
        }
    }
}
