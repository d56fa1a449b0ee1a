internal import Plans

/// A plan that is being written from another tool's file: keys, values, and which settings each came from.
package struct PlanDraft: Sendable {
    /// A value of a plan's key as YAML writes it.
    package enum Value: Hashable, Sendable {
        case count(Int)
        case number(Double)
        case flag(Bool)
        case word(String)
        case list([String])
        /// A map without keys.
        case emptyMap

        var yaml: String {
            switch self {
            case .count(let count): "\(count)"
            case .number(let number): Int(exactly: number).map(String.init) ?? "\(number)"
            case .flag(let flag): "\(flag)"
            case .word(let word): PlanDraft.quoted(word)
            case .list(let words): "[\(words.map(PlanDraft.quoted).joined(separator: ", "))]"
            case .emptyMap: "{}"
            }
        }
    }

    private struct Entry: Sendable {
        var path: [String]
        var value: Value
        var origin: String?
    }

    private var entries: [Entry] = []
    /// The setting that a key of the plan came from, by the key's dotted path.
    package private(set) var origins: [String: Setting] = [:]
    /// What the file does not state and was concluded, a sentence each.
    package private(set) var inferred: [String] = []
    /// What the plan cannot say, a sentence each.
    package private(set) var left: [String] = []

    /// Settings that are in the plan, as the file writes them.
    private(set) var held: Set<String> = []

    package init() {}

    /// Settings that a key of the plan names, as the file writes them.
    var named: Set<String> { Set(entries.compactMap(\.origin)) }

    /// Notes settings that are in the plan together with one that a key came from.
    mutating func hold(_ settings: Setting?...) { held.formUnion(settings.compactMap { $0?.written }) }

    /// Sets a key, once.
    /// - Parameters:
    ///   - path: dotted, `layout.tensor`.
    ///   - origin: the setting that says it.
    package mutating func set(_ path: String, _ value: Value, from origin: Setting?) {
        entries.removeAll { $0.path.joined(separator: ".") == path }
        entries.append(
            Entry(path: path.split(separator: ".").map(String.init), value: value, origin: origin?.written))
        origins[path] = origin
        hold(origin)
    }

    package func has(_ path: String) -> Bool { entries.contains { $0.path.joined(separator: ".") == path } }

    /// Sets a key that no setting states, and says why.
    package mutating func infer(_ path: String, _ value: Value, because reason: String) {
        set(path, value, from: nil)
        inferred.append("\(path) \(value.yaml): \(reason)")
    }

    /// The value of a key; nil: it is not set.
    func value(of path: String) -> Value? { entries.first { $0.path.joined(separator: ".") == path }?.value }

    /// A key that the file leaves open, so that the plan takes a value of its own.
    struct OpenKey: Sendable {
        var path: String
        var reason: String
        var value: @Sendable (Plan) -> String?
    }

    /// Keys of which the plan's own value is said once it is read.
    private(set) var openKeys: [OpenKey] = []

    /// Leaves a key open.
    /// - Parameter value: what the plan takes; nil: nothing worth a line.
    mutating func leaveOpen(_ path: String, because reason: String, _ value: @escaping @Sendable (Plan) -> String?) {
        openKeys.append(OpenKey(path: path, reason: reason, value: value))
    }

    /// Says what the plan takes for the keys that are open.
    mutating func sayOpen(_ plan: Plan) {
        for key in openKeys where !has(key.path) {
            guard let value = key.value(plan) else { continue }
            note("\(key.path) \(value)\(value.contains(":") ? ", " : ": ")\(key.reason)")
        }
    }

    /// Notes something that is concluded without a key.
    package mutating func note(_ text: String) { inferred.append(text) }

    /// Notes a setting that no key of a plan holds.
    package mutating func leave(_ text: String) { left.append(text) }

    /// The plan file. Keys stand in the order of `sections`, with their origin behind them.
    /// - Parameter header: lines of comment above it.
    package func yaml(header: [String]) -> String {
        let order = Self.sections
        let sorted = entries.enumerated().sorted { a, b in
            let left = order.firstIndex(of: a.element.path[0]) ?? order.count
            let right = order.firstIndex(of: b.element.path[0]) ?? order.count
            return (left, a.offset) < (right, b.offset)
        }.map(\.element)
        let lines = KeyTree.lines(sorted, path: \.path) { key, entry in
            let line = key + entry.value.yaml
            return entry.origin.map { line.padding(to: 36) + " # " + $0 } ?? line
        }
        return (PlainComment.lines(header) + lines).joined(separator: "\n") + "\n"
    }

    /// Keys of a plan, in the order of a written one.
    static let sections = [
        "name", "model", "tokens", "samples", "cluster", "devices", "batch", "precision", "optimizer", "gradients",
        "loss",
        "lora", "packing", "rampupBatchSize", "framework", "layout", "run", "measured", "train",
        "hyperparameters",
    ]

    static func quoted(_ text: String) -> String {
        let isPlain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-./_@ ".contains($0)) }
        if Double(text) != nil, text.first != "0" || text.count == 1 || text.hasPrefix("0.") { return text }
        let isOther = ["null", "true", "false", "yes", "no", "on", "off", "~"].contains(text.lowercased())
        if isPlain, !isOther, text.first?.isLetter == true || text.first == "/", text.last?.isWhitespace == false {
            return text
        }
        return "'" + text.replacing("'", with: "''") + "'"
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String {
        count < width ? self + String(repeating: " ", count: width - count) : self
    }
}
