package import Yams

/// The problems found in one file, the places of its fields, and the files it refers to.
package final class ProblemCollector {
    package let file: String
    package private(set) var problems: [PlanProblem] = []
    /// Files that were opened because this file names them.
    package var files = ReadFiles()
    /// Remarks on what was read.
    package var remarks: [Remark] = []
    /// Places of all fields read so far, by dotted path.
    private var places: [String: (line: Int, column: Int)] = [:]

    package init(file: String) { self.file = file }

    package var isEmpty: Bool { problems.isEmpty }

    /// Whether a problem concerns one of these keys or a key of the maps behind them.
    package func hasProblem(in keys: [String]) -> Bool {
        problems.contains { problem in keys.contains { problem.field == $0 || problem.field.hasPrefix($0 + ".") } }
    }

    package func note(_ path: String, at mark: Mark?) { places[path] = mark.map { ($0.line, $0.column) } }

    package func note(_ path: String, line: Int, column: Int) { places[path] = (line, column) }

    /// The shortest path of a field called `key` whose path begins with `prefix`; nil: there is none.
    package func place(of key: String, in prefix: String) -> String? {
        if places[prefix + key] != nil { return prefix + key }
        return places.keys.filter { $0.hasPrefix(prefix) && $0.hasSuffix("." + key) }.min {
            ($0.count, $0) < ($1.count, $1)
        }
    }

    package func report(
        _ path: String, at mark: Mark?, value: String = "", rule: String, fix: String = "",
        kind: PlanProblem.Kind = .input
    ) {
        problems.append(
            PlanProblem(
                kind, file: file, line: mark?.line, column: mark?.column, field: path, value: value, rule: rule,
                fix: fix))
    }

    /// Reports a problem in one line of a text.
    package func report(_ path: String, line: Int, value: String, rule: String, fix: String) {
        problems.append(PlanProblem(file: file, line: line, field: path, value: value, rule: rule, fix: fix))
    }

    /// Adds a problem that was found without the file, with the place of its field or of the field's nearest parent.
    package func adopt(_ problem: PlanProblem) {
        var placed = problem
        if placed.file == nil {
            placed.file = file
            if let place = nearestPlace(problem.field) { (placed.line, placed.column) = (place.line, place.column) }
        }
        problems.append(placed)
    }

    /// The place of the field at a dotted path, or of its nearest parent that was read; nil: none of them was.
    func nearestPlace(_ field: String) -> (line: Int, column: Int)? {
        var path = Substring(field)
        while true {
            if let place = places[String(path)] { return place }
            guard !path.isEmpty else { return nil }
            path = path.lastIndex(of: ".").map { path[..<$0] } ?? ""
        }
    }

    /// All problems so far, in the order of the file.
    package var all: PlanProblems {
        let ordered = problems.enumerated().sorted { a, b in
            let left = (a.element.line ?? .max, a.element.column ?? .max, a.offset)
            let right = (b.element.line ?? .max, b.element.column ?? .max, b.offset)
            return left < right
        }
        var seen: Set<PlanProblem> = []
        return PlanProblems(ordered.map(\.element).filter { seen.insert($0).inserted })
    }
}

/// Reads the fields of one YAML map strictly: every key is taken once and checked for type and unit. `reportUnknownKeys()` reports
/// keys that remain, with the nearest known key. Reading continues after a problem, so that all are reported together.
package final class FieldReader {
    package let path: String
    package let collector: ProblemCollector
    /// Place of the map in the file.
    package let mark: Mark?
    private var entries: [(key: String, keyMark: Mark?, value: Node)] = []
    private var known: [String] = []

    /// A reader of `node`. A node that is not a map is reported and read as an empty map.
    package init(_ node: Node, path: String, collector: ProblemCollector) {
        self.path = path
        self.collector = collector
        mark = node.mark
        guard case .mapping(let mapping) = node else {
            collector.report(
                path, at: node.mark, value: Self.shown(node), rule: "must be a map of keys and values",
                fix: path.isEmpty ? "start with 'model:'" : "")
            return
        }
        var repeated: [String: [Mark?]] = [:]
        for (key, value) in mapping {
            guard case .scalar(let scalar) = key else {
                collector.report(path, at: key.mark, rule: "every key must be a plain word")
                continue
            }
            if let name = RepeatedKeys.original(scalar.string) {
                repeated[name, default: []].append(scalar.mark)
                continue
            }
            entries.append((scalar.string, scalar.mark, value))
            collector.note(join(scalar.string), at: value.mark ?? scalar.mark)
        }
        for (name, earlier) in repeated { reportRepeated(name, earlier) }
    }

    /// Reports a key that is written more than once, at every place but the first. The last one is read.
    /// - Parameter earlier: the places of all but the last.
    private func reportRepeated(_ name: String, _ earlier: [Mark?]) {
        let first = earlier.first ?? nil
        let place = first.map { " (first in line \($0.line), column \($0.column))" } ?? ""
        for mark in earlier.dropFirst() + entries.filter({ $0.key == name }).map(\.keyMark) {
            collector.report(
                join(name), at: mark, rule: "the same key twice in one map\(place)", fix: "keep one of them")
        }
    }

    /// A reader of the same map without some of its keys.
    package func without(_ keys: [String]) -> FieldReader {
        FieldReader(
            path: path, collector: collector, mark: mark, entries: entries.filter { !keys.contains($0.key) }, known)
    }

    private init(
        path: String, collector: ProblemCollector, mark: Mark?, entries: [(key: String, keyMark: Mark?, value: Node)],
        _ known: [String]
    ) {
        (self.path, self.collector, self.mark, self.entries, self.known) = (path, collector, mark, entries, known)
    }

    package func join(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    package var keys: [String] { entries.map(\.key) }

    package func contains(_ key: String) -> Bool { entries.contains { $0.key == key } }

    /// The single value written under `key`, which stays untaken. nil: a map, a list or nothing.
    package func scalar(_ key: String) -> String? {
        guard case .scalar(let scalar)? = entries.first(where: { $0.key == key })?.value else { return nil }
        return scalar.string
    }

    /// Whether a list is written under `key`.
    package func isList(_ key: String) -> Bool {
        guard case .sequence? = entries.first(where: { $0.key == key })?.value else { return false }
        return true
    }

    /// Takes the value of `key` if it is a single word rather than a map. nil: it is not, and stays untaken.
    package func word(_ key: String) -> String? {
        guard scalar(key) != nil else { return nil }
        return text(key)
    }

    /// Takes the value of `key` if it is one of `words`. nil: it is not, and stays untaken.
    package func word(ifAmong words: [String], _ key: String) -> String? {
        guard let value = scalar(key), words.contains(value) else { return nil }
        return text(key)
    }

    /// A reader of the map under `key` for looking ahead: it takes nothing from this reader and reports nothing.
    package func entryMap(_ key: String) -> FieldReader? {
        guard let node = entries.first(where: { $0.key == key })?.value, case .mapping = node else { return nil }
        return FieldReader(node, path: join(key), collector: ProblemCollector(file: collector.file))
    }

    /// Takes away those of `keys` whose value is the word `none`, as if they were not written.
    /// - Returns: the keys that were taken away.
    @discardableResult
    package func takeAwayNone(_ keys: [String]) -> Set<String> {
        let none = Set(keys.filter { scalar($0) == "none" })
        entries.removeAll { none.contains($0.key) }
        return none
    }

    /// Makes `keys` known before they are taken. The message about an unknown key lists known keys in this order.
    package func expect(_ keys: String...) { known += keys }

    /// Takes the node of `key`; nil if it is absent. A key without a value is reported.
    package func take(_ key: String) -> Node? {
        if !known.contains(key) { known.append(key) }
        guard let entry = entries.first(where: { $0.key == key }) else { return nil }
        if case .scalar(let scalar) = entry.value, scalar.style == .plain, ["", "~", "null"].contains(scalar.string) {
            collector.report(join(key), at: entry.keyMark, rule: "has no value", fix: "give one or remove the key")
            return nil
        }
        return entry.value
    }

    package func report(
        _ key: String, value: String = "", rule: String, fix: String = "", kind: PlanProblem.Kind = .input
    ) {
        let entry = entries.first { $0.key == key }
        guard entry == nil, let nested = collector.nearestPlace(join(key)) else {
            let place = entry?.value.mark ?? entry?.keyMark ?? mark
            return collector.report(join(key), at: place, value: value, rule: rule, fix: fix, kind: kind)
        }
        // A key of a map inside, or of none: the place of the innermost map that is there.
        collector.adopt(
            PlanProblem(
                kind, file: collector.file, line: nested.line, column: nested.column, field: join(key), value: value,
                rule: rule, fix: fix))
    }

    /// Reports a problem of the text of `key`, at the place that `offset` characters precede.
    package func report(
        _ key: String, inside offset: Int, value: String = "", rule: String, fix: String = "",
        kind: PlanProblem.Kind = .input
    ) {
        let place = place(inside: key, offset: offset)
        collector.adopt(
            PlanProblem(
                kind, file: collector.file, line: place?.line, column: place?.column, field: join(key), value: value,
                rule: rule, fix: fix))
    }

    /// The line and column of a place in the text of `key`, that `offset` characters precede. A text of several lines is
    /// pointed at where it begins.
    package func place(inside key: String, offset: Int) -> (line: Int, column: Int)? {
        guard case .scalar(let scalar)? = entries.first(where: { $0.key == key })?.value, let mark = scalar.mark else {
            return nil
        }
        guard [.plain, .singleQuoted, .doubleQuoted].contains(scalar.style), !scalar.string.contains(where: \.isNewline)
        else { return (mark.line, mark.column) }
        return (mark.line, mark.column + offset + (scalar.style == .plain ? 0 : 1))
    }

    /// Reports at `key` a problem that was found elsewhere.
    package func report(_ key: String, _ problem: PlanProblem) {
        report(key, value: problem.value, rule: problem.rule, fix: problem.fix, kind: problem.kind)
    }

    package func reportMissing(_ key: String, fix: String) {
        if contains(key) { return }  // A wrong value was reported when it was read.
        collector.report(join(key), at: mark, rule: "is missing", fix: fix)
    }

    /// Reports every key that was neither taken nor expected.
    package func reportUnknownKeys() {
        for entry in entries where !known.contains(entry.key) {
            var fix = Wording.didYouMean(entry.key, among: known)
            if fix.isEmpty { fix = "known here: " + known.joined(separator: ", ") }
            collector.report(join(entry.key), at: entry.keyMark, rule: "unknown key", fix: fix)
        }
    }

    /// The value as written, shortened for a message.
    package static func shown(_ node: Node) -> String {
        switch node {
        case .scalar(let scalar):
            let text = scalar.string.count > 60 ? scalar.string.prefix(57) + "..." : scalar.string[...]
            return "'\(text)'"
        case .mapping: return "a map"
        case .sequence: return "a list"
        case .alias: return "an alias"
        }
    }
}
