internal import Numbers
internal import Reading
internal import Yams

/// Keys of a plan with their values, as they stand in a campaign's file.
struct PlanKeys {
    private(set) var entries: [(key: String, value: Node)] = []

    /// Keys of plans that a stage may have.
    static let known = [
        "model", "tokens", "samples", "sequence", "batch", "precision", "layout", "framework", "failures", "gridFactor",
        "lora", "frozen",
        "quantized", "packing", "padding", "rampupBatchSize", "accumulation", "optimizer", "gradients",
        "loss", "offload", "run",
    ]
    /// Keys that a stage takes from the stage that it says it is `from`.
    static let inherited = ["model", "tokens", "samples", "precision", "framework"]
    /// Keys of a campaign that hold for all its stages.
    static let ofCampaign = [
        "model", "tokens", "samples", "sequence", "batch", "precision", "framework", "failures", "gridFactor",
        "optimizer", "run",
    ]

    init() {}

    /// Takes the keys of plans that `reader` has.
    init(_ reader: FieldReader, _ keys: [String]) {
        for key in keys {
            if let value = reader.take(key) { self[key] = value }
        }
    }

    subscript(key: String) -> Node? {
        get { entries.first { $0.key == key }?.value }
        set {
            entries.removeAll { $0.key == key }
            if let newValue { entries.append((key, newValue)) }
        }
    }

    /// Adds those of `other` that are not here. A number of tokens and one of samples say the same thing.
    mutating func inherit(_ other: PlanKeys, _ keys: [String]) {
        let lengths = ["tokens", "samples"]
        let hasLength = lengths.contains { self[$0] != nil }
        for key in keys where self[key] == nil && !(hasLength && lengths.contains(key)) { self[key] = other[key] }
    }

    mutating func remove(_ keys: [String]) { entries.removeAll { keys.contains($0.key) } }

    /// Sets a number that was worked out, at the place of `node`.
    mutating func set(_ key: String, _ value: Double, at node: Node?) {
        self[key] = Self.number(value, at: node)
    }

    private static func number(_ value: Double, at node: Node?) -> Node {
        .scalar(Node.Scalar(Figures.plain(value), .implicit, .plain, node?.mark))
    }

    /// The map of a plan file. A sequence length that is stated beside the model replaces the model's own.
    func root(mark: Mark?) -> Node {
        var keys = self
        if let sequence = keys["sequence"], let model = keys["model"] {
            keys["sequence"] = nil
            var pairs: [(Node, Node)] = []
            switch model {
            case .mapping(let map): pairs = map.filter { $0.key.string != "sequence" }.map { ($0.key, $0.value) }
            default: pairs = [(.scalar(Node.Scalar("name")), model)]
            }
            pairs.append((.scalar(Node.Scalar("sequence")), sequence))
            keys["model"] = .mapping(Node.Mapping(pairs, .implicit, .any, model.mark))
        }
        return .mapping(
            Node.Mapping(
                keys.entries.map { (.scalar(Node.Scalar($0.key, .implicit, .plain, $0.value.mark)), $0.value) },
                .implicit, .any, mark))
    }
}
