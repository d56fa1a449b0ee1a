internal import Numbers
internal import Reading

/// How long a matrix product of m × k by k × n takes on a device that gives tiles of 128 × 128 to its units, in waves:
/// `waves · units · 2·128² · (k + fill) / (sustained · peak) + overhead`.
///
/// A product of w waves is counted as (1 − quantised)·max(w, 1) + quantised·⌈w⌉ of them: kernels split tiles over the
/// last wave in part.
package struct MatmulShape: Hashable, Codable, Sendable {
    /// Multiprocessors.
    package var units: Double
    /// Share of the datasheet peak a long product of whole waves reaches.
    package var sustained: Double
    /// Depth a tile costs beyond its own k: loading the first operands, storing the result.
    package var fill: Double
    /// Share of the last wave's idle tiles that is paid for.
    package var quantised: Double
    /// Seconds a product costs beside its tiles.
    package var overhead: Double

    package init(units: Double, sustained: Double, fill: Double, quantised: Double, overhead: Double) {
        self.units = units
        self.sustained = sustained
        self.fill = fill
        self.quantised = quantised
        self.overhead = overhead
    }

    /// Edge of a tile.
    package static let tile = 128.0
}

extension MatmulShape {
    /// Reads `matmulShape:`; reports what is missing.
    init?(_ reader: FieldReader) {
        let units = reader.count("units", in: 1...1_000_000)
        let sustained = reader.number("sustained", .share, in: 1e-6...1)
        let fill = reader.number("fill", .count, in: 0...1e6)
        let quantised = reader.number("quantised", .share, in: 0...1)
        let overhead = reader.number("overhead", .seconds, in: 0...1)
        for (key, fix) in [
            ("units", "multiprocessors, e.g. 108"), ("sustained", "e.g. 0.8"), ("fill", "e.g. 128"),
            ("quantised", "e.g. 0.5"), ("overhead", "e.g. 3 us"),
        ] {
            reader.reportMissing(key, fix: fix)
        }
        reader.finish()
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
