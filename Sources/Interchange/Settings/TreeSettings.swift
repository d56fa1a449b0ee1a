package import Reading
internal import Yams

/// Settings of files that are trees of keys: YAML and JSON.
package enum TreeSettings {
    /// The settings of a YAML or JSON text by dotted keys. Items of a list of maps have their index as key.
    /// - Throws: the mistake of the syntax, with line and column.
    package static func read(text: String, name: String) throws(PlanProblems) -> [Setting] {
        let root = try YAMLFile.compose(text: text, name: name)
        guard case .mapping = root else {
            throw PlanProblems([
                PlanProblem(file: name, line: 1, column: 1, field: "", rule: "must be a map of keys and values")
            ])
        }
        var settings: [Setting] = []
        var left = Self.most
        flatten(root, path: "", place: (1, 1), into: &settings, depth: 0, left: &left)
        guard left > 0 else {
            throw PlanProblems([
                PlanProblem(
                    file: name, field: "",
                    rule: "holds over \(Self.most) values, those behind anchors counted each time",
                    fix: "no configuration of a tool is so large")
            ])
        }
        return settings
    }

    /// Nested maps beyond this depth are no configuration of a tool.
    private static let deepest = 32
    /// A few lines of anchors that name one another stand for any number of values.
    private static let most = 200_000

    private static func flatten(
        _ node: Node, path: String, place: (line: Int, column: Int), into settings: inout [Setting], depth: Int,
        left: inout Int
    ) {
        left -= 1
        guard left > 0 else { return }
        let here = node.mark.map { ($0.line, $0.column) } ?? place
        func join(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
        func add(_ value: Setting.Value) {
            settings.append(Setting(name: path, value: value, line: here.0, column: here.1))
        }
        guard depth < deepest else { return }
        switch node {
        case .mapping(let map):
            if map.isEmpty, !path.isEmpty { add(.list([])) }
            for (key, value) in map {
                guard let word = key.scalar?.string else { continue }
                let place = key.mark.map { ($0.line, $0.column) } ?? here
                flatten(value, path: join(word), place: place, into: &settings, depth: depth + 1, left: &left)
            }
        case .sequence(let list):
            let words = list.map { $0.scalar?.string }
            if words.contains(nil) {
                for (index, item) in list.enumerated() {
                    flatten(item, path: join("\(index)"), place: here, into: &settings, depth: depth + 1, left: &left)
                }
            } else {
                add(.list(words.compactMap { $0 }))
            }
        case .scalar(let scalar):
            let isNothing = scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
            add(.word(isNothing ? "null" : scalar.string))
        case .alias: break
        }
    }
}
