internal import Foundation
package import MPI
package import Models
package import Plans
internal import Tensors

extension MachineMeasurement {
    /// Measures this machine at the shapes of `model` and a micro-batch of `sequences`. Every rank of `world` calls it
    /// and gets the same figures.
    package init(measuring model: Model, sequences: Int, quick: Bool, world: Communicator) throws(MPIError) {
        let probe = MachineProbe(
            model: model, rows: sequences * model.sequence, sequences: sequences,
            effort: KernelProbe.Effort(repeats: quick ? 41 : 201), quick: quick, world: world)
        self.init(
            processes: world.size, cores: ProcessInfo.processInfo.activeProcessorCount,
            memoryBytes: Double(ProcessInfo.processInfo.physicalMemory), peakFLOPs: try probe.peak(),
            callSeconds: try probe.call(), products: try probe.products(), attention: try probe.attention(),
            rows: sequences * model.sequence, elementwiseSeconds: try probe.elementwise(),
            transfers: try probe.transfers(), spread: try probe.spread())
    }
}

/// The measurements of a machine, one function each. All processes of a job measure at once.
private struct MachineProbe {
    let model: Model
    let rows: Int
    let sequences: Int
    let effort: KernelProbe.Effort
    let quick: Bool
    let world: Communicator

    /// The mean over the processes of the figure that `body` measures. They begin together.
    private func mean(_ body: () -> Double) throws(MPIError) -> Double {
        try world.barrier()
        return try world.allReduce(body(), .sum) / Double(world.size)
    }

    func peak() throws(MPIError) -> Double { try mean { KernelProbe.peakRate(effort: effort) } }

    /// The scatter of one product's repeats, on the process where it is largest: 90 % quantile / median − 1.
    func spread() throws(MPIError) -> Double {
        try world.barrier()
        let hidden = model.hidden
        let median = KernelProbe.matrixProduct(m: rows, n: hidden, k: hidden, effort: effort)
        var late = effort
        late.quantile = 0.9
        let slow = KernelProbe.matrixProduct(m: rows, n: hidden, k: hidden, effort: late)
        return try world.allReduce(median > 0 ? max(0, slow / median - 1) : 0, .max)
    }

    func call() throws(MPIError) -> Double {
        try mean { KernelProbe.matrixProduct(m: 4, n: 4, k: 4, effort: effort) }
    }

    /// The three products of every linear layer, and smaller ones so that the curve holds for other micro-batches.
    func products() throws(MPIError) -> [MachineMeasurement.Product] {
        let hidden = model.hidden
        var measured: [MachineMeasurement.Product] = []
        for (inputs, outputs) in [
            (hidden, 3 * hidden), (hidden, hidden), (hidden, model.ffn), (model.ffn, hidden), (hidden, model.vocab),
        ] {
            for (m, n, k, pass) in [(rows, outputs, inputs, 0), (rows, inputs, outputs, 1), (inputs, outputs, rows, 2)]
            {
                // Passes: forward, input gradient (weights transposed), weight gradient (summed up in place).
                let seconds = try mean {
                    KernelProbe.matrixProduct(
                        m: m, n: n, k: k, transposeA: pass == 2, transposeB: pass == 1, accumulate: pass == 2,
                        effort: effort)
                }
                measured.append(.init(m: m, n: n, k: k, seconds: seconds))
            }
        }
        for size in [32, 64, 128, 256] {
            let seconds = try mean { KernelProbe.matrixProduct(m: size, n: size, k: size, effort: effort) }
            measured.append(.init(m: size, n: size, k: size, seconds: seconds))
        }
        return measured
    }

    func attention() throws(MPIError) -> [MachineMeasurement.Attention] {
        var measured: [MachineMeasurement.Attention] = []
        for length in Set([max(model.sequence / 2, 1), model.sequence]).sorted() {
            var backward = 0.0
            let forward = try mean {
                let times = KernelProbe.attention(
                    batch: sequences, sequence: length, heads: model.heads, headSize: model.headSize, effort: effort)
                backward = times.inputGradient
                return times.forward
            }
            measured.append(
                .init(
                    sequences: sequences, sequence: length, width: model.heads * model.headSize,
                    forwardSeconds: forward, backwardSeconds: try mean { backward }))
        }
        return measured
    }

    func elementwise() throws(MPIError) -> Double {
        try mean {
            let norm = KernelProbe.layerNorm(rows: rows, width: model.hidden, effort: effort)
            let gelu = KernelProbe.gelu(rows: rows, width: model.ffn, effort: effort)
            let biases = KernelProbe.columnSums(rows: rows, width: 5 * model.hidden + model.ffn, effort: effort)
            return 2 * (norm.forward + norm.inputGradient + norm.weightGradient) + gelu.forward + gelu.inputGradient
                + biases
        }
    }

    /// Median one-way seconds between ranks 0 and 1, by size.
    func transfers() throws(MPIError) -> [MachineMeasurement.Message] {
        guard world.size > 1 else { return [] }
        var measured: [MachineMeasurement.Message] = []
        for count in quick ? [16, 1 << 14, 1 << 18, 1 << 20] : (4...24).map({ 1 << $0 }) {
            let buffer = Storage<Float>(count: count)
            let sent = UnsafeBufferPointer(start: buffer.pointer, count: count)
            let received = UnsafeMutableBufferPointer(start: buffer.pointer, count: count)
            var times: [Double] = []
            for _ in 0..<(quick ? 13 : 33) {
                try world.barrier()
                let start = World.wallTime()
                if world.rank == 0 {
                    try world.send(sent, to: 1)
                    try world.receive(into: received, from: 1)
                } else if world.rank == 1 {
                    try world.receive(into: received, from: 0)
                    try world.send(sent, to: 0)
                }
                times.append((World.wallTime() - start) / 2)
            }
            let median = times.sorted()[times.count / 2]
            measured.append(.init(bytes: Double(4 * count), seconds: try world.broadcast(median, from: 0)))
        }
        return measured
    }
}
