internal import COneDNN

/// Times the kernels of this room on the machine at hand, for calibrating a device description and for `kernel-bench`.
///
/// Every function runs once unmeasured, then repeats the kernel and returns the median of the measured seconds.
package enum KernelProbe {
    /// How long to measure each kernel.
    package struct Effort: Hashable, Sendable {
        /// Measured runs, at least 1.
        package var repeats: Int
        /// Which of the sorted times to return: 0 the shortest, 0.5 the median.
        package var quantile: Double

        package init(repeats: Int = 5, quantile: Double = 0.5) {
            self.repeats = repeats
            self.quantile = quantile
        }
    }

    /// Seconds of one C[m, n] = op(A)[m, k]·op(B)[k, n].
    package static func matrixProduct(
        m: Int, n: Int, k: Int, transposeA: Bool = false, transposeB: Bool = false, accumulate: Bool = false,
        effort: Effort = Effort()
    ) -> Double {
        let (a, b, c) = (filled(m * k), filled(k * n), filled(m * n))
        return measure(effort) {
            MatrixProduct.multiply(
                a.pointer, transposeA: transposeA, lda: transposeA ? m : k, b.pointer, transposeB: transposeB,
                ldb: transposeB ? k : n, c.pointer, ldc: n, m: m, n: n, k: k, beta: accumulate ? 1 : 0)
        }
    }

    /// Seconds of the three passes of a linear layer.
    package static func linear(
        rows: Int, inputs: Int, outputs: Int, bias: Bool = true, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double, weightGradient: Double) {
        let (x, y, weight) = (filled(rows * inputs), filled(rows * outputs), filled(inputs * outputs))
        let (dx, dWeight) = (filled(rows * inputs), filled(inputs * outputs))
        let (shift, dShift) = (filled(outputs), filled(outputs))
        let forward = measure(effort) {
            Linear.forward(
                x: x.pointer, weight: weight.pointer, bias: bias ? UnsafePointer(shift.pointer) : nil, y: y.pointer,
                rows: rows, inputs: inputs, outputs: outputs)
        }
        let inputGradient = measure(effort) {
            Linear.inputGradient(
                dy: y.pointer, weight: weight.pointer, dx: dx.pointer, rows: rows, inputs: inputs, outputs: outputs)
        }
        let weightGradient = measure(effort) {
            Linear.weightGradient(
                x: x.pointer, dy: y.pointer, dWeight: dWeight.pointer, dBias: bias ? dShift.pointer : nil,
                rows: rows, inputs: inputs, outputs: outputs)
        }
        return (forward, inputGradient, weightGradient)
    }

    /// Seconds of the three passes of an output head, weight [outputs, inputs].
    package static func head(
        rows: Int, inputs: Int, outputs: Int, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double, weightGradient: Double) {
        let (x, y, weight) = (filled(rows * inputs), filled(rows * outputs), filled(inputs * outputs))
        let (dx, dWeight) = (filled(rows * inputs), filled(inputs * outputs))
        let forward = measure(effort) {
            Linear.transposedForward(
                x: x.pointer, weight: weight.pointer, y: y.pointer, rows: rows, inputs: inputs, outputs: outputs)
        }
        let inputGradient = measure(effort) {
            Linear.transposedInputGradient(
                dy: y.pointer, weight: weight.pointer, dx: dx.pointer, rows: rows, inputs: inputs, outputs: outputs)
        }
        let weightGradient = measure(effort) {
            Linear.transposedWeightGradient(
                x: x.pointer, dy: y.pointer, dWeight: dWeight.pointer, rows: rows, inputs: inputs, outputs: outputs)
        }
        return (forward, inputGradient, weightGradient)
    }

    /// Seconds of causal attention over the whole batch.
    package static func attention(
        batch: Int, sequence: Int, heads: Int, headSize: Int, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double) {
        let hidden = heads * headSize
        let (qkv, output) = (filled(batch * sequence * 3 * hidden), filled(batch * sequence * hidden))
        let (dqkv, logSumExp) = (filled(batch * sequence * 3 * hidden), filled(batch * heads * sequence))
        let space = FloatStorage(count: CausalAttention.workspaceCount(sequence: sequence, headSize: headSize))
        let forward = measure(effort) {
            CausalAttention.forward(
                qkv: qkv.pointer, output: output.pointer, logSumExp: logSumExp.pointer, workspace: space.pointer,
                batch: batch, sequence: sequence, heads: heads, headSize: headSize)
        }
        let inputGradient = measure(effort) {
            CausalAttention.inputGradient(
                qkv: qkv.pointer, output: output.pointer, dOutput: output.pointer, logSumExp: logSumExp.pointer,
                dqkv: dqkv.pointer, workspace: space.pointer, batch: batch, sequence: sequence, heads: heads,
                headSize: headSize)
        }
        return (forward, inputGradient)
    }

    /// Seconds of a layer norm fused with the residual sum before it, and of its gradients.
    package static func layerNorm(
        rows: Int, width: Int, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double, weightGradient: Double) {
        let (x, delta, sum, y) = (
            filled(rows * width), filled(rows * width), filled(rows * width), filled(rows * width)
        )
        let (gain, bias, mean, inverse) = (filled(width), filled(width), filled(rows), filled(rows))
        let forward = measure(effort) {
            LayerNorm.addForward(
                x: x.pointer, delta: delta.pointer, deltaBias: nil, sum: sum.pointer, gain: gain.pointer,
                bias: bias.pointer, y: y.pointer, mean: mean.pointer, inverseDeviation: inverse.pointer, rows: rows,
                width: width)
        }
        let inputGradient = measure(effort) {
            LayerNorm.inputGradient(
                dy: y.pointer, x: sum.pointer, gain: gain.pointer, mean: mean.pointer,
                inverseDeviation: inverse.pointer, dx: delta.pointer, rows: rows, width: width, accumulate: true)
        }
        let weightGradient = measure(effort) {
            LayerNorm.weightGradient(
                dy: y.pointer, x: sum.pointer, mean: mean.pointer, inverseDeviation: inverse.pointer,
                dGain: gain.pointer, dBias: bias.pointer, rows: rows, width: width)
        }
        return (forward, inputGradient, weightGradient)
    }

    /// Seconds of the activation, its bias included, and of its gradient.
    package static func gelu(
        rows: Int, width: Int, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double) {
        let (x, y, bias) = (filled(rows * width), filled(rows * width), filled(width))
        VectorMath.fill(bias.pointer, count: width, with: 0)
        let forward = measure(effort) {
            Gelu.forward(x: x.pointer, bias: bias.pointer, y: y.pointer, rows: rows, width: width)
        }
        let inputGradient = measure(effort) {
            Gelu.inputGradient(x: x.pointer, dy: y.pointer, dx: y.pointer, count: rows * width)
        }
        return (forward, inputGradient)
    }

    /// Seconds of adding up the columns of [rows, width]: the gradient of a bias.
    package static func columnSums(rows: Int, width: Int, effort: Effort = Effort()) -> Double {
        let (x, sums) = (filled(rows * width), filled(width))
        return measure(effort) {
            VectorMath.addColumnSums(of: x.pointer, into: sums.pointer, rows: rows, width: width)
        }
    }

    /// Seconds of the loss and its gradient.
    package static func crossEntropy(rows: Int, vocab: Int, effort: Effort = Effort()) -> Double {
        let logits = filled(rows * vocab)
        let targets = UnsafeMutablePointer<Int32>.allocate(capacity: rows)
        defer { targets.deallocate() }
        for row in 0..<rows { targets[row] = Int32(row % vocab) }
        return measure(effort) {
            _ = CrossEntropy.lossAndGradient(
                logits: logits.pointer, targets: targets, rows: rows, vocab: vocab, scale: 1)
        }
    }

    /// Seconds of the look-up and of its gradient.
    package static func embedding(
        batch: Int, sequence: Int, width: Int, vocab: Int, effort: Effort = Effort()
    ) -> (forward: Double, weightGradient: Double) {
        let (table, positions, y) = (filled(vocab * width), filled(sequence * width), filled(batch * sequence * width))
        let tokens = UnsafeMutablePointer<Int32>.allocate(capacity: batch * sequence)
        defer { tokens.deallocate() }
        for row in 0..<batch * sequence { tokens[row] = Int32(row * 7919 % vocab) }
        let forward = measure(effort) {
            Embedding.forward(
                tokens: tokens, tokenTable: table.pointer, positionTable: positions.pointer, y: y.pointer,
                batch: batch, sequence: sequence, width: width)
        }
        let weightGradient = measure(effort) {
            Embedding.weightGradient(
                tokens: tokens, dy: y.pointer, dTokenTable: table.pointer, dPositionTable: positions.pointer,
                batch: batch, sequence: sequence, width: width)
        }
        return (forward, weightGradient)
    }

    /// Seconds of one optimizer step over `count` parameters.
    package static func adamW(count: Int, effort: Effort = Effort()) -> Double {
        // One run for all four, so that their addresses do not share the low bits, as in a training step.
        let section = (count + 15) / 16 * 16 + 1040
        let all = filled(4 * section)
        let (p, g, m, v) = (all.pointer, all.pointer + section, all.pointer + 2 * section, all.pointer + 3 * section)
        VectorMath.fill(v, count: count, with: 0)
        var step = 0
        return measure(effort) {
            step += 1
            AdamW().step(
                parameters: p, gradients: g, firstMoment: m, secondMoment: v,
                count: count, step: step, learningRate: 1e-4, decay: true)
        }
    }

    /// Whether this build may use the processor's fused multiply-add; without it the kernels run far below their speed.
    package static var usesFusedMultiplyAdd: Bool { trainyard_has_fused_multiply_add() }

    /// FLOP/s of fused multiply-adds between registers: what no kernel can pass on this core.
    package static func peakRate(effort: Effort = Effort()) -> Double {
        let rounds = 1 << 19
        let cell = filled(2 * lanes)
        // Twelve registers of chains: so many that two pipes with a latency of five stay full.
        if trainyard_has_wide_registers() {
            let seconds = measure(effort) { twelveChains(rounds, cell.pointer) }
            return Double(rounds * 12 * 2 * lanes) / seconds
        }
        let seconds = measure(effort) { sixChains(rounds, cell.pointer) }
        return Double(rounds * 6 * 2 * lanes) / seconds
    }

    /// Six vectors are twelve registers where a register holds eight floats.
    @inline(never)
    private static func sixChains(_ rounds: Int, _ cell: UnsafeMutablePointer<Float>) {
        let (a, b) = (Vector(repeating: 0.999_999), cell.vector(0))
        var (s0, s1, s2, s3, s4, s5) = (a, b, a, b, a, b)
        for _ in 0..<rounds {
            s0 = b.plus(s0, a)
            s1 = b.plus(s1, a)
            s2 = b.plus(s2, a)
            s3 = b.plus(s3, a)
            s4 = b.plus(s4, a)
            s5 = b.plus(s5, a)
        }
        cell.store((s0 + s1 + s2) + (s3 + s4 + s5), lanes)
    }

    @inline(never)
    private static func twelveChains(_ rounds: Int, _ cell: UnsafeMutablePointer<Float>) {
        let (a, b) = (Vector(repeating: 0.999_999), cell.vector(0))
        var (s0, s1, s2, s3, s4, s5) = (a, b, a, b, a, b)
        var (s6, s7, s8, s9, s10, s11) = (b, a, b, a, b, a)
        for _ in 0..<rounds {
            s0 = b.plus(s0, a)
            s1 = b.plus(s1, a)
            s2 = b.plus(s2, a)
            s3 = b.plus(s3, a)
            s4 = b.plus(s4, a)
            s5 = b.plus(s5, a)
            s6 = b.plus(s6, a)
            s7 = b.plus(s7, a)
            s8 = b.plus(s8, a)
            s9 = b.plus(s9, a)
            s10 = b.plus(s10, a)
            s11 = b.plus(s11, a)
        }
        let sum = (s0 + s1 + s2) + (s3 + s4 + s5) + ((s6 + s7 + s8) + (s9 + s10 + s11))
        cell.store(sum, lanes)
    }

    /// Bytes/s, read and written, of adding one long run of numbers to another.
    package static func memoryBandwidth(count: Int = 1 << 24, effort: Effort = Effort()) -> Double {
        let (a, b) = (filled(count), filled(count))
        let seconds = measure(effort) { VectorMath.add(into: a.pointer, from: b.pointer, count: count) }
        return Double(3 * count * MemoryLayout<Float>.stride) / seconds
    }

    // MARK: helpers

    /// Numbers in (−1, 1), the same in every run.
    static func filled(_ count: Int) -> FloatStorage {
        let storage = FloatStorage(count: count)
        var state: UInt32 = 12345
        for index in 0..<count {
            state = state &* 1_664_525 &+ 1_013_904_223
            storage.pointer[index] = Float(Int32(bitPattern: state)) * 0x1p-31
        }
        return storage
    }

    static func measure(_ effort: Effort, _ body: () -> Void) -> Double {
        body()
        let clock = ContinuousClock()
        let times = (0..<max(effort.repeats, 1)).map { _ in clock.measure(body) / .seconds(1) }.sorted()
        return times[Int(Double(times.count - 1) * effort.quantile)]
    }
}
