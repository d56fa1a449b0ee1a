/// The largest values a file or an option may hold. Far beyond anything built, they keep products of counts inside 64
/// bits and turn a slip of the finger into a message.
package enum Bounds {
    package static let layers = 1...10_000
    package static let hidden = 1...1_048_576
    package static let heads = 1...16_384
    package static let headSize = 1...4_096
    package static let ffn = 1...16_777_216
    package static let vocab = 2...100_000_000
    package static let sequence = 1...100_000_000
    /// Parameters of a whole model, a thousand times those of the largest trained: with them, counts of bytes and of
    /// parameters with their states stay inside 64 bits.
    package static let parameters = 1...1_000_000_000_000_000
    package static let devices = 1...10_000_000
    package static let degree = 1...1_000_000
    package static let batch = 1...100_000_000
    package static let steps = 1...1_000_000_000
    package static let tokens = 1.0...1e18
    /// Dollars a device-hour.
    package static let price = 0.0...1e6
    /// Anything above zero that is not absurd.
    package static let positive = Double.leastNonzeroMagnitude...1e30
}
