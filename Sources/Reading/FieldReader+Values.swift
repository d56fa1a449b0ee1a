internal import Numbers
package import Yams

extension FieldReader {
    /// Reads one line of text.
    package func text(_ key: String) -> String? {
        guard let node = take(key) else { return nil }
        guard case .scalar(let scalar) = node, !scalar.string.trimmed.isEmpty else {
            report(key, value: Self.shown(node), rule: "must be text")
            return nil
        }
        // Names and paths are printed, so line breaks and codes that move a terminal's cursor are refused.
        guard !scalar.string.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            report(key, rule: "must be one line of text without control characters")
            return nil
        }
        return scalar.string
    }

    /// Reads a list of lines of text.
    package func texts(_ key: String) -> [String]? {
        list(key) { reader, node, place in
            guard case .scalar(let scalar) = node, !scalar.string.trimmed.isEmpty,
                !scalar.string.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
            else {
                reader.collector.report(
                    place, at: node.mark, value: Self.shown(node), rule: "must be one line of text")
                return nil
            }
            return scalar.string
        }
    }

    /// Reads text of any number of lines.
    package func block(_ key: String) -> String? {
        guard let node = take(key) else { return nil }
        guard case .scalar(let scalar) = node, !scalar.string.trimmed.isEmpty else {
            report(key, value: Self.shown(node), rule: "must be text")
            return nil
        }
        return scalar.string
    }

    /// Reads `true` or `false`. Other words are refused, since the meaning of `yes`, `on` and `y` depends on the
    /// version of YAML.
    package func flag(_ key: String) -> Bool? {
        guard let node = take(key) else { return nil }
        if case .scalar(let scalar) = node {
            switch scalar.string.lowercased() {
            case "true": return true
            case "false": return false
            case "yes", "on", "y":
                report(key, value: Self.shown(node), rule: "must be true or false", fix: "write true")
                return nil
            case "no", "off", "n":
                report(key, value: Self.shown(node), rule: "must be true or false", fix: "write false")
                return nil
            default: break
            }
        }
        report(key, value: Self.shown(node), rule: "must be true or false")
        return nil
    }

    /// Reads one of the words of `Choice`.
    package func choice<Choice: CaseIterable & RawRepresentable>(_ key: String, of type: Choice.Type) -> Choice?
    where Choice.RawValue == String {
        guard let node = take(key) else { return nil }
        let words = type.allCases.map(\.rawValue)
        if case .scalar(let scalar) = node {
            if let choice = Choice(rawValue: scalar.string) { return choice }
            report(
                key, value: Self.shown(node), rule: "must be \(Wording.alternatives(words))",
                fix: Wording.didYouMean(scalar.string, among: words))
            return nil
        }
        report(key, value: Self.shown(node), rule: "must be \(Wording.alternatives(words))")
        return nil
    }

    /// Reads a number inside `range` and converts it to the base of `unit`.
    package func number(
        _ key: String, _ unit: Quantity.Unit, in range: ClosedRange<Double>
    ) -> Double? {
        guard let node = take(key) else { return nil }
        return number(node, unit: unit, range: range) { rule, fix in
            report(key, value: Self.shown(node), rule: rule, fix: fix)
        }
    }

    /// Reads a number of a device, a network or a program inside `range`. It carries its unit: without one, nobody can tell
    /// microseconds from seconds.
    package func quantity(_ key: String, _ unit: Quantity.Unit, in range: ClosedRange<Double>) -> Double? {
        if let text = scalar(key)?.trimmed, !unit.words.isEmpty, let value = Double(text), value.isFinite, value != 0 {
            _ = take(key)
            report(
                key, value: text, rule: "has no unit",
                fix: "write \(Wording.alternatives(unit.words.map { "\(text) \($0)" }))")
            return nil
        }
        return number(key, unit, in: range)
    }

    /// Reads a whole number inside `range`; `4K`, `1e3` and `4,096` are whole numbers too.
    package func count(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let node = take(key) else { return nil }
        return count(node, range: range) { rule, fix in
            report(key, value: Self.shown(node), rule: rule, fix: fix)
        }
    }

    /// Reads a list of whole numbers, each inside `range`.
    package func counts(_ key: String, in range: ClosedRange<Int>) -> [Int]? {
        list(key) { reader, node, place in
            reader.count(node, range: range) { rule, fix in
                reader.collector.report(place, at: node.mark, value: Self.shown(node), rule: rule, fix: fix)
            }
        }
    }

    /// Reads a list of numbers, each inside `range`, and converts them to the base of `unit`.
    package func numbers(
        _ key: String, _ unit: Quantity.Unit = .plain, in range: ClosedRange<Double>
    ) -> [Double]? {
        list(key) { reader, node, place in
            reader.number(node, unit: unit, range: range) { rule, fix in
                reader.collector.report(place, at: node.mark, value: Self.shown(node), rule: rule, fix: fix)
            }
        }
    }

    /// Reads one number or a list of one or more, each inside `range`.
    package func amounts(
        _ key: String, _ unit: Quantity.Unit = .count, in range: ClosedRange<Double>
    ) -> [Double]? {
        guard isList(key) else { return number(key, unit, in: range).map { [$0] } }
        let values = numbers(key, unit, in: range)
        guard values?.isEmpty == true else { return values }
        report(key, rule: "is an empty list", fix: "give one or more")
        return nil
    }

    /// Reads a list of plain words.
    package func words(_ key: String) -> [String]? {
        list(key) { reader, node, place in
            if case .scalar(let scalar) = node, !scalar.string.trimmed.isEmpty { return scalar.string }
            reader.collector.report(place, at: node.mark, value: Self.shown(node), rule: "must be a word")
            return nil
        }
    }

    /// Reads a list of words of `Choice`, each named at most once.
    package func choices<Choice: RawRepresentable & CaseIterable>(_ key: String, of type: Choice.Type) -> [Choice]?
    where Choice.RawValue == String {
        let words = Choice.allCases.map(\.rawValue)
        var seen: Set<String> = []
        return list(key) { reader, node, place in
            guard case .scalar(let scalar) = node, let choice = Choice(rawValue: scalar.string) else {
                reader.collector.report(
                    place, at: node.mark, value: Self.shown(node), rule: "must be \(Wording.alternatives(words))")
                return nil
            }
            guard seen.insert(scalar.string).inserted else {
                reader.collector.report(place, at: node.mark, value: Self.shown(node), rule: "is named twice")
                return nil
            }
            return choice
        }
    }

    /// A reader of the map under `key`.
    package func map(_ key: String) -> FieldReader? {
        guard let node = take(key) else { return nil }
        guard case .mapping = node else {
            report(key, value: Self.shown(node), rule: "must be a map of keys and values")
            return nil
        }
        return FieldReader(node, path: join(key), collector: collector)
    }

    /// Reads every element of the list under `key` with `read`. nil: the key is absent or an element is wrong.
    package func list<Element>(
        _ key: String, read: (FieldReader, Node, _ place: String) -> Element?
    ) -> [Element]? {
        guard let node = take(key) else { return nil }
        guard case .sequence(let sequence) = node else {
            report(key, value: Self.shown(node), rule: "must be a list such as [1, 2]")
            return nil
        }
        var elements: [Element] = []
        for (index, element) in sequence.enumerated() {
            guard let value = read(self, element, "\(join(key))[\(index)]") else { continue }
            elements.append(value)
        }
        return elements.count == sequence.count ? elements : nil
    }

    // MARK: - One scalar

    package func number(
        _ node: Node, unit: Quantity.Unit, range: ClosedRange<Double>, fail: (_ rule: String, _ fix: String) -> Void
    ) -> Double? {
        guard case .scalar(let scalar) = node else {
            fail("must be \(unit.example)", "")
            return nil
        }
        do throws(Quantity.Failure) {
            let value = try Quantity.parse(scalar.string, as: unit)
            if range.contains(value) { return value }
            if value < range.lowerBound {
                let atLeast =
                    range.lowerBound == .leastNonzeroMagnitude
                    ? "above 0" : "at least \(Figures.plain(range.lowerBound))"
                fail("must be \(atLeast)", "")
            } else {
                fail("must be at most \(Figures.plain(range.upperBound))", "")
            }
        } catch {
            fail(Self.rule(of: error, unit: unit), Self.fix(of: error, text: scalar.string))
        }
        return nil
    }

    package func count(_ node: Node, range: ClosedRange<Int>, fail: (_ rule: String, _ fix: String) -> Void) -> Int? {
        let rule =
            "must be a whole number from \(Figures.grouped(range.lowerBound)) to \(Figures.grouped(range.upperBound))"
        guard case .scalar(let scalar) = node else {
            fail(rule, "")
            return nil
        }
        do throws(Quantity.Failure) {
            let whole = try Count(parsing: scalar.string).value
            if range.contains(whole) { return whole }
            fail(rule, "")
        } catch {
            fail(
                error == .malformed ? rule : Self.rule(of: error, unit: .count),
                Self.fix(of: error, text: scalar.string))
        }
        return nil
    }

    private static func rule(of failure: Quantity.Failure, unit: Quantity.Unit) -> String {
        switch failure {
        case .malformed: "must be \(unit.example)"
        case .leadingZero: "a leading zero makes a number ambiguous (octal in older YAML)"
        case .notFinite: "must be a finite number"
        }
    }

    private static func fix(of failure: Quantity.Failure, text: String) -> String {
        failure == .leadingZero ? "write \(text.trimmed.drop { $0 == "0" })" : ""
    }
}
