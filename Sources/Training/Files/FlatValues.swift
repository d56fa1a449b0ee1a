internal import Foundation

/// A value's parts by their dotted names, such as `layout.tensor`.
enum FlatValues {
    /// The keys whose values follow from others where the plan does not state them.
    static let derived: Set<String> = ["model.ffn", "model.headSize", "model.kvHeads", "layout.virtualStages"]

    /// The lines `name value` of all parts, in no certain order.
    static func lines(_ name: String, _ value: some Encodable) throws -> [String] {
        var lines: [String] = []
        let encoded = try JSONEncoder().encode(value)
        flatten(name, try JSONSerialization.jsonObject(with: encoded, options: .fragmentsAllowed), into: &lines)
        return lines
    }

    /// The parts by name.
    static func parts(_ name: String, _ value: some Encodable) -> [String: String] {
        parts(of: (try? lines(name, value)) ?? [])
    }

    /// The parts of lines.
    static func parts(of lines: some Sequence<some StringProtocol>) -> [String: String] {
        Dictionary(
            lines.map { line in
                let parts = line.split(separator: " ", maxSplits: 1)
                return (String(parts.first ?? ""), parts.count > 1 ? String(parts[1]) : "")
            }, uniquingKeysWith: { first, _ in first })
    }

    private static func flatten(_ name: String, _ value: Any, into lines: inout [String]) {
        switch value {
        case let map as [String: Any]: for (key, value) in map { flatten("\(name).\(key)", value, into: &lines) }
        case let list as [Any]:
            for (index, value) in list.enumerated() { flatten("\(name)[\(index)]", value, into: &lines) }
        default: lines.append("\(name) \(value)")
        }
    }
}
