package import Reading

extension Bounds {
    package static let degree = 1...1_000_000
    package static let batch = 1...100_000_000
}
