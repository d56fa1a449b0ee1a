package import Reading

/// Shapes of torchtitan's flavours and what its configuration functions set: `interchange/torchtitan.json`.
package struct TorchtitanTable: Sendable {
    /// A function of a `config_registry.py`.
    package struct Preset: Sendable {
        package var model: JSONValue
        /// Settings by dotted name that differ from torchtitan's defaults.
        package var settings: [(name: String, value: String)]
    }

    /// Shapes by `[model] name`, then by `flavor`.
    package var flavors: [String: [String: JSONValue]]
    /// Presets by `--module`, then by `--config`.
    package var presets: [String: [String: Preset]]

    static let file = "interchange/torchtitan.json"

    /// - Throws: one problem if the file is not where the program's files are.
    package static func read(_ library: Library) throws(PlanProblems) -> TorchtitanTable {
        let loss = "flavours of torchtitan cannot be read"
        let root = try ToolTable.root(file, so: loss, library)
        guard let flavors = root["flavors"]?.map, let presets = root["presets"]?.map else {
            throw ToolTable.missing(file, so: loss)
        }
        return TorchtitanTable(
            flavors: flavors.compactMapValues(\.map),
            presets: presets.compactMapValues { $0.map?.compactMapValues(preset) })
    }

    private static func preset(_ value: JSONValue) -> Preset? {
        guard let fields = value.map, let model = fields["model"], let settings = fields["settings"]?.map else {
            return nil
        }
        return Preset(
            model: model,
            settings: settings.compactMap { name, value in value.text.map { (name, $0) } }.sorted { $0.name < $1.name })
    }
}

extension PlanDraft {
    /// Sets the keys of a shape under `model`.
    mutating func setShape(_ shape: JSONValue, from origin: Setting?) {
        for (key, value) in (shape.map ?? [:]).sorted(by: { $0.key < $1.key }) {
            setShape(value, at: "model.\(key)", key: key, from: origin)
        }
    }

    /// Keys whose values are flags: JSON's true is read as 1.
    private static let flags: Set<String> = ["tiedEmbeddings", "routerCorrection", "sinks"]

    private mutating func setShape(_ value: JSONValue, at path: String, key: String, from origin: Setting?) {
        if Self.flags.contains(key), let flag = value.flag { return set(path, .flag(flag), from: origin) }
        switch value {
        case .map(let map) where map.isEmpty: set(path, .emptyMap, from: origin)
        case .map(let map):
            for (name, inner) in map.sorted(by: { $0.key < $1.key }) {
                setShape(inner, at: "\(path).\(name)", key: name, from: origin)
            }
        case .count(let count): set(path, .count(count), from: origin)
        case .number(let number): set(path, .number(number), from: origin)
        case .flag(let flag): set(path, .flag(flag), from: origin)
        case .text(let text): set(path, .word(text), from: origin)
        case .list(let list): set(path, .list(list.compactMap(\.text)), from: origin)
        case .null: return
        }
    }
}
