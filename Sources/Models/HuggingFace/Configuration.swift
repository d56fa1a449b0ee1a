internal import Numbers
internal import Reading

/// The keys of a Hugging Face configuration of one model type. Every key that is asked for counts as known.
///
/// A key that the configuration leaves out has the value that its type declares. `null` is no value, and the type's rule
/// for a missing value applies.
final class Configuration {
    let type: String
    let facts: TypeFacts
    /// Path of the map in the file, with its last point.
    let path: String
    let collector: ProblemCollector
    private let values: [String: JSONValue]
    private(set) var asked: Set<String> = []

    init(_ value: JSONValue, type: String, facts: TypeFacts, path: String = "", collector: ProblemCollector) {
        self.type = type
        self.facts = facts
        self.path = path
        self.collector = collector
        values = value.map ?? [:]
    }

    /// The part of a configuration under `key`, whose keys are asked for as those of a configuration of their own.
    init(_ values: [String: JSONValue], in parent: Configuration, key: String) {
        type = parent.type
        facts = TypeFacts()
        path = "\(parent.path)\(key)."
        collector = parent.collector
        self.values = values
    }

    /// Largest whole number that a configuration may have: vocabularies are the largest.
    static let largest = 100_000_000

    var keys: [String] { values.keys.sorted() }

    func report(
        _ key: String, value: String = "", rule: String, fix: String = "", kind: PlanProblem.Kind = .input
    ) {
        collector.adopt(PlanProblem(kind, field: path + key, value: value, rule: rule, fix: fix))
    }

    /// Whether a value stands under `key`, whether or not the type asks for it.
    func states(_ key: String) -> Bool { values[key].map { !$0.isNull } ?? false }

    /// The value under `key`, whether or not the type asks for it.
    func written(_ key: String) -> JSONValue? { values[key] }

    /// Whether the configuration itself has a value for `key`.
    func has(_ key: String) -> Bool { stated(key).map { !$0.isNull } ?? false }

    /// The value that the configuration states. Of two spellings the one that the type does not declare counts.
    private func stated(_ key: String) -> JSONValue? {
        asked.insert(key)
        for (spelling, name) in facts.renames where name == key {
            asked.insert(spelling)
            if let value = values[spelling] {
                refuseOther(value, spelling, key)
                return value
            }
        }
        if let name = facts.renames[key], let value = values[name], values[key] == nil {
            asked.insert(name)
            return value
        }
        return values[key]
    }

    /// Reports a value of `key` that its other spelling contradicts.
    private func refuseOther(_ value: JSONValue, _ spelling: String, _ key: String) {
        guard let other = values[key], !other.isNull, !value.isNull, describe(other) != describe(value) else { return }
        report(
            key, value: describe(other), rule: "\(spelling) is the same size and says \(describe(value))",
            fix: "remove one of the two", kind: .misfit)
    }

    /// The value of `key`: the configuration's, or the type's; nil if there is none.
    func value(_ key: String) -> JSONValue? {
        let value = stated(key) ?? facts.defaults[key] ?? facts.renames[key].flatMap { facts.defaults[$0] }
        return value.flatMap { $0.isNull ? nil : $0 }
    }

    /// A whole number; nil if there is none.
    func optional(_ key: String, from least: Int = 0) -> Int? {
        guard let value = value(key) else { return nil }
        guard let count = value.count, (least...Self.largest).contains(count) else {
            report(
                key, value: describe(value),
                rule: "must be a whole number from \(least) to \(Figures.grouped(Self.largest))")
            return nil
        }
        return count
    }

    /// A whole number above 0 that the configuration must have. A missing one is reported and counts as 1.
    func count(_ key: String) -> Int {
        if let count = optional(key, from: 1) { return count }
        if value(key) == nil { report(key, rule: "is missing", fix: "a \(type) configuration needs it") }
        return 1
    }

    /// A whole number of one of these keys, the first that has one; 1, after a report, if none has.
    func count(_ key: String, or others: String...) -> Int {
        for other in [key] + others where value(other) != nil { return count(other) }
        return count(key)
    }

    func flag(_ key: String, _ standard: Bool = false) -> Bool {
        guard let value = value(key) else { return standard }
        guard let flag = value.flag else {
            report(key, value: describe(value), rule: "must be true or false")
            return standard
        }
        return flag
    }

    /// True or false; nil if there is no value.
    func optionalFlag(_ key: String) -> Bool? { value(key) == nil ? nil : flag(key) }

    func text(_ key: String) -> String? { value(key)?.text }

    func number(_ key: String) -> Double? {
        switch value(key) {
        case .number(let number): number
        case .count(let count): Double(count)
        default: nil
        }
    }

    /// A list of words; nil if there is none.
    func words(_ key: String) -> [String]? {
        guard let list = value(key)?.list else { return nil }
        let words = list.compactMap(\.text)
        if key == "layer_types", let odd = words.first(where: { !Self.layerTypes.contains($0) }) {
            report(key, value: "'\(odd.prefix(60))'", rule: "is not a type of layer")
        }
        return words
    }

    /// Types of layers that configurations name (transformers 5.24, `ALLOWED_LAYER_TYPES` and its older names).
    private static let layerTypes: Set<String> = [
        "full_attention", "sliding_attention", "chunked_attention", "window_attention", "indexed_attention",
        "compressed_sparse_attention", "heavily_compressed_attention", "minimax_m3_sparse", "conv", "moe", "hybrid",
        "hybrid_sliding", "reference_sliding_attention", "linear_attention", "sparse", "dense", "mamba", "attention",
        "deepseek_sparse_attention", "qwen_sparse_attention", "recurrent", "mlp",
    ]

    /// The model's layers; the largest number if they have no valid value.
    var layers: Int {
        guard let layers = value("num_hidden_layers")?.count, layers > 0 else { return Self.largest }
        return layers
    }

    /// Layers at the start without experts, `first_k_dense_replace`: at most all.
    func denseLayers() -> Int? {
        let dense = optional("first_k_dense_replace")
        if let dense, let layers = value("num_hidden_layers")?.count, layers > 0, dense > layers {
            report(
                "first_k_dense_replace", value: "\(dense)",
                rule: "must be at most the \(layers) layers of num_hidden_layers", kind: .misfit)
        }
        return dense
    }

    /// A list of numbers of layers, counted from `first`; nil if there is none. Layers that the model does not have are
    /// reported.
    func layerNumbers(_ key: String, of layers: Int, from first: Int = 0) -> Set<Int>? {
        guard let numbers = counts(key) else { return nil }
        if let odd = numbers.first(where: { !(first..<first + layers).contains($0) }) {
            report(
                key, value: "\(odd)",
                rule: "names a layer that is not there: the \(layers) layers are numbered \(first) to "
                    + "\(first + layers - 1)", kind: .misfit)
        }
        return Set(numbers)
    }

    /// A list of whole numbers from 0; nil if there is none.
    func counts(_ key: String) -> [Int]? {
        guard let list = value(key)?.list else { return nil }
        let counts = list.compactMap(\.count).filter((0...Self.largest).contains)
        guard counts.count == list.count else {
            report(key, rule: "must be a list of whole numbers from 0 to \(Figures.grouped(Self.largest))")
            return nil
        }
        return counts
    }

    /// The first of a list of whole numbers, or the one number, that is not negative; nil if there is none.
    func first(_ key: String, isNeeded: Bool = false) -> Int? {
        guard let list = value(key)?.list else { return isNeeded ? count(key) : optional(key) }
        guard let first = list.first?.count, (0...Self.largest).contains(first) else {
            report(key, rule: "must be a list of whole numbers from 0 to \(Figures.grouped(Self.largest))")
            return nil
        }
        return first
    }

    /// The map of layer `number` in a map by layers.
    func layer(_ number: Int) -> Configuration? { map("\(number)") ?? (number < 10 ? map("0\(number)") : nil) }

    /// The map under `key`; nil if there is none.
    func map(_ key: String) -> Configuration? { value(key)?.map.map { Configuration($0, in: self, key: key) } }

    /// Counts `keys` as known, though they change no shape.
    func ignore(_ keys: String...) { asked.formUnion(keys) }

    func describe(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .flag(let flag): "\(flag)"
        case .count(let count): "\(count)"
        case .number(let number): "\(number)"
        case .text(let text): "'\(text.prefix(60))'"
        case .list: "a list"
        case .map: "a map"
        }
    }
}

/// The product of counts, at most a number that no model has, so that products of products never overflow.
func product(_ factors: Int...) -> Int { product(factors) }

func product(_ factors: [Int]) -> Int {
    let most = Bounds.parameters.upperBound
    return factors.contains { $0 <= 0 } ? 0 : min(most, Int.product(factors) ?? most)
}
