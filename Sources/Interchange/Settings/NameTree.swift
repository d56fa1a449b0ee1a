import Reading

/// Names that a tool knows, by the sections that hold them.
struct NameTree {
    /// Names below a section, by the section's dotted path; the root's is empty.
    private var below: [String: Set<String>] = [:]

    init(_ names: [String]) {
        for name in names {
            var path = ""
            for part in name.split(separator: ".").map(String.init) {
                below[path, default: []].insert(part)
                path = path.isEmpty ? part : "\(path).\(part)"
            }
        }
    }

    /// A name, or a section around it, that is probably meant otherwise.
    struct Slip {
        /// The section and the sections around it, or the whole name.
        var path: String
        var own: String
        var nearest: String
        var isSection: Bool

        var rule: String { isSection ? "has an unknown section '\(own)'" : "unknown setting" }
        var fix: String { "did you mean '\(nearest)'?" }
    }

    /// The first part of a name that is unknown where it stands and a slip of the pen away from a known one; nil: none is. What
    /// is neither known nor near is the tool's own business.
    /// - Parameter isThere: whether the file has the setting of a name. A name that is there was hardly meant another time.
    func slip(_ name: String, isThere: (String) -> Bool) -> Slip? {
        var path = ""
        let parts = name.split(separator: ".").map(String.init)
        for (index, part) in parts.enumerated() {
            guard let known = below[path] else { return nil }
            let isSection = index < parts.count - 1
            let full = path.isEmpty ? part : "\(path).\(part)"
            if !known.contains(part) {
                let candidates = known.filter { candidate in
                    isSection || !isThere(path.isEmpty ? candidate : "\(path).\(candidate)")
                }
                guard let nearest = Self.nearest(part, among: candidates) else { return nil }
                return Slip(path: full, own: part, nearest: nearest, isSection: isSection)
            }
            path = full
        }
        return nil
    }

    /// The name that a word of `names` is a slip of the pen away from: two letters, or one of a short word.
    static func nearest(_ word: String, among names: some Sequence<String>) -> String? {
        guard let nearest = Spelling.nearest(to: word, among: names.sorted()) else { return nil }
        return Spelling.distance(word, nearest) <= (word.count < 5 ? 1 : 2) ? nearest : nil
    }
}
