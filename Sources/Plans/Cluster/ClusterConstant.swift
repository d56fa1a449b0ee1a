internal import Reading

/// One constant of a device or a cluster in cluster files: its key, its allowed values, and its property. The reader
/// and the writer of files work through lists of these, so that a new constant needs one row next to its declaration.
struct ClusterConstant<Owner> {
    typealias Change = (inout Owner) -> Void

    let key: String
    /// Example in the message for a file that lacks a required constant. nil: the constant may be left out.
    private(set) var example: String?
    /// Keys that override an inherited value of this constant if a nearer file states one of them.
    private(set) var yieldsTo: Set<String> = []
    /// Takes the key from the reader and returns its value as a change to the owner. nil: the key is absent, or wrong
    /// and reported.
    let read: (FieldReader) -> Change?
    /// The lines of a file that state the owner's value; empty if the value is the one assumed without them.
    let lines: (Owner) -> [String]

    init(_ key: String, read: @escaping (FieldReader) -> Change?, lines: @escaping (Owner) -> [String]) {
        self.key = key
        self.read = read
        self.lines = lines
    }

    /// The constant as one that every file must state, with an example for the message.
    func required(_ example: String) -> ClusterConstant {
        var constant = self
        constant.example = example
        return constant
    }

    /// The constant as one that is not inherited if the file states one of `keys`.
    func yielding(to keys: Set<String>) -> ClusterConstant {
        var constant = self
        constant.yieldsTo = keys
        return constant
    }
}

extension ClusterConstant {
    /// A constant that is a number and that every owner has.
    /// - Parameter standard: the value that is assumed if a file does not state it, and is not written. nil: always
    ///   written.
    static func number(
        _ key: String, _ unit: Quantity.Unit, in range: ClosedRange<Double>, _ path: WritableKeyPath<Owner, Double>,
        standard: Double? = nil
    ) -> ClusterConstant {
        ClusterConstant(
            key,
            read: { reader in reader.quantity(key, unit, in: range).map { value in { $0[keyPath: path] = value } } },
            lines: { owner in
                let value = owner[keyPath: path]
                return value == standard ? [] : ["\(key): \(Quantity.written(value, as: unit))"]
            })
    }

    /// A constant that is a number and that an owner may lack.
    static func number(
        _ key: String, _ unit: Quantity.Unit, in range: ClosedRange<Double>, _ path: WritableKeyPath<Owner, Double?>
    ) -> ClusterConstant {
        ClusterConstant(
            key,
            read: { reader in reader.quantity(key, unit, in: range).map { value in { $0[keyPath: path] = value } } },
            lines: { owner in owner[keyPath: path].map { ["\(key): \(Quantity.written($0, as: unit))"] } ?? [] })
    }

    /// A constant that is an efficiency curve: a fraction by size.
    static func curve(_ key: String, _ path: WritableKeyPath<Owner, EfficiencyCurve>) -> ClusterConstant {
        ClusterConstant(
            key, read: { reader in reader.curve(key).map { curve in { $0[keyPath: path] = curve } } },
            lines: { owner in
                ["\(key):"] + owner[keyPath: path].points.map { "  \($0.size): \($0.share)" }
            })
    }

    /// A constant that is one of several words.
    /// - Parameter standard: the value that is assumed if a file does not state it, and is not written.
    static func choice<Choice: CaseIterable & RawRepresentable & Equatable>(
        _ key: String, _ path: WritableKeyPath<Owner, Choice>, standard: Choice
    ) -> ClusterConstant where Choice.RawValue == String {
        ClusterConstant(
            key,
            read: { reader in
                reader.choice(key, of: Choice.self).map { value in { $0[keyPath: path] = value } }
            },
            lines: { owner in
                let value = owner[keyPath: path]
                return value == standard ? [] : ["\(key): \(value.rawValue)"]
            })
    }

    /// A constant that is a line of text and that an owner may lack.
    static func text(_ key: String, _ path: WritableKeyPath<Owner, String?>) -> ClusterConstant {
        ClusterConstant(
            key, read: { reader in reader.text(key).map { value in { $0[keyPath: path] = value } } },
            lines: { owner in
                owner[keyPath: path].map { ["\(key): '\($0.replacing("'", with: "''"))'"] } ?? []
            })
    }

    /// A constant that is a map of its own, which `Value` reads and writes.
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

/// The constants that a file states or inherits.
struct StatedConstants<Owner> {
    private let constants: [ClusterConstant<Owner>]
    /// Changes to the owner, in the order in which they are applied: inherited ones first.
    private var changes: [(key: String, change: ClusterConstant<Owner>.Change)] = []

    /// An empty set of stated constants, of those that are possible.
    init(_ constants: [ClusterConstant<Owner>]) { self.constants = constants }

    /// Reads the constants that `reader` states.
    mutating func read(_ reader: FieldReader) {
        for constant in constants {
            if let change = constant.read(reader) { changes.append((constant.key, change)) }
        }
    }

    var isEmpty: Bool { changes.isEmpty }

    func states(_ key: String) -> Bool { changes.contains { $0.key == key } }

    /// Required constants that are not stated, each with an example.
    var missing: [(key: String, example: String)] {
        constants.compactMap { constant in
            constant.example.flatMap { states(constant.key) ? nil : (constant.key, $0) }
        }
    }

    /// The stated constants merged with those of `base`. This file's values win.
    func over(_ base: StatedConstants) -> StatedConstants {
        let stated = Set(changes.map(\.key))
        let kept = base.changes.filter { inherited in
            constants.first { $0.key == inherited.key }?.yieldsTo.isDisjoint(with: stated) ?? true
        }
        var merged = self
        merged.changes = kept + changes
        return merged
    }

    /// The stated constants without those of `keys`.
    func without(_ keys: Set<String>) -> StatedConstants {
        var others = self
        others.changes = changes.filter { !keys.contains($0.key) }
        return others
    }

    /// Sets the stated values in `owner`.
    func apply(to owner: inout Owner) { for (_, change) in changes { change(&owner) } }
}
