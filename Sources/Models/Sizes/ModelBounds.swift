package import Reading

extension Bounds {
    package static let layers = 1...10_000
    package static let hidden = 1...1_048_576
    package static let heads = 1...16_384
    package static let headSize = 1...4_096
    package static let ffn = 1...16_777_216
    package static let vocab = 2...100_000_000
    package static let sequence = 1...100_000_000
    /// Modules for multi-token prediction.
    package static let mtpLayers = 1...64
    /// Parameters of a whole model: a thousand times those of the largest model trained. With this limit, counts of
    /// bytes and of parameters with their states stay inside 64 bits.
    package static let parameters = 1...1_000_000_000_000_000
}
