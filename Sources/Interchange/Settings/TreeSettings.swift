internal import Foundation
package import Reading
internal import Yams

/// Settings of files that are trees of keys: YAML, JSON and TOML.
package enum TreeSettings {
    /// The language of a tree of keys.
    private enum Language { case yaml, json, toml }

    /// What a file is by its name, else by how its text begins.
    private static func language(_ text: String, name: String) -> Language {
        let name = name.lowercased()
        if name.hasSuffix(".toml") { return .toml }
        if name.hasSuffix(".json") { return .json }
        if name.hasSuffix(".yaml") || name.hasSuffix(".yml") { return .yaml }
        let first = text.first { !$0.isWhitespace }
        return first == "{" ? .json : TOMLSettings.looks(text) ? .toml : .yaml
    }

    /// The settings of a text by dotted keys. Items of a list of maps have their index as key.
    /// - Throws: the mistake of the syntax, with line and column.
    package static func read(text: String, name: String) throws(PlanProblems) -> [Setting] {
        try file(text: text, name: name).settings
    }

    /// The settings of a text by dotted keys, and where it is no JSON although it is called so.
    /// - Parameter allowsLooseJSON: whether its tool reads more than JSON, such as a comma behind a last value.
    static func file(
        text: String, name: String, allowsLooseJSON: Bool = false
    ) throws(PlanProblems) -> (settings: [Setting], loose: PlanProblem?) {
        let language = language(text, name: name)
        if language == .toml { return (try TOMLSettings.read(text: text, name: name), nil) }
        let root: Node
        do throws(PlanProblems) {
            root = try YAMLFile.compose(text: text, name: name)
        } catch {
            // Text that a reader of JSON takes has another mistake than one of JSON.
            let isJSON = language == .json && JSONValue(text: Data(text.utf8)) == nil
            throw isJSON ? PlanProblems(error.problems.map(saidOfJSON)) : error
        }
        // What is called JSON is read by readers that take nothing else.
        let loose = name.lowercased().hasSuffix(".json") ? StrictJSON.problem(text, name: name) : nil
        if let loose, !allowsLooseJSON { throw PlanProblems([loose]) }
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
        return (settings, loose)
    }

    private static func saidOfJSON(_ problem: PlanProblem) -> PlanProblem {
        var own = problem
        own.rule = problem.rule.replacing("is not YAML", with: "is not JSON").replacing("flow mapping", with: "map")
            .replacing("flow sequence", with: "list")
        return own
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
            var repeats = Repeats()
            for (key, value) in map {
                guard let word = key.scalar?.string else { continue }
                let place = key.mark.map { ($0.line, $0.column) } ?? here
                if let setting = repeats.note(word, at: place, path: join(RepeatedKeys.original(word) ?? word)) {
                    settings.append(setting)
                }
                if RepeatedKeys.original(word) != nil { continue }
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

/// Keys of one map that it has more than once. The reader of YAML rewrites all but the last of each.
private struct Repeats {
    private var first: [String: (place: Setting.Place, hidden: String)] = [:]

    /// - Parameters:
    ///   - key: as the reader gives it.
    ///   - path: as the file writes it, with the keys around it.
    /// - Returns: the report of the key, if it stands there for another time.
    mutating func note(_ key: String, at place: (line: Int, column: Int), path: String) -> Setting? {
        let place = Setting.Place(line: place.line, column: place.column)
        if let known = first[path] {
            // Names of reports differ from each other and from those of settings.
            let hidden = RepeatedKeys.original(key) == nil ? known.hidden : key
            return Setting.repeating(path, hidden: "\(path)\(hidden)", at: place, first: known.place)
        }
        if RepeatedKeys.original(key) != nil { first[path] = (place, key) }
        return nil
    }
}
