internal import Numbers
package import Reading

/// A key of a shape. One such value serves to read, write and check it.
package struct ShapeKey<Owner: Sendable>: Sendable {
    package typealias Edit = @Sendable (inout Owner) -> Void

    package var key: String
    /// Example for the message that the key is missing; nil: the key may be left out.
    var example: String?
    /// The change of an owner that a map asks for; nil, after a report of an invalid value, if there is none.
    private let readEdit: @Sendable (FieldReader) -> Edit?
    /// The lines that state the value in a plan, the first behind the key; empty if there is nothing to state.
    private let stated: @Sendable (Owner) -> [String]
    /// Whether the value is the one that is not stated.
    private let isStandard: @Sendable (Owner) -> Bool
    /// The problems of a value; their fields are relative to the key.
    private let broken: @Sendable (Owner) -> [PlanProblem]
    /// The map of other keys under the key; nil: the key has a single value or a list.
    private var nested: Nested?

    /// A map of keys under a key.
    private struct Nested: Sendable {
        /// Whether an owner has such a map.
        var isThere: @Sendable (Owner) -> Bool
        var clear: Edit
        /// Reports the keys that the map of a file leaves out, and that `owner` does not have either.
        var reportMissing: @Sendable (FieldReader, _ owner: Owner, ProblemCollector) -> Void
    }

    init(
        key: String, example: String? = nil, readEdit: @escaping @Sendable (FieldReader) -> Edit?,
        isStandard: @escaping @Sendable (Owner) -> Bool = { _ in false },
        stated: @escaping @Sendable (Owner) -> [String], broken: @escaping @Sendable (Owner) -> [PlanProblem]
    ) {
        self.key = key
        self.example = example
        self.readEdit = readEdit
        self.isStandard = isStandard
        self.stated = stated
        self.broken = broken
    }

    /// Reads the key from a map.
    /// - Returns: the change that it asks for; nil if the map has no valid value.
    func read(_ reader: FieldReader) -> Edit? { readEdit(reader) }

    /// The key and the value of `owner` as lines of a plan; empty if there is nothing to state.
    /// - Parameter isComplete: whether a value that is not stated otherwise is stated too.
    package func lines(of owner: Owner, isComplete: Bool = false) -> [String] {
        let lines = isComplete || !isStandard(owner) ? stated(owner) : []
        guard let first = lines.first else { return [] }
        return [first.isEmpty ? "\(key):" : "\(key): \(first)"] + lines.dropFirst().map { "  " + $0 }
    }

    /// The problems of a value of `owner`.
    /// - Parameter path: the path of the map with the key, with its last point.
    package func problems(of owner: Owner, in path: String = "") -> [PlanProblem] {
        broken(owner).map { problem in
            var problem = problem
            problem.field = path + key + problem.field
            return problem
        }
    }

    /// Whether `owner` has a map of keys under this key, some of which a file may state again.
    func hasMap(in owner: Owner) -> Bool { nested?.isThere(owner) ?? false }

    /// Takes the map of keys under this key away, so that a file states it as a whole.
    func clear(_ owner: inout Owner) { nested?.clear(&owner) }

    /// Reports the keys that the map under this key leaves out although `owner`, which it changes, lacks them.
    func reportMissing(_ reader: FieldReader, over owner: Owner) {
        reportMissing(reader, over: owner, reader.collector)
    }

    private func reportMissing(_ reader: FieldReader, over owner: Owner, _ collector: ProblemCollector) {
        guard let nested, let map = reader.entryMap(key) else { return }
        nested.reportMissing(map, owner, collector)
    }

    /// Whether two owners state the same value.
    func isSame(_ a: Owner, _ b: Owner) -> Bool { stated(a) == stated(b) }
}

extension ShapeKey {
    private static func set<Value: Sendable>(
        _ path: any WritableKeyPath<Owner, Value> & Sendable, _ value: Value
    ) -> Edit { { $0[keyPath: path] = value } }

    private static func outside(_ bounds: ClosedRange<Int>, _ value: Int) -> [PlanProblem] {
        guard !bounds.contains(value) else { return [] }
        return [
            PlanProblem(
                field: "", value: "\(value)",
                rule: "must be a whole number from \(Figures.grouped(bounds.lowerBound)) to "
                    + Figures.grouped(bounds.upperBound))
        ]
    }

    /// A whole number.
    /// - Parameter standard: the value that is not stated; nil: every value is.
    static func count(
        _ key: String, in bounds: ClosedRange<Int>, _ path: any WritableKeyPath<Owner, Int> & Sendable,
        example: String? = nil, standard: Int? = nil
    ) -> ShapeKey {
        ShapeKey(
            key: key, example: example,
            readEdit: { reader in reader.count(key, in: bounds).map { set(path, $0) } },
            isStandard: { $0[keyPath: path] == standard }, stated: { ["\($0[keyPath: path])"] },
            broken: { outside(bounds, $0[keyPath: path]) })
    }

    /// A whole number, or none. `none` takes a value away.
    static func limit(
        _ key: String, in bounds: ClosedRange<Int>, _ path: any WritableKeyPath<Owner, Int?> & Sendable
    ) -> ShapeKey {
        ShapeKey(
            key: key,
            readEdit: { reader in
                if reader.word(ifAmong: ["none"], key) != nil { return set(path, nil) }
                return reader.count(key, in: bounds).map { set(path, $0) }
            }, stated: { $0[keyPath: path].map { ["\($0)"] } ?? [] },
            broken: { $0[keyPath: path].map { outside(bounds, $0) } ?? [] })
    }

    static func number(
        _ key: String, in bounds: ClosedRange<Double>, _ path: any WritableKeyPath<Owner, Double> & Sendable
    ) -> ShapeKey {
        ShapeKey(
            key: key,
            readEdit: { reader in
                reader.number(key, .plain, in: bounds).map { set(path, $0) }
            }, stated: { [Figures.plain($0[keyPath: path])] },
            broken: { owner in
                guard !bounds.contains(owner[keyPath: path]) else { return [] }
                return [
                    PlanProblem(
                        field: "", value: Figures.plain(owner[keyPath: path]),
                        rule: "must be from \(Figures.plain(bounds.lowerBound)) to \(Figures.plain(bounds.upperBound))")
                ]
            })
    }

    /// A number, or none. `none` takes a value away.
    static func ratio(
        _ key: String, in bounds: ClosedRange<Double>, _ path: any WritableKeyPath<Owner, Double?> & Sendable
    ) -> ShapeKey {
        ShapeKey(
            key: key,
            readEdit: { reader in
                if reader.word(ifAmong: ["none"], key) != nil { return set(path, nil) }
                return reader.number(key, .plain, in: bounds).map { set(path, $0) }
            }, stated: { $0[keyPath: path].map { [Figures.plain($0)] } ?? [] },
            broken: { owner in
                guard let value = owner[keyPath: path], !bounds.contains(value) else { return [] }
                return [
                    PlanProblem(
                        field: "", value: Figures.plain(value),
                        rule: "must be from \(Figures.plain(bounds.lowerBound)) to \(Figures.plain(bounds.upperBound))")
                ]
            })
    }

    /// `true` or `false`.
    /// - Parameter standard: the value that is not stated unless `isAlwaysStated`.
    static func flag(
        _ key: String, _ path: any WritableKeyPath<Owner, Bool> & Sendable, standard: Bool = false,
        isAlwaysStated: Bool = false
    ) -> ShapeKey {
        ShapeKey(
            key: key, readEdit: { reader in reader.flag(key).map { set(path, $0) } },
            isStandard: { $0[keyPath: path] == standard && !isAlwaysStated },
            stated: { ["\($0[keyPath: path])"] },
            broken: { _ in [] })
    }

    /// One of the words of `Choice`.
    /// - Parameter standard: the word that is not stated; nil: every word is.
    static func choice<Choice: RawRepresentable & CaseIterable & Hashable & Sendable>(
        _ key: String, _ path: any WritableKeyPath<Owner, Choice> & Sendable, standard: Choice? = nil
    ) -> ShapeKey where Choice.RawValue == String {
        ShapeKey(
            key: key,
            readEdit: { reader in
                reader.choice(key, of: Choice.self).map { set(path, $0) }
            }, isStandard: { $0[keyPath: path] == standard }, stated: { [$0[keyPath: path].rawValue] },
            broken: { _ in [] })
    }

    /// One of the words of `Choice`, or nothing stated.
    static func option<Choice: RawRepresentable & CaseIterable & Hashable & Sendable>(
        _ key: String, _ path: any WritableKeyPath<Owner, Choice?> & Sendable
    ) -> ShapeKey where Choice.RawValue == String {
        ShapeKey(
            key: key,
            readEdit: { reader in
                reader.choice(key, of: Choice.self).map { set(path, $0) }
            }, stated: { $0[keyPath: path].map { [$0.rawValue] } ?? [] }, broken: { _ in [] })
    }

    /// A name, or nothing stated.
    static func name(_ key: String, _ path: any WritableKeyPath<Owner, String?> & Sendable) -> ShapeKey {
        ShapeKey(
            key: key, readEdit: { reader in reader.word(key).map { set(path, $0) } },
            stated: { $0[keyPath: path].map { [$0] } ?? [] }, broken: { _ in [] })
    }

    /// A list of words of `Choice`, or nothing stated.
    /// - Parameter words: words that stand for whole lists.
    static func set<Choice: RawRepresentable & CaseIterable & Hashable & Comparable & Sendable>(
        _ key: String, _ path: any WritableKeyPath<Owner, [Choice]?> & Sendable, words: [String: [Choice]]
    ) -> ShapeKey where Choice.RawValue == String {
        ShapeKey(
            key: key,
            readEdit: { reader in
                if let word = reader.word(ifAmong: words.keys.sorted(), key), let choices = words[word] {
                    return set(path, choices)
                }
                return reader.choices(key, of: Choice.self).map { set(path, $0.sorted()) }
            },
            stated: { owner in
                owner[keyPath: path].map { choices in
                    let word = words.first { $0.value == choices }?.key
                    return [word ?? "[\(choices.map(\.rawValue).joined(separator: ", "))]"]
                } ?? []
            }, broken: { _ in [] })
    }

    /// A map with keys of its own, or none. `none` takes the map away. Of a map that the owner already has, a file states
    /// the keys that differ.
    /// - Parameters:
    ///   - empty: the value that keys change if the owner has none.
    ///   - finish: completes a value whose stated keys are set, of the value before.
    static func map<Inner: Sendable>(
        _ key: String, _ path: any WritableKeyPath<Owner, Inner?> & Sendable, keys: [ShapeKey<Inner>], empty: Inner,
        finish: @escaping @Sendable (inout Inner, _ before: Inner, _ stated: [String]) -> Void = { _, _, _ in }
    ) -> ShapeKey {
        var map = ShapeKey(
            key: key,
            readEdit: { reader in
                if reader.word(ifAmong: ["none"], key) != nil { return set(path, nil) }
                guard let map = reader.map(key) else { return nil }
                var edits: [(key: ShapeKey<Inner>, edit: ShapeKey<Inner>.Edit)] = []
                var isValid = true
                for key in keys {
                    if let edit = key.read(map) {
                        edits.append((key, edit))
                    } else if key.example != nil, map.contains(key.key) {
                        isValid = false
                    }
                }
                map.reportUnknownKeys()
                guard isValid else { return nil }
                let (changes, stated) = (edits, edits.map(\.key.key))
                let isComplete = keys.allSatisfy { $0.example == nil || stated.contains($0.key) }
                return { owner in
                    let before = owner[keyPath: path]
                    // Keys that no owner has were reported.
                    guard isComplete || before != nil else { return }
                    var inner = before ?? empty
                    for (_, edit) in changes { edit(&inner) }
                    finish(&inner, before ?? empty, stated)
                    owner[keyPath: path] = inner
                }
            },
            stated: { owner in
                owner[keyPath: path].map { inner in [""] + keys.flatMap { $0.lines(of: inner) } } ?? []
            },
            broken: { owner in
                owner[keyPath: path].map { inner in keys.flatMap { $0.problems(of: inner, in: ".") } } ?? []
            })
        map.nested = Nested(
            isThere: { $0[keyPath: path] != nil }, clear: { $0[keyPath: path] = nil },
            reportMissing: { map, owner, collector in
                let before = owner[keyPath: path]
                for key in keys {
                    if before == nil, let example = key.example, !map.contains(key.key) {
                        collector.report(map.join(key.key), at: map.mark, rule: "is missing", fix: example)
                    }
                    key.reportMissing(map, over: before ?? empty, collector)
                }
            })
        return map
    }

    /// The key for owners without a property: those that have it neither state nor check the key.
    func unless(_ has: any KeyPath<Owner, Bool> & Sendable) -> ShapeKey {
        let (standard, stated, broken) = (isStandard, stated, broken)
        return ShapeKey(
            key: key, example: example, readEdit: readEdit,
            isStandard: { $0[keyPath: has] || standard($0) }, stated: { $0[keyPath: has] ? [] : stated($0) },
            broken: { $0[keyPath: has] ? [] : broken($0) })
    }

    /// A list of whole numbers, or one number for a list of one.
    /// - Parameter standard: the value that is not stated; nil: every value is.
    static func counts(
        _ key: String, in bounds: ClosedRange<Int>, _ path: any WritableKeyPath<Owner, [Int]> & Sendable,
        standard: [Int]? = nil
    ) -> ShapeKey {
        ShapeKey(
            key: key,
            readEdit: { reader in
                // One number is a list of one.
                if reader.scalar(key) != nil { return reader.count(key, in: bounds).map { set(path, [$0]) } }
                return reader.counts(key, in: bounds).map { set(path, $0) }
            },
            isStandard: { $0[keyPath: path] == standard },
            stated: { owner in
                let list = owner[keyPath: path].map(String.init).joined(separator: ", ")
                return [owner[keyPath: path].count == 1 ? list : "[\(list)]"]
            },
            broken: { $0[keyPath: path].flatMap { outside(bounds, $0) } })
    }
}
