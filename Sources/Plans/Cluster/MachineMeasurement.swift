/// Measurements of `trainyard calibrate` on one machine at a plan's shapes. All processes run at once, as in a real
/// run, since they share memory bandwidth, caches and clock. Seconds are means over the processes.
package struct MachineMeasurement: Hashable, Codable, Sendable {
    /// One matrix product C[m, n] = A[m, k]·B[k, n].
    package struct Product: Hashable, Codable, Sendable {
        package var m: Int
        package var n: Int
        package var k: Int
        package var seconds: Double

        package init(m: Int, n: Int, k: Int, seconds: Double) {
            self.m = m
            self.n = n
            self.k = k
            self.seconds = seconds
        }

        package var flops: Double { 2 * Double(m) * Double(n) * Double(k) }
    }

    /// Causal attention over one micro-batch.
    package struct Attention: Hashable, Codable, Sendable {
        package var sequences: Int
        package var sequence: Int
        /// Numbers in a row: heads · head size.
        package var width: Int
        package var forwardSeconds: Double
        package var backwardSeconds: Double

        package init(sequences: Int, sequence: Int, width: Int, forwardSeconds: Double, backwardSeconds: Double) {
            self.sequences = sequences
            self.sequence = sequence
            self.width = width
            self.forwardSeconds = forwardSeconds
            self.backwardSeconds = backwardSeconds
        }
    }

    /// One message between two processes.
    package struct Message: Hashable, Codable, Sendable {
        package var bytes: Double
        package var seconds: Double

        package init(bytes: Double, seconds: Double) {
            self.bytes = bytes
            self.seconds = seconds
        }
    }

    package var processes: Int
    package var cores: Int
    /// Memory of the machine, bytes.
    package var memoryBytes: Double
    /// Peak: fp32 multiply-adds between registers in one process, FLOP/s.
    package var peakFLOPs: Double
    /// Seconds of a kernel call that does next to nothing.
    package var callSeconds: Double
    package var products: [Product]
    package var attention: [Attention]
    /// Rows of the micro-batch on which the elementwise kernels were measured.
    package var rows: Int
    /// Seconds of norms, activation, residual sums and bias gradients of one block, forward and backward.
    package var elementwiseSeconds: Double
    /// Messages in one direction between two neighbouring processes; empty if there is one process.
    package var transfers: [Message]
    /// Noise of the measurement: 90th percentile over median of the first product's repeats, minus one. Small on a
    /// quiet machine.
    package var spread: Double

    package init(
        processes: Int, cores: Int, memoryBytes: Double, peakFLOPs: Double, callSeconds: Double, products: [Product],
        attention: [Attention], rows: Int, elementwiseSeconds: Double, transfers: [Message], spread: Double = 0
    ) {
        self.spread = spread
        self.processes = processes
        self.cores = cores
        self.memoryBytes = memoryBytes
        self.peakFLOPs = peakFLOPs
        self.callSeconds = callSeconds
        self.products = products
        self.attention = attention
        self.rows = rows
        self.elementwiseSeconds = elementwiseSeconds
        self.transfers = transfers
    }
}
