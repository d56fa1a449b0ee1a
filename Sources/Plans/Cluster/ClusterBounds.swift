package import Reading

extension Bounds {
    package static let devices = 1...10_000_000
}
