package import Foundation
internal import Yams

/// A value of a JSON document.
package enum JSONValue: Hashable, Sendable {
    case null
    case flag(Bool)
    case count(Int)
    case number(Double)
    case text(String)
    case list([JSONValue])
    case map([String: JSONValue])

    /// The value of a node of JSON text. Unquoted words are null, flags and numbers.
    fileprivate init(_ node: Node) {
        switch node {
        case .scalar(let scalar): self = scalar.style == .plain ? Self.plain(scalar.string) : .text(scalar.string)
        case .sequence(let sequence): self = .list(sequence.map(JSONValue.init))
        case .mapping(let mapping):
            var values: [String: JSONValue] = [:]
            for (key, value) in mapping { if let key = key.scalar?.string { values[key] = JSONValue(value) } }
            self = .map(values)
        case .alias: self = .null
        }
    }

    private static func plain(_ text: String) -> JSONValue {
        switch text {
        case "null", "~", "": return .null
        case "true": return .flag(true)
        case "false": return .flag(false)
        default:
            if let count = Int(text) { return .count(count) }
            return Double(text).map(JSONValue.number) ?? .text(text)
        }
    }

    /// The value of JSON text; nil if it is no JSON.
    package init?(text: Data) {
        guard let json = try? JSONSerialization.jsonObject(with: text, options: .fragmentsAllowed) else { return nil }
        self.init(json)
    }

    /// The value of parsed JSON.
    fileprivate init(_ json: Any) {
        switch json {
        case let number as NSNumber:
            // Flags come as 0 and 1, which `flag` reads.
            self = Int(exactly: number).map(JSONValue.count) ?? .number(number.doubleValue)
        case let text as String: self = .text(text)
        case let list as [Any]: self = .list(list.map { JSONValue($0) })
        case let map as [String: Any]: self = .map(map.mapValues { JSONValue($0) })
        default: self = .null
        }
    }

    /// A whole number; true and false are none.
    package var count: Int? {
        switch self {
        case .count(let count): count
        case .number(let number): Int(exactly: number)
        default: nil
        }
    }
    package var flag: Bool? {
        switch self {
        case .flag(let flag): flag
        case .count(let count) where count == 0 || count == 1: count == 1
        default: nil
        }
    }
    package var text: String? { if case .text(let text) = self { text } else { nil } }
    package var list: [JSONValue]? { if case .list(let list) = self { list } else { nil } }
    package var map: [String: JSONValue]? { if case .map(let map) = self { map } else { nil } }
    package var isNull: Bool { self == .null }
}

/// Reads files of JSON text.
package enum JSONFile {
    /// Reads the value of the file at `path`, which is added to the collector's files. The places of all keys of maps,
    /// also of those in maps, are noted by their dotted paths.
    /// - Throws: the one problem that stops the reading.
    package static func read(_ path: String, collector: ProblemCollector) throws(PlanProblems) -> JSONValue {
        let node: Node
        do {
            node = try YAMLFile.compose(path: path, files: &collector.files, refusesRepeats: true)
        } catch {
            // Escaped pairs of surrogates and repeated keys are JSON, and no YAML.
            guard let text = FileManager.default.contents(atPath: path), let value = JSONValue(text: text),
                value.map != nil
            else { throw error }
            collector.note("", line: 1, column: 1)
            for key in JSONKeys.all(in: Array(text)) {
                guard let earlier = key.earlier else {
                    collector.note(key.path, line: key.line, column: key.column)
                    continue
                }
                collector.adopt(
                    PlanProblem(
                        file: collector.file, line: key.line, column: key.column, field: key.path,
                        rule: "is given twice, first on line \(earlier)", fix: "keep one of them"))
            }
            return value
        }
        collector.note("", at: node.mark)
        note(node, path: "", collector)
        return JSONValue(node)
    }

    private static func note(_ node: Node, path: String, _ collector: ProblemCollector) {
        guard case .mapping(let mapping) = node else { return }
        for (key, value) in mapping {
            guard let name = key.scalar?.string else { continue }
            let inner = path.isEmpty ? name : "\(path).\(name)"
            collector.note(inner, at: value.mark ?? key.mark)
            note(value, path: inner, collector)
        }
    }

    /// Reads the value of the file at `path`, of any size, without places; nil if it is no JSON.
    package static func value(_ path: String) -> JSONValue? {
        FileManager.default.contents(atPath: path).flatMap { JSONValue(text: $0) }
    }
}
