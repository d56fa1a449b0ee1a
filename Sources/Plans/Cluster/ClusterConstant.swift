internal import Reading

/// One constant of a device or a cluster as cluster files state it: its key, what it may be, and where it is kept. Reader
/// and writer of the files go by lists of these, so that a new constant is one row beside its declaration.
struct ClusterConstant<Owner> {
    typealias Change = (inout Owner) -> Void

    let key: String
    /// What to write where a file must state it and does not; nil: it may be left out.
    private(set) var example: String?
    /// Keys that take an inherited value of this constant away where they are stated nearer.
    private(set) var yieldsTo: Set<String> = []
    /// Takes the key and returns what it states as a change; nil where it is absent or wrong, which is then reported.
    let read: (FieldReader) -> Change?
    /// The lines that state the owner's value; none where leaving them out means the same.
    let lines: (Owner) -> [String]

    init(_ key: String, read: @escaping (FieldReader) -> Change?, lines: @escaping (Owner) -> [String]) {
        self.key = key
        self.read = read
        self.lines = lines
    }

    /// The constant as one that every file must state.
    func required(_ example: String) -> ClusterConstant {
        var constant = self
        constant.example = example
        return constant
    }

    /// The constant as one that is not inherited where one of `keys` is stated.
    func yielding(to keys: Set<String>) -> ClusterConstant {
        var constant = self
        constant.yieldsTo = keys
        return constant
    }
}

extension ClusterConstant {
    /// A number that every owner has.
    /// - Parameter standard: what a file need not state; nil: always written.
    static func number(
        _ key: String, _ unit: Quantity.Unit, in range: ClosedRange<Double>, _ path: WritableKeyPath<Owner, Double>,
        standard: Double? = nil
    ) -> ClusterConstant {
        ClusterConstant(
            key,
            read: { reader in reader.number(key, unit, in: range).map { value in { $0[keyPath: path] = value } } },
            lines: { owner in
                let value = owner[keyPath: path]
                return value == standard ? [] : ["\(key): \(value)\(unit.suffix)"]
            })
    }

    /// A number that an owner may lack.
    static func number(
        _ key: String, _ unit: Quantity.Unit, in range: ClosedRange<Double>, _ path: WritableKeyPath<Owner, Double?>
    ) -> ClusterConstant {
        ClusterConstant(
            key,
            read: { reader in reader.number(key, unit, in: range).map { value in { $0[keyPath: path] = value } } },
            lines: { owner in owner[keyPath: path].map { ["\(key): \($0)\(unit.suffix)"] } ?? [] })
    }

    /// A share by size.
    static func curve(_ key: String, _ path: WritableKeyPath<Owner, EfficiencyCurve>) -> ClusterConstant {
        ClusterConstant(
            key, read: { reader in reader.curve(key).map { curve in { $0[keyPath: path] = curve } } },
            lines: { owner in
                ["\(key):"] + owner[keyPath: path].points.map { "  \($0.size): \($0.share)" }
            })
    }

    /// A map of its own, read and written by its type.
    static func map<Value>(
        _ key: String, _ path: WritableKeyPath<Owner, Value?>, read: @escaping (FieldReader) -> Value?,
        lines: @escaping (Value) -> [String]
    ) -> ClusterConstant {
        ClusterConstant(
            key,
            read: { reader in reader.map(key).flatMap(read).map { value in { $0[keyPath: path] = value } } },
            lines: { owner in owner[keyPath: path].map { ["\(key):"] + lines($0).map { "  " + $0 } } ?? [] })
    }
}

/// The constants of an owner that a file states, with those it inherits.
struct StatedConstants<Owner> {
    private let constants: [ClusterConstant<Owner>]
    /// In the order in which they are to be made: inherited ones first.
    private var changes: [(key: String, change: ClusterConstant<Owner>.Change)] = []

    /// Nothing of `constants`.
    init(_ constants: [ClusterConstant<Owner>]) { self.constants = constants }

    /// Takes the constants that `reader` states.
    mutating func read(_ reader: FieldReader) {
        for constant in constants {
            if let change = constant.read(reader) { changes.append((constant.key, change)) }
        }
    }

    func states(_ key: String) -> Bool { changes.contains { $0.key == key } }

    /// Constants that must be stated and are not, with what to write.
    var missing: [(key: String, example: String)] {
        constants.compactMap { constant in
            constant.example.flatMap { states(constant.key) ? nil : (constant.key, $0) }
        }
    }

    /// These constants, and `base`'s where they say nothing.
    func over(_ base: StatedConstants) -> StatedConstants {
        let stated = Set(changes.map(\.key))
        let kept = base.changes.filter { inherited in
            constants.first { $0.key == inherited.key }?.yieldsTo.isDisjoint(with: stated) ?? true
        }
        var merged = self
        merged.changes = kept + changes
        return merged
    }

    /// Puts what is stated into `owner`.
    func apply(to owner: inout Owner) { for (_, change) in changes { change(&owner) } }
}

extension Quantity.Unit {
    /// What stands behind a number in the unit's base.
    fileprivate var suffix: String {
        switch self {
        case .bytes: " B"
        case .bytesPerSecond: " B/s"
        case .flops: " FLOP/s"
        case .seconds: " s"
        case .watts: " W"
        case .gigabits: " Gb/s"
        case .count, .share, .plain: ""
        }
    }
}
