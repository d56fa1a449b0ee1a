/// What `trainyard calibrate` measured on one machine at a plan's shapes, by every process at once as in a real run: the
/// processes share memory bandwidth, caches and clock. Seconds are means over the processes.
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
        /// heads · head size.
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

    /// A message of this many bytes.
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
    /// fp32 multiply-adds between registers in one process, FLOP/s: the peak.
    package var peakFLOPs: Double
    /// A call that does next to nothing, seconds.
    package var callSeconds: Double
    package var products: [Product]
    package var attention: [Attention]
    /// Rows of the micro-batch the element-wise kernels were measured at.
    package var rows: Int
    /// Norms, activation, residual sums and bias gradients of one block, forward and backward.
    package var elementwiseSeconds: Double
    /// One-way messages between two neighbouring processes; empty for one process.
    package var transfers: [Message]
    /// Ninth tenth of the repeats of the first product over their median, less one: small on a quiet machine.
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
