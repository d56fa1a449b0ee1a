package import Reading

extension Bounds {
    package static let steps = 1...1_000_000_000
    package static let tokens = 1.0...1e18
}
