package import MPI
package import Plans
internal import Tensors

/// What this machine does at a plan's shapes, measured by every process of the job at once, as in a real run: the
/// processes share memory bandwidth, caches and clock.
package struct MachineProbe: Hashable, Codable, Sendable {
    /// One matrix product C[m, n] += A[m, k]·B[k, n].
    package struct Product: Hashable, Codable, Sendable {
        package var m: Int
        package var n: Int
        package var k: Int
        package var seconds: Double
    }

    /// Causal attention over one micro-batch.
    package struct Attention: Hashable, Codable, Sendable {
        package var sequences: Int
        package var sequence: Int
        package var heads: Int
        package var headSize: Int
        package var forwardSeconds: Double
        package var backwardSeconds: Double
    }

    /// A message or collective of this many bytes.
    package struct Message: Hashable, Codable, Sendable {
        package var bytes: Double
        package var seconds: Double
    }

    package var processes: Int
    /// FLOP/s of register-to-register multiply-adds, one process: the peak.
    package var peakFLOPs: Double
    package var products: [Product]
    package var attention: [Attention]
    /// Bytes the element-wise kernels of one block read and write, forward and backward, and what they take.
    package var elementwise: Message
    /// Bytes an AdamW step reads and writes, and what it takes.
    package var optimizer: Message
    /// One-way messages between two neighbouring processes; empty for one process.
    package var transfers: [Message]
    /// All-reduces over all processes; empty for one process.
    package var allReduces: [Message]

    /// Measures. Every rank of `world` calls it; the figures are means over the ranks, the same on all of them.
    package init(model: Model, sequences: Int, quick: Bool, world: Communicator) throws(MPIError) {
        let effort = KernelProbe.Effort(repeats: quick ? 5 : 21)
        let rows = sequences * model.sequence
        let hidden = model.hidden
        func mean(_ seconds: Double) throws(MPIError) -> Double {
            try world.allReduce(seconds, .sum) / Double(world.size)
        }
        processes = world.size
        try world.barrier()
        peakFLOPs = try mean(KernelProbe.peakRate(effort: effort))

        var products: [Product] = []
        var shapes: [(Int, Int, Int)] = []
        let linears = [(hidden, 3 * hidden), (hidden, hidden), (hidden, model.ffn), (model.ffn, hidden), (hidden, model.vocab)]
        for (inputs, outputs) in linears {
            shapes += [(rows, outputs, inputs), (rows, inputs, outputs), (inputs, outputs, rows)]
        }
        // Half and a quarter of the rows as well, so that the curve holds for other micro-batches.
        shapes += [(rows / 2, 3 * hidden, hidden), (rows / 4, hidden, hidden), (64, 64, 64), (128, 128, 128)]
        for (index, (m, n, k)) in shapes.enumerated() where m > 0 {
            try world.barrier()
            // The third pass of a linear layer is the weight gradient, summed up in place.
            let isWeightGradient = index % 3 == 2 && index < 3 * linears.count
            let seconds = KernelProbe.matrixProduct(
                m: m, n: n, k: k, transposeA: isWeightGradient,
                transposeB: index % 3 == 1 && index < 3 * linears.count, accumulate: isWeightGradient, effort: effort)
            products.append(Product(m: m, n: n, k: k, seconds: try mean(seconds)))
        }
        self.products = products

        var attention: [Attention] = []
        for length in Set([model.sequence / 2, model.sequence]).sorted() where length > 0 {
            try world.barrier()
            let times = KernelProbe.attention(
                batch: sequences, sequence: length, heads: model.heads, headSize: model.headSize, effort: effort)
            attention.append(
                Attention(
                    sequences: sequences, sequence: length, heads: model.heads, headSize: model.headSize,
                    forwardSeconds: try mean(times.forward), backwardSeconds: try mean(times.inputGradient)))
        }
        self.attention = attention

        try world.barrier()
        let norm = KernelProbe.layerNorm(rows: rows, width: hidden, effort: effort)
        let gelu = KernelProbe.gelu(rows: rows, width: model.ffn, effort: effort)
        let kernels =
            2 * (norm.forward + norm.inputGradient + norm.weightGradient) + gelu.forward + gelu.inputGradient
        elementwise = Message(
            bytes: MachineProbe.blockElementwiseBytes(rows: rows, hidden: hidden, ffn: model.ffn),
            seconds: try mean(kernels))
        let parameters = max(1 << 20, 12 * hidden * hidden)
        try world.barrier()
        // Reads weight, gradient and two moments, writes all but the gradient: 28 bytes a parameter.
        optimizer = Message(
            bytes: 28 * Double(parameters), seconds: try mean(KernelProbe.adamW(count: parameters, effort: effort)))
        let sizes = quick ? [4096, 1 << 16, 1 << 20, 1 << 22] : (12...25).map { 1 << $0 }
        transfers = []
        allReduces = []
        guard world.size > 1 else { return }
        for bytes in sizes {
            transfers.append(Message(bytes: Double(bytes), seconds: try Self.pingPong(world, bytes: bytes)))
            allReduces.append(Message(bytes: Double(bytes), seconds: try Self.allReduce(world, bytes: bytes)))
        }
    }

    /// fp32 bytes that norms, activation and residual sums of one block move, forward and backward, every operand read
    /// and every result written once: norms 2·(read 2, write 2 + read 3, write 1 + read 2)·H, GELU (2 + 3)·F a row.
    package static func blockElementwiseBytes(rows: Int, hidden: Int, ffn: Int) -> Double {
        4 * Double(rows) * (2 * 10 * Double(hidden) + 5 * Double(ffn))
    }

    /// Median one-way seconds between ranks 0 and 1.
    private static func pingPong(_ world: Communicator, bytes: Int) throws(MPIError) -> Double {
        let buffer = FloatStorage(count: bytes / 4)
        let sent = UnsafeBufferPointer(start: buffer.pointer, count: bytes / 4)
        let received = UnsafeMutableBufferPointer(start: buffer.pointer, count: bytes / 4)
        var times: [Double] = []
        for _ in 0..<12 {
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
        let median = times.dropFirst(2).sorted()[5]
        return try world.broadcast(median, from: 0)
    }

    private static func allReduce(_ world: Communicator, bytes: Int) throws(MPIError) -> Double {
        let buffer = FloatStorage(count: bytes / 4)
        var times: [Double] = []
        for _ in 0..<12 {
            try world.barrier()
            let start = World.wallTime()
            try world.allReduceInPlace(UnsafeMutableBufferPointer(start: buffer.pointer, count: bytes / 4))
            times.append(World.wallTime() - start)
        }
        let median = times.dropFirst(2).sorted()[5]
        return try world.broadcast(median, from: 0)
    }
}
