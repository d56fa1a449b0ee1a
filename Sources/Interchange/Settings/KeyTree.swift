/// Entries with paths as nested maps of YAML.
enum KeyTree {
    /// The lines of `entries`. Maps stand where their first key does.
    /// - Parameters:
    ///   - path: the keys that lead to an entry.
    ///   - line: the line of an entry, behind its indented key.
    static func lines<Entry>(
        _ entries: [Entry], depth: Int = 0, path: (Entry) -> [String], line: (_ key: String, Entry) -> String
    ) -> [String] {
        let indent = String(repeating: "  ", count: depth)
        var done: Set<String> = []
        return entries.flatMap { entry -> [String] in
            let key = path(entry)[depth]
            guard done.insert(key).inserted else { return [] }
            let inner = entries.filter { path($0).count > depth + 1 && path($0)[depth] == key }
            guard !inner.isEmpty else { return [line("\(indent)\(key): ", entry)] }
            return ["\(indent)\(key):"] + lines(inner, depth: depth + 1, path: path, line: line)
        }
    }
}
