internal import Numbers
internal import Reading

/// A key of a shape whose value is a number. One such value serves to read, write and check it.
package struct SizeKey<Owner: Sendable>: Sendable {
    private enum Value: Sendable {
        case count(ClosedRange<Int>, any WritableKeyPath<Owner, Int> & Sendable)
        case limit(ClosedRange<Int>, any WritableKeyPath<Owner, Int?> & Sendable)
        case number(ClosedRange<Double>, any WritableKeyPath<Owner, Double> & Sendable)
    }

    package var key: String
    private var value: Value
    /// Example for the message that the key is missing; nil: the key may be left out.
    private var example: String?

    /// A whole number.
    static func count(
        _ key: String, in bounds: ClosedRange<Int>, _ path: any WritableKeyPath<Owner, Int> & Sendable,
        example: String? = nil
    ) -> SizeKey {
        SizeKey(key: key, value: .count(bounds, path), example: example)
    }

    /// A whole number, or none.
    static func limit(
        _ key: String, in bounds: ClosedRange<Int>, _ path: any WritableKeyPath<Owner, Int?> & Sendable
    ) -> SizeKey {
        SizeKey(key: key, value: .limit(bounds, path))
    }

    static func number(
        _ key: String, in bounds: ClosedRange<Double>, _ path: any WritableKeyPath<Owner, Double> & Sendable
    ) -> SizeKey {
        SizeKey(key: key, value: .number(bounds, path))
    }

    /// Reads the key from a map and sets the value of `owner`.
    /// - Returns: whether the map has a valid value.
    @discardableResult
    func read(_ reader: FieldReader, into owner: inout Owner) -> Bool {
        switch value {
        case .count(let bounds, let path):
            guard let count = reader.count(key, in: bounds) else { return false }
            owner[keyPath: path] = count
        case .limit(let bounds, let path):
            guard let count = reader.count(key, in: bounds) else { return false }
            owner[keyPath: path] = count
        case .number(let bounds, let path):
            guard let number = reader.number(key, .plain, in: bounds) else { return false }
            owner[keyPath: path] = number
        }
        return true
    }

    /// Reads a whole number from a map; nil, after a report if the value is invalid, if there is none.
    func count(_ reader: FieldReader) -> Int? {
        switch value {
        case .count(let bounds, _), .limit(let bounds, _): reader.count(key, in: bounds)
        case .number: nil
        }
    }

    /// Sets a whole number of `owner`.
    func set(_ owner: inout Owner, to count: Int) {
        switch value {
        case .count(_, let path): owner[keyPath: path] = count
        case .limit(_, let path): owner[keyPath: path] = count
        case .number: break
        }
    }

    /// The value of `owner` as a plan states it; nil if there is none.
    private func text(of owner: Owner) -> String? {
        switch value {
        case .count(_, let path): "\(owner[keyPath: path])"
        case .limit(_, let path): owner[keyPath: path].map { "\($0)" }
        case .number(_, let path): Figures.plain(owner[keyPath: path])
        }
    }

    /// The key and the value of `owner` as a line of a plan; nil if there is no value.
    func line(of owner: Owner) -> String? { text(of: owner).map { "\(key): \($0)" } }

    /// The problem of a value of `owner` outside its bounds; nil if there is none.
    /// - Parameter path: the path of the map with the key, with its last point.
    func problem(of owner: Owner, in path: String = "") -> PlanProblem? {
        let rule: String
        switch value {
        case .count(let bounds, let value):
            guard !bounds.contains(owner[keyPath: value]) else { return nil }
            rule = Self.rule(bounds)
        case .limit(let bounds, let value):
            guard let count = owner[keyPath: value], !bounds.contains(count) else { return nil }
            rule = Self.rule(bounds)
        case .number(let bounds, let value):
            guard !bounds.contains(owner[keyPath: value]) else { return nil }
            rule = "must be from \(Figures.plain(bounds.lowerBound)) to \(Figures.plain(bounds.upperBound))"
        }
        return PlanProblem(field: path + key, value: text(of: owner) ?? "", rule: rule)
    }

    private static func rule(_ bounds: ClosedRange<Int>) -> String {
        "must be a whole number from \(Figures.grouped(bounds.lowerBound)) to \(Figures.grouped(bounds.upperBound))"
    }
}

extension SizeKey {
    /// Reads all `keys` of a map, then reports those that are missing and those that are unknown.
    /// - Returns: whether every key that may not be left out has a valid value.
    static func read(_ keys: [SizeKey], _ reader: FieldReader, into owner: inout Owner) -> Bool {
        var isComplete = true
        for key in keys where !key.read(reader, into: &owner) && key.example != nil { isComplete = false }
        for key in keys { if let example = key.example { reader.reportMissing(key.key, fix: example) } }
        reader.reportUnknownKeys()
        return isComplete
    }
}
