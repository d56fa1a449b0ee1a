extension KernelProbe {
    /// Seconds of causal grouped-query attention with the positions turned in, over the whole batch.
    package static func rotaryAttention(
        batch: Int, sequence: Int, heads: Int, keyValueHeads: Int, headSize: Int, effort: Effort = Effort()
    ) -> (rotation: Double, forward: Double, inputGradient: Double) {
        let (rows, width) = (batch * sequence, (heads + 2 * keyValueHeads) * headSize)
        let (qkv, output) = (filled(rows * width), filled(rows * heads * headSize))
        let (dqkv, logSumExp) = (filled(rows * width), filled(batch * heads * sequence))
        let (cosines, sines) = (filled(sequence * headSize / 2), filled(sequence * headSize / 2))
        let positions = (0..<sequence).map { Int32($0) }
        RotaryEmbedding.fillTables(
            positions: positions, count: sequence, headSize: headSize, cosines: cosines.pointer, sines: sines.pointer)
        let space = FloatStorage(count: CausalAttention.workspaceCount(sequence: sequence, headSize: headSize))
        let rotation = measure(effort) {
            RotaryEmbedding.rotate(
                qkv.pointer, stride: width, cosines: cosines.pointer, sines: sines.pointer, rows: rows,
                period: sequence, heads: heads + keyValueHeads, headSize: headSize)
        }
        let forward = measure(effort) {
            CausalAttention.forward(
                qkv: qkv.pointer, output: output.pointer, logSumExp: logSumExp.pointer, workspace: space.pointer,
                batch: batch, sequence: sequence, heads: heads, keyValueHeads: keyValueHeads, headSize: headSize)
        }
        let inputGradient = measure(effort) {
            CausalAttention.inputGradient(
                qkv: qkv.pointer, output: output.pointer, dOutput: output.pointer, logSumExp: logSumExp.pointer,
                dqkv: dqkv.pointer, workspace: space.pointer, batch: batch, sequence: sequence, heads: heads,
                keyValueHeads: keyValueHeads, headSize: headSize)
        }
        return (rotation, forward, inputGradient)
    }

    /// Seconds of a root-mean-square norm fused with the residual sum before it, and of its gradients.
    package static func rmsNorm(
        rows: Int, width: Int, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double, weightGradient: Double) {
        let (x, delta, sum) = (filled(rows * width), filled(rows * width), filled(rows * width))
        let (y, gain, inverse) = (filled(rows * width), filled(width), filled(rows))
        let forward = measure(effort) {
            RMSNorm.addForward(
                x: x.pointer, delta: delta.pointer, sum: sum.pointer, gain: gain.pointer, y: y.pointer,
                inverseRoot: inverse.pointer, rows: rows, width: width)
        }
        let inputGradient = measure(effort) {
            RMSNorm.inputGradient(
                dy: y.pointer, x: sum.pointer, gain: gain.pointer, inverseRoot: inverse.pointer, dx: delta.pointer,
                rows: rows, width: width, accumulate: true)
        }
        let weightGradient = measure(effort) {
            RMSNorm.weightGradient(
                dy: y.pointer, x: sum.pointer, inverseRoot: inverse.pointer, dGain: gain.pointer, rows: rows,
                width: width)
        }
        return (forward, inputGradient, weightGradient)
    }

    /// Seconds of a gated activation and of its gradient, gate and up side by side.
    package static func gatedUnit(
        _ unit: GatedUnit = .swiglu, rows: Int, width: Int, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double) {
        let (both, gradient, y) = (filled(rows * 2 * width), filled(rows * 2 * width), filled(rows * width))
        let forward = measure(effort) {
            unit.forward(
                gate: both.pointer, up: both.pointer + width, stride: 2 * width, y: y.pointer, rows: rows, width: width)
        }
        let inputGradient = measure(effort) {
            unit.inputGradient(
                gate: both.pointer, up: both.pointer + width, stride: 2 * width, dy: y.pointer,
                dGate: gradient.pointer, dUp: gradient.pointer + width, gradientStride: 2 * width, rows: rows,
                width: width)
        }
        return (forward, inputGradient)
    }

    /// Seconds of the three prepared bf16 products of a linear layer, and of rounding its input; nil where the processor
    /// does not multiply bf16.
    package static func bfloat16Linear(
        rows: Int, inputs: Int, outputs: Int, effort: Effort = Effort()
    ) -> (rounding: Double, forward: Double, inputGradient: Double, weightGradient: Double)? {
        guard
            let layer = try? PreparedLinear<BFloat16>(rows: rows, inputs: inputs, outputs: outputs, biased: false)
        else { return nil }
        func rounded(_ source: FloatStorage) -> UnsafeMutablePointer<BFloat16> {
            let target = UnsafeMutablePointer<BFloat16>.allocate(capacity: source.count)
            BFloat16.round(source.pointer, into: target, count: source.count)
            return target
        }
        let (x, y, weight) = (filled(rows * inputs), filled(rows * outputs), filled(inputs * outputs))
        let (xs, dys, weights) = (rounded(x), rounded(y), rounded(weight))
        defer { for storage in [xs, dys, weights] { storage.deallocate() } }
        let rounding = measure(effort) { BFloat16.round(x.pointer, into: xs, count: x.count) }
        let forward = measure(effort) { layer.forward(x: xs, weight: weights, bias: nil, y: y.pointer) }
        let inputGradient = measure(effort) { layer.inputGradient(dy: dys, weight: weights, dx: x.pointer) }
        let weightGradient = measure(effort) { layer.weightGradient(x: xs, dy: dys, dWeight: weight.pointer) }
        return (rounding, forward, inputGradient, weightGradient)
    }
}
