/// The largest values a file may hold. Far beyond anything built, they keep products of counts inside 64 bits and turn
/// a slip of the finger into a message.
enum Bounds {
    static let layers = 1...10_000
    static let hidden = 1...1_048_576
    static let heads = 1...16_384
    static let headSize = 1...4_096
    static let ffn = 1...16_777_216
    static let vocab = 2...100_000_000
    static let sequence = 1...100_000_000
    static let devices = 1...10_000_000
    static let degree = 1...1_000_000
    static let batch = 1...100_000_000
    static let steps = 1...1_000_000_000
    static let tokens = 1.0...1e18
    /// Anything above zero that is not absurd.
    static let positive = Double.leastNonzeroMagnitude...1e30
}
