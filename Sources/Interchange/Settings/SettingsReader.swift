internal import Numbers
package import Reading

/// Reads the settings of another tool's file. Every setting that is asked for is checked for its type. Settings that nobody
/// asked for are remembered, so that an import can say what it ignored.
package final class SettingsReader {
    package let collector: ProblemCollector
    private let settings: [String: Setting]
    /// Names in the order of the file.
    private let order: [String]
    /// Switches that are given twice, which changes nothing.
    package private(set) var repeated: [String] = []
    /// Settings that are `auto`, which the training script decides.
    package private(set) var open: [String] = []
    /// Settings that are `auto` and were asked for, so that something was taken in their place.
    package private(set) var decided: [String] = []
    private var asked: [String] = []
    private var askedNames: Set<String> = []

    /// - Parameters:
    ///   - settings: settings of one file. A name that comes twice is reported, unless it is a switch.
    ///   - leavesAuto: whether `auto` is no value, but leaves a setting to the training script.
    package init(_ settings: [Setting], collector: ProblemCollector, leavesAuto: Bool = false) {
        self.collector = collector
        var known: [String: Setting] = [:]
        var order: [String] = []
        for setting in settings {
            if setting.earlier != nil {
                collector.report(
                    setting.written, in: setting.file, line: setting.line, column: setting.column,
                    rule: setting.ruleOfRepeat, fix: Setting.fixOfRepeat)
                continue
            }
            if let first = known[setting.name] {
                if setting.isSwitch, first.value == setting.value {
                    repeated.append("\(setting.written) is given twice, on lines \(first.line) and \(setting.line)")
                    continue
                }
                let place = first.file == setting.file ? "" : " of \(first.file ?? collector.file)"
                collector.report(
                    setting.written, in: setting.file, line: setting.line, column: setting.column,
                    rule: first.value == setting.value
                        ? "is given twice, first on line \(first.line)\(place)"
                        : "contradicts \(first.written) on line \(first.line)\(place)", fix: "keep one of them")
                continue
            }
            if leavesAuto, setting.value == .word("auto") {
                open.append(setting.name)
                continue
            }
            known[setting.name] = setting
            order.append(setting.name)
        }
        (self.settings, self.order) = (known, order)
    }

    package var file: String { collector.file }

    /// The setting of that name, which is thereby taken.
    package func setting(_ name: String) -> Setting? {
        if open.contains(name), !decided.contains(name) { decided.append(name) }
        if askedNames.insert(name).inserted { asked.append(name) }
        guard let setting = settings[name], setting.value != .word("None"), setting.value != .word("null"),
            setting.value != .word("~")
        else { return nil }
        return setting
    }

    /// Whether the file has the setting, which stays untaken.
    package func has(_ name: String) -> Bool { settings[name] != nil }

    /// Whether the file has a setting whose name begins so.
    package func hasSection(_ name: String) -> Bool { order.contains { $0.hasPrefix(name + ".") } }

    /// Takes settings that have no influence on a plan.
    package func expect(_ names: [String]) {
        for name in names where askedNames.insert(name).inserted { asked.append(name) }
    }

    package func word(_ name: String) -> String? {
        guard let setting = setting(name) else { return nil }
        switch setting.value {
        case .word(let word): return word
        case .list(let words) where words.count == 1: return words[0]
        case .list:
            fail(setting, "must be one value")
        case .nothing:
            fail(setting, "has no value", fix: "write it into the file")
        }
        return nil
    }

    package func words(_ name: String) -> [String]? {
        guard let setting = setting(name) else { return nil }
        switch setting.value {
        case .word(let word): return [word]
        case .list(let words): return words
        case .nothing: return []
        }
    }

    /// One of `words`, which stand for values.
    package func choice<Value>(_ name: String, _ words: [(String, Value)]) -> Value? {
        guard let found = word(name) else { return nil }
        if let match = words.first(where: { $0.0.lowercased() == found.lowercased() }) { return match.1 }
        let names = words.map(\.0)
        fail(
            name, "must be \(Wording.alternatives(names))", fix: Wording.didYouMean(found, among: names))
        return nil
    }

    package func count(_ name: String, in range: ClosedRange<Int> = 1...Int(1e15)) -> Int? {
        guard let found = word(name) else { return nil }
        let rule =
            "must be a whole number from \(Figures.grouped(range.lowerBound)) to \(Figures.grouped(range.upperBound))"
        // Other tools write 1e6, 1_000_000 and 2.0 for whole numbers.
        let plain = found.filter { $0 != "_" }
        guard let value = Int(plain) ?? Double(plain).flatMap(Int.init(exactly:)), range.contains(value) else {
            fail(name, rule)
            return nil
        }
        return value
    }

    package func counts(_ name: String, in range: ClosedRange<Int>) -> [Int]? {
        guard let found = words(name) else { return nil }
        let values = found.compactMap { Int($0) }
        guard values.count == found.count, values.allSatisfy(range.contains) else {
            fail(name, "must be whole numbers from \(range.lowerBound) to \(Figures.grouped(range.upperBound))")
            return nil
        }
        return values
    }

    package func number(_ name: String, in range: ClosedRange<Double> = 0...1e300) -> Double? {
        guard let found = word(name) else { return nil }
        guard let value = Double(found.filter { $0 != "_" }), value.isFinite, range.contains(value) else {
            fail(name, "must be a number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return value
    }

    /// A flag. One that stands alone is true.
    package func flag(_ name: String) -> Bool? {
        guard let setting = setting(name) else { return nil }
        switch setting.value {
        case .nothing: return true
        case .word(let word):
            switch word.lowercased() {
            case "true", "yes", "on", "1": return true
            case "false", "no", "off", "0": return false
            default:
                fail(setting, "must be true or false")
                return nil
            }
        case .list:
            fail(setting, "must be true or false")
            return nil
        }
    }

    /// Reports a setting's value.
    package func fail(_ name: String, _ rule: String, fix: String = "") {
        if let setting = settings[name] { return fail(setting, rule, fix: fix) }
        collector.adopt(PlanProblem(file: collector.file, field: name, rule: rule, fix: fix))
    }

    /// Reports a setting that the file lacks.
    package func missing(_ name: String, _ fix: String) {
        collector.adopt(PlanProblem(file: collector.file, field: name, rule: "is missing", fix: fix))
    }

    private func fail(_ setting: Setting, _ rule: String, fix: String = "") {
        let value: String
        switch setting.value {
        case .nothing: value = ""
        case .word(let word): value = "'\(word.count > 60 ? String(word.prefix(57)) + "..." : word)'"
        case .list: value = "a list"
        }
        collector.report(
            setting.written, in: setting.file, line: setting.line, column: setting.column, value: value, rule: rule,
            fix: fix)
    }

    /// The setting of that name, whether or not it was asked for.
    package func place(_ name: String) -> Setting? { settings[name] }

    /// Settings that nobody asked for, in the order of the file.
    package var ignored: [Setting] { order.filter { !askedNames.contains($0) }.compactMap { settings[$0] } }

    /// Reports devices that the user says and that are not those that the file states.
    /// - Parameters:
    ///   - devices: what the user says.
    ///   - stated: what the file states.
    ///   - name: the setting that states it.
    ///   - words: how the file states it.
    /// - Returns: whether they differ.
    @discardableResult
    package func contradicts(devices: Int?, stated: Int, at name: String, _ words: String) -> Bool {
        guard let devices, devices != stated else { return false }
        let place = settings[name]
        collector.adopt(
            PlanProblem(
                file: place?.file ?? file, line: place?.line, column: place?.column,
                field: "--devices \(devices)", rule: "contradicts \(words)",
                fix: "leave it out, or change the file"))
        return true
    }

    /// Reports ignored settings that are a slip of the pen away from one that was asked for and is not there.
    /// - Parameter stated: the settings of the file itself, where others were put beneath them; nil: all.
    package func reportMisspelt(stated: Set<String>? = nil) {
        for setting in ignored {
            let section = setting.name.lastIndex(of: ".").map { setting.name[...$0] } ?? ""
            let near = asked.filter { name in
                !(stated?.contains(name) ?? (settings[name] != nil || open.contains(name))) && name.hasPrefix(section)
                    && !name.dropFirst(section.count).contains(".")
            }
            let own = String(setting.name.dropFirst(section.count))
            reportSlip(setting, own, among: near.map { String($0.dropFirst(section.count)) })
        }
    }

    /// Reports misspelt settings of a file whose names have sections before the names that were asked for.
    /// - Parameters:
    ///   - stated: the settings of the file itself, where others were put beneath them; nil: all.
    ///   - isKnown: whether a name is one of the tool's own, and so no slip of the pen.
    package func reportMisspeltParts(stated: Set<String>? = nil, isKnown: (String) -> Bool) {
        let absent = asked.filter { !(stated?.contains($0) ?? (settings[$0] != nil)) && $0.count >= 8 }
        for setting in ignored {
            let own = setting.name.split(separator: ".").last.map(String.init) ?? setting.name
            if own.count >= 8, !isKnown(own) { reportSlip(setting, own, among: absent) }
        }
    }

    /// Reports a setting whose own name is a slip of the pen away from one of `names`.
    private func reportSlip(_ setting: Setting, _ own: String, among names: [String]) {
        guard let nearest = Spelling.nearest(to: own, among: names), Spelling.distance(own, nearest) <= 2 else {
            return
        }
        fail(setting, "unknown setting", fix: "did you mean '\(nearest)'?")
    }
}

extension ProblemCollector {
    /// - Parameter other: the file of the problem if it is another than the one that is read.
    func report(
        _ path: String, in other: String? = nil, line: Int, column: Int, value: String = "", rule: String, fix: String
    ) {
        adopt(
            PlanProblem(
                file: other ?? file, line: line, column: column, field: path, value: value, rule: rule, fix: fix))
    }
}
