package import Plans

/// Bytes on each device of one pipeline rank.
package struct RankMemory: Hashable, Codable, Sendable {
    package var rank: Int
    package var weights: Double
    package var gradients: Double
    package var optimizer: Double
    package var activations: Double
    /// Bytes of logits, communication buffers, driver and libraries, and fragmentation.
    package var other: Double
    /// The part of `other` that the allocator holds and no tensor uses.
    package var unused: Double
    /// The part of `other` that the allocator never sees.
    package var outside: Double
    /// Bytes in the memory of the device's host, which no other figure counts.
    package var host: Double

    package init(
        rank: Int, weights: Double, gradients: Double, optimizer: Double, activations: Double, other: Double,
        unused: Double = 0, outside: Double = 0, host: Double = 0
    ) {
        self.host = host
        self.unused = unused
        self.outside = outside
        self.rank = rank
        self.weights = weights
        self.gradients = gradients
        self.optimizer = optimizer
        self.activations = activations
        self.other = other
    }

    package var peak: Double { weights + gradients + optimizer + activations + other }

    /// Peak bytes by the kind of memory counted: of the whole device, of the allocator, or of tensors only.
    package func peak(_ kind: MemoryKind) -> Double {
        switch kind {
        case .device: peak
        case .reserved: peak - outside
        case .allocated: peak - outside - unused
        }
    }
}
