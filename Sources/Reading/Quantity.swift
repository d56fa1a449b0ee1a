internal import Numbers

/// A number as people write it: `3e12`, `3T`, `100B`, `80 GiB`, `900 GB/s`, `989 TFLOP/s`, `90d`, `76 %`.
package enum Quantity {
    /// The kind of quantity, which decides the units a number may carry.
    package enum Unit: String, Sendable {
        /// Countable things: tokens, parameters, sequences. Suffixes K, M, B (or G), T, P. Whole numbers may be grouped
        /// by commas.
        case count
        /// Bytes: B, KiB, MiB, GiB, TiB or kB, MB, GB, TB.
        case bytes
        /// Bytes a second: GB/s, or Gb/s and Gbps for bits.
        case bytesPerSecond
        /// Bits a second, in units of 10⁹ unless another unit is written.
        case gigabits
        /// Floating-point operations a second: GFLOP/s, TFLOP/s, PFLOP/s.
        case flops
        /// Seconds: ns, us, ms, s, min, h, d.
        case seconds
        /// A fraction of one: 0.76 or 76 %.
        case share
        /// Watts: W, kW.
        case watts
        /// Mass of CO2 for an energy, in grams a kilowatt-hour: g/kWh, kg/kWh, t/MWh.
        case gridFactor
        /// A plain number without a unit.
        case plain

        /// Units that a bare number is asked to carry; empty: none.
        var words: [String] {
            switch self {
            case .bytes: ["MiB", "GiB"]
            case .bytesPerSecond: ["GB/s", "Gb/s"]
            case .flops: ["TFLOP/s"]
            case .seconds: ["us", "ms", "s"]
            case .watts: ["W"]
            case .gridFactor: ["g/kWh", "kg/kWh"]
            case .count, .gigabits, .share, .plain: []
            }
        }

        /// The unit of the base as it is written; nil: a number alone.
        fileprivate var base: String? {
            switch self {
            case .bytes: "B"
            case .bytesPerSecond: "B/s"
            case .flops: "FLOP/s"
            case .seconds: "s"
            case .watts: "W"
            case .gridFactor: "g/kWh"
            case .gigabits: "Gb/s"
            case .count, .share, .plain: nil
            }
        }

        /// Larger and smaller units that figures are written in, with their size in the base.
        fileprivate var scales: [(word: String, size: Double)] {
            switch self {
            case .count: [("T", 1e12), ("B", 1e9), ("M", 1e6)]
            case .bytes:
                [
                    ("TiB", 0x1p40), ("GiB", 0x1p30), ("MiB", 0x1p20), ("KiB", 0x1p10), ("TB", 1e12), ("GB", 1e9),
                    ("MB", 1e6),
                ]
            case .bytesPerSecond: [("TB/s", 1e12), ("GB/s", 1e9), ("MB/s", 1e6)]
            case .flops: [("PFLOP/s", 1e15), ("TFLOP/s", 1e12), ("GFLOP/s", 1e9)]
            case .seconds: [("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("h", 3600)]
            case .watts: [("kW", 1e3)]
            case .gigabits, .gridFactor, .share, .plain: []
            }
        }

        /// Example of such a quantity, for messages.
        package var example: String {
            switch self {
            case .count: "a number such as 300e9, 300B or 3T"
            case .bytes: "an amount of memory such as 80 GiB"
            case .bytesPerSecond: "a bandwidth such as 300 GB/s"
            case .gigabits: "a link speed in Gb/s such as 200"
            case .flops: "a rate such as 312 TFLOP/s"
            case .seconds: "a time such as 5 us, 90 s or 90d"
            case .share: "a share such as 0.76 or 76 %"
            case .watts: "a power such as 400 W"
            case .gridFactor: "grams of CO2 for a kilowatt-hour such as 57 g/kWh"
            case .plain: "a number such as 0.5 or 3e-4"
            }
        }
    }

    /// `value`, which is in the base of `unit`, as people write it: `10B`, `19.9 us`. Reading the text gives the same value.
    package static func written(_ value: Double, as unit: Unit) -> String {
        let base = "\(Figures.plain(value))\(unit.base.map { " \($0)" } ?? "")"
        let scaled = unit.scales.flatMap { word, size -> [String] in
            let mantissa = value / size
            guard (1..<1e6).contains(mantissa) else { return [] }
            // Division may leave the last digits of a short number; nobody writes the tenth behind the point.
            let short = (mantissa * 1e9).rounded() / 1e9
            return [mantissa, short].map { "\(Figures.plain($0))\(unit == .count ? "" : " ")\(word)" }
        }
        let texts = [base] + scaled
        return texts.filter { !$0.contains("e") || $0.contains("bytes") }
            .filter { (try? parse($0, as: unit)) == value }
            .enumerated().min { ($0.element.count, $0.offset) < ($1.element.count, $1.offset) }?.element ?? base
    }

    package enum Failure: Error, Hashable, Sendable {
        /// The text is not a number of this unit.
        case malformed
        /// The number starts with a zero, as in `010`: octal in YAML 1.1 and decimal in YAML 1.2, so its meaning is
        /// unknown.
        case leadingZero
        /// The number is NaN, infinite, or too large.
        case notFinite
    }

    /// The value of `text` in the unit's base (things, bytes, bytes a second, Gb/s, FLOP/s, seconds, a fraction,
    /// watts, g/kWh).
    package static func parse(_ text: String, as unit: Unit) throws(Failure) -> Double {
        let trimmed = unit == .count ? Count.ungrouped(text.trimmed) : text.trimmed
        let bare = trimmed.lowercased().drop { $0 == "+" || $0 == "-" || $0 == "." }
        if ["nan", "inf", "infinity"].contains(String(bare)) { throw .notFinite }

        var rest = Substring(trimmed)
        var digits = ""
        if let sign = rest.first, sign == "+" || sign == "-" {
            digits.append(sign)
            rest.removeFirst()
        }
        let whole = takeDigits(&rest)
        digits += whole
        var fraction = ""
        if rest.first == "." {
            rest.removeFirst()
            fraction = takeDigits(&rest)
            digits += "." + (fraction.isEmpty ? "0" : fraction)
        }
        guard !whole.isEmpty || !fraction.isEmpty else { throw .malformed }
        if whole.count > 1, whole.first == "0" { throw .leadingZero }
        if whole.isEmpty { digits = digits.replacing(".", with: "0.", maxReplacements: 1) }
        if let exponent = takeExponent(&rest) { digits += "e" + exponent }

        guard let factor = factor(String(rest).trimmed, unit: unit) else { throw .malformed }
        guard let mantissa = Double(digits) else { throw .malformed }
        let value = mantissa * factor
        guard value.isFinite else { throw .notFinite }
        return value
    }

    /// Takes digits from `rest`, with `_` allowed between them as in `1_000_000`.
    private static func takeDigits(_ rest: inout Substring) -> String {
        var out = ""
        while let c = rest.first {
            if c.isASCII, c.isNumber {
                out.append(c)
            } else if c != "_" || out.isEmpty || rest.dropFirst().first.map({ $0.isASCII && $0.isNumber }) != true {
                break
            }
            rest.removeFirst()
        }
        return out
    }

    /// Takes an exponent such as `e12` or `E-4` from `rest`. nil: a unit follows, and `rest` is unchanged.
    private static func takeExponent(_ rest: inout Substring) -> String? {
        guard rest.first == "e" || rest.first == "E" else { return nil }
        var tail = rest.dropFirst()
        var sign = ""
        if let c = tail.first, c == "+" || c == "-" {
            sign = String(c)
            tail.removeFirst()
        }
        let digits = takeDigits(&tail)
        guard !digits.isEmpty else { return nil }
        rest = tail
        return sign + digits
    }

    /// The value of one written unit in the base unit; nil for an unknown unit.
    private static func factor(_ suffix: String, unit: Unit) -> Double? {
        if suffix.isEmpty { return 1 }
        switch unit {
        case .count:
            return counts[suffix]
        case .bytes:
            return byteUnits[suffix]
        case .bytesPerSecond:
            if let bits = bitRates[suffix] { return bits / 8 }
            guard suffix.hasSuffix("/s") else { return nil }
            return byteUnits[String(suffix.dropLast(2)).trimmed]
        case .gigabits:
            return bitRates[suffix].map { $0 / 1e9 }
        case .flops:
            for ending in ["FLOP/s", "FLOPs", "FLOPS", "FLOP", "flops", "OP/s", ""] where suffix.hasSuffix(ending) {
                let prefix = String(suffix.dropLast(ending.count)).trimmed
                return prefix.isEmpty ? 1 : ["M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18][prefix]
            }
            return nil
        case .seconds:
            return times[suffix]
        case .share:
            return suffix == "%" ? 0.01 : nil
        case .watts:
            return ["W": 1, "kW": 1e3][suffix]
        case .gridFactor:
            return ["g/kWh": 1, "kg/MWh": 1, "kg/kWh": 1e3, "t/MWh": 1e3][suffix]
        case .plain:
            return nil
        }
    }

    private static let counts: [String: Double] = [
        "k": 1e3, "K": 1e3, "m": 1e6, "M": 1e6, "b": 1e9, "B": 1e9, "G": 1e9, "t": 1e12, "T": 1e12, "P": 1e15,
    ]
    private static let byteUnits: [String: Double] = [
        "B": 1, "bytes": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15,
        "KiB": 0x1p10, "MiB": 0x1p20, "GiB": 0x1p30, "TiB": 0x1p40, "PiB": 0x1p50,
    ]
    private static let bitRates: [String: Double] = [
        "Mb/s": 1e6, "Mbps": 1e6, "Mbit/s": 1e6, "Gb/s": 1e9, "Gbps": 1e9, "Gbit/s": 1e9, "Tb/s": 1e12, "Tbps": 1e12,
        "Tbit/s": 1e12,
    ]
    private static let times: [String: Double] = [
        "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "min": 60, "h": 3600,
        "hours": 3600, "d": 86_400, "days": 86_400, "y": 31_557_600, "years": 31_557_600,
    ]
}

extension String {
    /// The text without white space at both ends.
    package var trimmed: String {
        let body = drop { $0.isWhitespace }
        guard let end = body.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(body[...end])
    }
}
