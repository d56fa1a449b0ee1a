internal import Numbers
internal import Schedules

/// A bar of eighths of a column, readable without colour.
package enum Bar {
    private static let eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

    /// `share` (0 to 1) of `width` columns, without what is left of them.
    package static func filled(_ share: Double, width: Int) -> String {
        guard share.isFinite, share > 0 else { return "" }
        let total = Int(saturating: (min(share, 1) * Double(width) * 8).rounded())
        // Something is never drawn as nothing.
        let eighth = max(total, 1)
        return String(repeating: "█", count: eighth / 8) + eighths[eighth % 8]
    }

    /// `share` of `width` columns with the rest dotted in.
    package static func gauge(_ share: Double, width: Int) -> String {
        let full = min(width, max(0, Int(saturating: (share.isFinite ? min(share, 1) * Double(width) : 0).rounded())))
        return String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
    }
}
