/// Keys of a plan that have no valid value: missing, misspelt or wrong. Rules that read one of them cannot be asked.
package struct UnknownKeys: Hashable, Sendable {
    /// Dotted paths. A path stands for all keys behind it.
    private var paths: Set<String> = []

    package init(_ paths: [String] = []) { self.paths = Set(paths) }

    package mutating func formUnion(_ more: [String]) { paths.formUnion(more) }

    /// Makes the keys of the map `other` unknown that are unknown in `map`, from which it takes its values.
    mutating func follow(_ map: String, as other: String) {
        paths.formUnion(
            paths.filter { $0 == map || $0.hasPrefix(map + ".") }.map { other + $0.dropFirst(map.count) })
    }

    /// Whether `key` has no valid value, or a map that holds it.
    package func covers(_ key: String) -> Bool {
        !paths.isEmpty && (paths.contains(key) || paths.contains { key.hasPrefix($0 + ".") })
    }

    /// Whether `key`, a map that holds it or a key of the map behind it has no valid value. A model is known although
    /// one of its keys is wrong: its other keys can be asked for.
    package func touches(_ key: String) -> Bool {
        covers(key) || key != "model" && paths.contains { $0.hasPrefix(key + ".") }
    }
}
