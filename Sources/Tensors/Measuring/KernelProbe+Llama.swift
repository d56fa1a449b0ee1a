extension KernelProbe {
    /// Seconds of causal grouped-query attention and of turning its queries and keys, over the whole batch.
    package static func rotaryAttention(
        batch: Int, sequence: Int, heads: Int, keyValueHeads: Int, headSize: Int, effort: Effort = Effort()
    ) -> (rotation: Double, forward: Double, inputGradient: Double) {
        let qkv = filled(batch * sequence, (heads + 2 * keyValueHeads) * headSize)
        let (cosines, sines) = (filled(sequence, headSize / 2), filled(sequence, headSize / 2))
        RotaryEmbedding.fillTables(
            positions: (0..<sequence).map { Int32($0) }, cosines: cosines.matrix, sines: sines.matrix)
        let rotation = measure(effort) {
            RotaryEmbedding.rotate(
                qkv.matrix.columns(0..<(heads + keyValueHeads) * headSize), cosines: cosines.matrix,
                sines: sines.matrix)
        }
        let (forward, inputGradient) = attention(
            batch: batch, sequence: sequence, heads: heads, keyValueHeads: keyValueHeads, headSize: headSize,
            effort: effort)
        return (rotation, forward, inputGradient)
    }

    /// Seconds of a root-mean-square norm fused with the residual sum before it, and of its gradients.
    package static func rmsNorm(
        rows: Int, width: Int, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double, weightGradient: Double) {
        let (x, delta, sum) = (filled(rows, width), filled(rows, width), filled(rows, width))
        let (y, gain, inverse) = (filled(rows, width), filled(1, width), filled(1, rows))
        let forward = measure(effort) {
            RMSNorm.addForward(
                x: x.matrix, delta: delta.matrix, sum: sum.matrix, gain: gain.pointer, y: y.matrix,
                inverseRoot: inverse.pointer)
        }
        let inputGradient = measure(effort) {
            RMSNorm.inputGradient(
                dy: y.matrix, x: sum.matrix, gain: gain.pointer, inverseRoot: inverse.pointer, dx: delta.matrix,
                accumulate: true)
        }
        let weightGradient = measure(effort) {
            RMSNorm.weightGradient(dy: y.matrix, x: sum.matrix, inverseRoot: inverse.pointer, dGain: gain.pointer)
        }
        return (forward, inputGradient, weightGradient)
    }

    /// Seconds of a gated linear unit and of its gradient, gate and up side by side.
    package static func gatedLinearUnit(
        _ unit: GatedLinearUnit = .swiglu, rows: Int, width: Int, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double) {
        let (both, gradient, y) = (filled(rows, 2 * width), filled(rows, 2 * width), filled(rows, width))
        let (gate, up) = (0..<width, width..<2 * width)
        let forward = measure(effort) {
            unit.forward(gate: both.matrix.columns(gate), up: both.matrix.columns(up), y: y.matrix)
        }
        let inputGradient = measure(effort) {
            unit.inputGradient(
                gate: both.matrix.columns(gate), up: both.matrix.columns(up), dy: y.matrix,
                dGate: gradient.matrix.columns(gate), dUp: gradient.matrix.columns(up))
        }
        return (forward, inputGradient)
    }

    /// Seconds of the three prepared bf16 products of a linear layer, and of rounding its input; nil where the processor
    /// does not multiply bf16.
    package static func bfloat16Linear(
        rows: Int, inputs: Int, outputs: Int, effort: Effort = Effort()
    ) -> (rounding: Double, forward: Double, inputGradient: Double, weightGradient: Double)? {
        guard
            let product = try? PreparedProduct<BFloat16>(m: rows, n: outputs, k: inputs),
            let inputProduct = try? PreparedProduct<BFloat16>(m: rows, n: inputs, k: outputs, transposeB: true),
            let weightProduct = try? PreparedProduct<BFloat16>(
                m: inputs, n: outputs, k: rows, transposeA: true, accumulate: true)
        else { return nil }
        func rounded(_ source: Operand) -> Storage<BFloat16> {
            let target = Storage<BFloat16>(count: source.storage.count)
            BFloat16.round(source.pointer, into: target.pointer, count: target.count)
            return target
        }
        let (x, y, weight) = (filled(rows, inputs), filled(rows, outputs), filled(inputs, outputs))
        let (xs, dys, weights) = (rounded(x), rounded(y), rounded(weight))
        let rounding = measure(effort) { BFloat16.round(x.pointer, into: xs.pointer, count: xs.count) }
        let forward = measure(effort) { product.run(xs.pointer, weights.pointer, into: y.pointer) }
        let inputGradient = measure(effort) { inputProduct.run(dys.pointer, weights.pointer, into: x.pointer) }
        let weightGradient = measure(effort) { weightProduct.run(xs.pointer, dys.pointer, into: weight.pointer) }
        return (rounding, forward, inputGradient, weightGradient)
    }
}
