internal import Numbers
internal import Reading

/// Seconds of a matrix product of m × k by k × n on a device whose units compute tiles of 128 × 128 in waves: `waves ·
/// units · 2·128² · (k + fill) / (sustained · peak) + overhead`.
///
/// A product of w waves counts as (1 − quantised)·max(w, 1) + quantised·⌈w⌉ waves, because kernels split some tiles of
/// the last wave among idle units.
package struct MatmulShape: Hashable, Codable, Sendable {
    /// Multiprocessors of the device.
    package var units: Double
    /// Fraction of the datasheet peak that a deep product of whole waves reaches.
    package var sustained: Double
    /// Cost of a tile beyond its own k, as a depth: loading the first operands, storing the result.
    package var fill: Double
    /// Fraction of the last wave's idle tiles whose time is lost.
    package var quantised: Double
    /// Seconds of a product beyond its tiles.
    package var overhead: Double

    package init(units: Double, sustained: Double, fill: Double, quantised: Double, overhead: Double) {
        self.units = units
        self.sustained = sustained
        self.fill = fill
        self.quantised = quantised
        self.overhead = overhead
    }

    /// Rows and columns of a tile.
    package static let tile = 128.0
}

extension MatmulShape {
    /// Reads `matmulShape:`. nil, after a report, if something is missing.
    init?(_ reader: FieldReader) {
        let units = reader.count("units", in: 1...1_000_000)
        let sustained = reader.number("sustained", .share, in: 1e-6...1)
        let fill = reader.number("fill", .count, in: 0...1e6)
        let quantised = reader.number("quantised", .share, in: 0...1)
        let overhead = reader.quantity("overhead", .seconds, in: 0...1)
        for (key, fix) in [
            ("units", "multiprocessors, e.g. 108"), ("sustained", "e.g. 0.8"), ("fill", "e.g. 128"),
            ("quantised", "e.g. 0.5"), ("overhead", "e.g. 3 us"),
        ] {
            reader.reportMissing(key, fix: fix)
        }
        reader.reportUnknownKeys()
        guard let units, let sustained, let fill, let quantised, let overhead else { return nil }
        self.init(
            units: Double(units), sustained: sustained, fill: fill, quantised: quantised, overhead: overhead)
    }

    /// The lines of a cluster file that read back to an equal value.
    var yaml: [String] {
        [
            "units: \(Int(saturating: units))", "sustained: \(sustained)", "fill: \(fill)", "quantised: \(quantised)",
            "overhead: \(overhead) s",
        ]
    }
}
