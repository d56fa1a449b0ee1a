internal import Numbers
internal import Schedules

/// Bars made of block characters, in eighths of a column.
package enum Bar {
    private static let eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

    /// A bar over `share` (0 to 1) of `width` columns.
    package static func filled(_ share: Double, width: Int) -> String {
        guard share.isFinite, share > 0 else { return "" }
        let total = Int(saturating: (min(share, 1) * Double(width) * 8).rounded())
        // A share above zero is drawn with at least one eighth.
        let eighth = max(total, 1)
        return String(repeating: "█", count: eighth / 8) + eighths[eighth % 8]
    }

    /// A bar over `share` of `width` columns, the rest dotted.
    package static func gauge(_ share: Double, width: Int) -> String {
        let full = min(width, max(0, Int(saturating: (share.isFinite ? min(share, 1) * Double(width) : 0).rounded())))
        return String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
    }
}
