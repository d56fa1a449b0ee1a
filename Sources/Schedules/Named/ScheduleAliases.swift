/// The names that papers and other tools give to the schedules.
extension ScheduleName {
    /// The schedule of a name: its own, or one of the field's (`zb1p`, `ZBVZeroBubble`, `Schedule1F1B`, `DualPipeV` …).
    /// Capitals, hyphens, underscores and spaces do not matter; neither does PyTorch's `Schedule` in front.
    package init?(named name: String) {
        if let exact = ScheduleName(rawValue: name) {
            self = exact
            return
        }
        var key = Self.key(name)
        if key.hasPrefix("schedule") { key.removeFirst("schedule".count) }
        guard let known = ScheduleName.allCases.first(where: { $0.keys.contains(key) }) else { return nil }
        self = known
    }

    /// The schedule's names as they are compared.
    private var keys: [String] { ([rawValue] + aliases).map(Self.key) }

    /// A name without capitals, hyphens, underscores and spaces.
    private static func key(_ name: String) -> String {
        name.lowercased().filter { $0 != "-" && $0 != "_" && $0 != " " }
    }
}
