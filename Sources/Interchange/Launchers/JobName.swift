internal import Numbers

/// A plan's name in the form that a system takes. No character that a shell, a file name or YAML reads in a way of its own
/// is left.
enum JobName {
    /// Letters, digits, `.`, `_` and `-`, a letter first: a name of Slurm, PBS, LSF or SkyPilot, and of a folder.
    static func plain(_ name: String, most: Int = 63) -> String {
        cut(kept(name) { letters.contains($0) || digits.contains($0) || $0 == "." || $0 == "_" }, most)
    }

    /// A DNS label of RFC 1035, which RFC 1123 takes too: lower-case letters, digits and `-`, a letter first.
    static func label(_ name: String, most: Int = 63) -> String {
        cut(kept(name.lowercased()) { letters.contains($0) || digits.contains($0) }, most)
    }

    /// The name of a folder. Two names that differ are never one folder: checkpoints of one plan are not another's.
    static func folder(_ name: String) -> String {
        let own = plain(name, most: 54)
        guard own != name else { return own }
        return own + "-" + Figures.padded(String(hash(name), radix: 16), to: 8)
    }

    private static let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".unicodeScalars
    private static let digits = "0123456789".unicodeScalars

    /// The name with a single `-` for what `isKept` does not keep.
    private static func kept(_ name: String, _ isKept: (Unicode.Scalar) -> Bool) -> String {
        var made = String.UnicodeScalarView()
        for scalar in name.unicodeScalars {
            if isKept(scalar) { made.append(scalar) } else if made.last != "-" { made.append("-") }
        }
        return String(made)
    }

    private static func cut(_ name: String, _ most: Int) -> String {
        var made = name.drop { $0 == "-" || $0 == "." || $0 == "_" }
        if let first = made.first, first.isNumber { made = "job-" + made }
        made = made.prefix(max(1, most))
        while let last = made.last, last == "-" || last == "." || last == "_" { made.removeLast() }
        return made.isEmpty ? "plan" : String(made)
    }

    /// FNV-1a in 32 bits.
    private static func hash(_ text: String) -> UInt32 {
        text.utf8.reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 }
    }
}
