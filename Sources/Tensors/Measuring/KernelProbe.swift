internal import COneDNN

/// Times the kernels on the machine at hand, for calibrating a device description and for `kernel-bench`.
///
/// Every function runs the kernel once unmeasured, then repeats it and returns a quantile of the measured seconds.
package enum KernelProbe {
    /// The repeats of a measurement, and the figure it returns.
    package struct Effort: Hashable, Sendable {
        /// Measured runs, at least 1.
        package var repeats: Int
        /// The quantile of the times to return: 0 the shortest, 0.5 the median.
        package var quantile: Double

        package init(repeats: Int = 5, quantile: Double = 0.5) {
            self.repeats = repeats
            self.quantile = quantile
        }
    }

    /// Seconds of one product c [m, n] = a [m, k] · b [k, n].
    package static func matrixProduct(
        m: Int, n: Int, k: Int, transposeA: Bool = false, transposeB: Bool = false, accumulate: Bool = false,
        effort: Effort = Effort()
    ) -> Double {
        let a = transposeA ? filled(k, m) : filled(m, k)
        let b = transposeB ? filled(n, k) : filled(k, n)
        let c = filled(m, n)
        return measure(effort) {
            MatrixProduct.multiply(
                a.matrix, transposeA: transposeA, b.matrix, transposeB: transposeB, into: c.matrix,
                accumulate: accumulate)
        }
    }

    /// Seconds of the three passes of a linear layer.
    package static func linear(
        rows: Int, inputs: Int, outputs: Int, bias: Bool = true, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double, weightGradient: Double) {
        let (x, y, weight) = (filled(rows, inputs), filled(rows, outputs), filled(inputs, outputs))
        let (dx, dWeight) = (filled(rows, inputs), filled(inputs, outputs))
        let (shift, dShift) = (filled(1, outputs), filled(1, outputs))
        let forward = measure(effort) {
            Linear.forward(
                x: x.matrix, weight: weight.matrix, bias: bias ? UnsafePointer(shift.pointer) : nil, y: y.matrix)
        }
        let inputGradient = measure(effort) {
            Linear.inputGradient(dy: y.matrix, weight: weight.matrix, dx: dx.matrix)
        }
        let weightGradient = measure(effort) {
            Linear.weightGradient(
                x: x.matrix, dy: y.matrix, dWeight: dWeight.matrix, dBias: bias ? dShift.pointer : nil)
        }
        return (forward, inputGradient, weightGradient)
    }

    /// Seconds of the three passes of an output head, weight [O, I].
    package static func head(
        rows: Int, inputs: Int, outputs: Int, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double, weightGradient: Double) {
        let (x, y, weight) = (filled(rows, inputs), filled(rows, outputs), filled(outputs, inputs))
        let (dx, dWeight) = (filled(rows, inputs), filled(outputs, inputs))
        let forward = measure(effort) {
            Linear.transposedForward(x: x.matrix, weight: weight.matrix, y: y.matrix)
        }
        let inputGradient = measure(effort) {
            Linear.transposedInputGradient(dy: y.matrix, weight: weight.matrix, dx: dx.matrix)
        }
        let weightGradient = measure(effort) {
            Linear.transposedWeightGradient(x: x.matrix, dy: y.matrix, dWeight: dWeight.matrix)
        }
        return (forward, inputGradient, weightGradient)
    }

    /// Seconds of causal attention over the whole batch.
    package static func attention(
        batch: Int, sequence: Int, heads: Int, keyValueHeads: Int? = nil, headSize: Int, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double) {
        let shape = AttentionShape(
            batch: batch, queries: sequence, keys: sequence, heads: heads, keyValueHeads: keyValueHeads ?? heads,
            headSize: headSize, mask: .causal(ahead: 0))
        let (width, keyWidth) = (heads * headSize, shape.keyValueHeads * headSize)
        let (qkv, dqkv) = (
            filled(batch * sequence, width + 2 * keyWidth), filled(batch * sequence, width + 2 * keyWidth)
        )
        let output = filled(batch * sequence, width)
        let (logSumExp, delta) = (filled(batch * heads, sequence), filled(batch * heads, sequence))
        let space = Storage<Float>(count: shape.workspaceCount)
        let outputs = output.matrix.sequences(of: sequence)
        func parts(_ rows: Matrix) -> (query: MatrixBatch, key: MatrixBatch, value: MatrixBatch) {
            let all = rows.sequences(of: sequence)
            return (
                all.columns(0..<width), all.columns(width..<width + keyWidth),
                all.columns(width + keyWidth..<width + 2 * keyWidth)
            )
        }
        let forward = measure(effort) {
            let (query, key, value) = parts(qkv.matrix)
            Attention.forward(
                query: query, key: key, value: value, output: outputs, logSumExp: logSumExp.matrix,
                workspace: space.pointer, shape: shape)
        }
        let inputGradient = measure(effort) {
            let ((query, key, value), (dQuery, dKey, dValue)) = (parts(qkv.matrix), parts(dqkv.matrix))
            Attention.delta(output: outputs, dOutput: outputs, into: delta.matrix, shape: shape)
            Attention.inputGradient(
                query: query, key: key, value: value, dOutput: outputs, logSumExp: logSumExp.matrix,
                delta: delta.matrix, dQuery: dQuery, dKey: dKey, dValue: dValue, workspace: space.pointer, shape: shape)
        }
        withExtendedLifetime(output) {}
        return (forward, inputGradient)
    }

    /// Seconds of a layer norm fused with the residual sum before it, and of its gradients.
    package static func layerNorm(
        rows: Int, width: Int, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double, weightGradient: Double) {
        let (x, delta, sum, y) = (filled(rows, width), filled(rows, width), filled(rows, width), filled(rows, width))
        let (gain, bias, mean, inverse) = (filled(1, width), filled(1, width), filled(1, rows), filled(1, rows))
        let forward = measure(effort) {
            LayerNorm.addForward(
                x: x.matrix, delta: delta.matrix, deltaBias: nil, sum: sum.matrix, gain: gain.pointer,
                bias: bias.pointer, y: y.matrix, mean: mean.pointer, inverseDeviation: inverse.pointer)
        }
        let inputGradient = measure(effort) {
            LayerNorm.inputGradient(
                dy: y.matrix, x: sum.matrix, gain: gain.pointer, mean: mean.pointer,
                inverseDeviation: inverse.pointer, dx: delta.matrix, accumulate: true)
        }
        let weightGradient = measure(effort) {
            LayerNorm.weightGradient(
                dy: y.matrix, x: sum.matrix, mean: mean.pointer, inverseDeviation: inverse.pointer,
                dGain: gain.pointer, dBias: bias.pointer)
        }
        return (forward, inputGradient, weightGradient)
    }

    /// Seconds of GELU, its bias included, and of its gradient.
    package static func gelu(
        rows: Int, width: Int, effort: Effort = Effort()
    ) -> (forward: Double, inputGradient: Double) {
        let (x, y, bias) = (filled(rows, width), filled(rows, width), filled(1, width))
        bias.matrix.fill(with: 0)
        let forward = measure(effort) { GELU.forward(x: x.matrix, bias: bias.pointer, y: y.matrix) }
        let inputGradient = measure(effort) { GELU.inputGradient(x: x.matrix, dy: y.matrix, dx: y.matrix) }
        return (forward, inputGradient)
    }

    /// Seconds of adding up the columns of x [R, W]: the gradient of a bias.
    package static func columnSums(rows: Int, width: Int, effort: Effort = Effort()) -> Double {
        let (x, sums) = (filled(rows, width), filled(1, width))
        return measure(effort) { VectorMath.addColumnSums(of: x.matrix, into: sums.pointer) }
    }

    /// Seconds of the loss and its gradient.
    package static func crossEntropy(rows: Int, vocab: Int, effort: Effort = Effort()) -> Double {
        let (logits, targets) = (filled(rows, vocab), Storage<Int32>(count: rows))
        for row in 0..<rows { targets.pointer[row] = Int32(row % vocab) }
        return measure(effort) {
            _ = CrossEntropy.lossAndGradient(logits: logits.matrix, targets: targets.pointer, scale: 1)
        }
    }

    /// Seconds of the look-up of tokens and positions, and of its gradient.
    package static func embedding(
        batch: Int, sequence: Int, width: Int, vocab: Int, effort: Effort = Effort()
    ) -> (forward: Double, weightGradient: Double) {
        let (table, positionTable) = (filled(vocab, width), filled(sequence, width))
        let (y, tokens) = (filled(batch * sequence, width), Storage<Int32>(count: batch * sequence))
        for row in 0..<batch * sequence { tokens.pointer[row] = Int32(row * 7919 % vocab) }
        let positions = (0..<sequence).map { Int32($0) }
        let forward = measure(effort) {
            TokenEmbedding.forward(tokens: tokens.pointer, table: table.matrix, firstToken: 0, y: y.matrix)
            PositionEmbedding.addForward(positions: positions, table: positionTable.matrix, y: y.matrix)
        }
        let weightGradient = measure(effort) {
            TokenEmbedding.weightGradient(tokens: tokens.pointer, dy: y.matrix, dTable: table.matrix, firstToken: 0)
            PositionEmbedding.weightGradient(positions: positions, dy: y.matrix, dTable: positionTable.matrix)
        }
        return (forward, weightGradient)
    }

    /// Seconds of one optimizer step over `count` parameters.
    package static func adamW(count: Int, effort: Effort = Effort()) -> Double {
        // One run for all four, so that their addresses do not share the low bits, as in a training step.
        let section = (count + 15) / 16 * 16 + 1040
        let all = filled(4, section)
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

    /// Whether this build may use the processor's fused multiply-add. Without it the kernels are several times slower.
    package static var usesFusedMultiplyAdd: Bool { trainyard_has_fused_multiply_add() }

    /// FLOP/s of fused multiply-adds between registers: the upper bound of every kernel on this core.
    package static func peakRate(effort: Effort = Effort()) -> Double {
        let rounds = 1 << 19
        let cell = filled(2, lanes)
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
            s0 = b.adding(s0, times: a)
            s1 = b.adding(s1, times: a)
            s2 = b.adding(s2, times: a)
            s3 = b.adding(s3, times: a)
            s4 = b.adding(s4, times: a)
            s5 = b.adding(s5, times: a)
        }
        cell.store((s0 + s1 + s2) + (s3 + s4 + s5), lanes)
    }

    @inline(never)
    private static func twelveChains(_ rounds: Int, _ cell: UnsafeMutablePointer<Float>) {
        let (a, b) = (Vector(repeating: 0.999_999), cell.vector(0))
        var (s0, s1, s2, s3, s4, s5) = (a, b, a, b, a, b)
        var (s6, s7, s8, s9, s10, s11) = (b, a, b, a, b, a)
        for _ in 0..<rounds {
            s0 = b.adding(s0, times: a)
            s1 = b.adding(s1, times: a)
            s2 = b.adding(s2, times: a)
            s3 = b.adding(s3, times: a)
            s4 = b.adding(s4, times: a)
            s5 = b.adding(s5, times: a)
            s6 = b.adding(s6, times: a)
            s7 = b.adding(s7, times: a)
            s8 = b.adding(s8, times: a)
            s9 = b.adding(s9, times: a)
            s10 = b.adding(s10, times: a)
            s11 = b.adding(s11, times: a)
        }
        let sum = (s0 + s1 + s2) + (s3 + s4 + s5) + ((s6 + s7 + s8) + (s9 + s10 + s11))
        cell.store(sum, lanes)
    }

    /// Bytes/s, read and written, of adding one long run of numbers to another.
    package static func memoryBandwidth(count: Int = 1 << 24, effort: Effort = Effort()) -> Double {
        let (a, b) = (filled(1, count), filled(1, count))
        let seconds = measure(effort) { VectorMath.add(into: a.pointer, from: b.pointer, count: count) }
        return Double(3 * count * MemoryLayout<Float>.stride) / seconds
    }

    // MARK: helpers

    /// A matrix and the memory it lies in.
    struct Operand {
        let storage: Storage<Float>
        let matrix: Matrix

        var pointer: UnsafeMutablePointer<Float> { storage.pointer }
    }

    /// Numbers in (−1, 1), the same in every run.
    static func filled(_ rows: Int, _ columns: Int) -> Operand {
        let storage = Storage<Float>(count: rows * columns)
        var state: UInt32 = 12345
        for index in 0..<rows * columns {
            state = state &* 1_664_525 &+ 1_013_904_223
            storage.pointer[index] = Float(Int32(bitPattern: state)) * 0x1p-31
        }
        return Operand(storage: storage, matrix: storage.matrix(rows: rows, columns: columns))
    }

    static func measure(_ effort: Effort, _ body: () -> Void) -> Double {
        body()
        let clock = ContinuousClock()
        let times = (0..<max(effort.repeats, 1)).map { _ in clock.measure(body) / .seconds(1) }.sorted()
        return times[Int(Double(times.count - 1) * effort.quantile)]
    }
}
