package import Reading

extension Bounds {
    package static let devices = 1...10_000_000
    /// Dollars for a device-hour.
    package static let price = 0.0...1e6
}
