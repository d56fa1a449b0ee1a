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
    /// Those settings by name.
    private let undecided: [String: Setting]
    /// Settings that are `auto` and were asked for, so that something was taken in their place.
    package private(set) var decided: [String] = []
    /// Names in the order in which they were asked for, or are known otherwise.
    private var asked: [String] = []
    private var askedNames: Set<String> = []
    /// Settings whose values were asked for.
    private var taken: Set<String> = []
    /// Settings that act only beside others which the file lacks.
    private var idle: Set<String> = []
    /// Whether the file holds every setting of its tool, so that most of them are defaults.
    package var isWhole = false

    /// - Parameters:
    ///   - settings: settings of one file. A name that comes twice is reported, unless it is a switch.
    ///   - leavesAuto: whether `auto` is no value, but leaves a setting to the training script.
    package init(_ settings: [Setting], collector: ProblemCollector, leavesAuto: Bool = false) {
        self.collector = collector
        var known: [String: Setting] = [:]
        var undecided: [String: Setting] = [:]
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
                if undecided.updateValue(setting, forKey: setting.name) == nil { open.append(setting.name) }
                continue
            }
            known[setting.name] = setting
            order.append(setting.name)
        }
        (self.settings, self.order, self.undecided) = (known, order, undecided)
    }

    package var file: String { collector.file }

    /// The setting of that name, which is thereby taken.
    package func setting(_ name: String) -> Setting? {
        if open.contains(name), !decided.contains(name) { decided.append(name) }
        know([name])
        taken.insert(name)
        guard let setting = settings[name], setting.value != .word("None"), setting.value != .word("null"),
            setting.value != .word("~")
        else { return nil }
        return setting
    }

    /// Whether the file has the setting, which stays untaken.
    package func has(_ name: String) -> Bool { settings[name] != nil }

    /// Whether the file has a setting whose name begins so.
    package func hasSection(_ name: String) -> Bool { order.contains { $0.hasPrefix(name + ".") } }

    /// Names settings that act only beside others which the file lacks, or say what every exported file says too.
    package func expect(_ names: [String]) {
        know(names)
        idle.formUnion(names)
    }

    /// Names settings of the tool that a plan does not hold, so that they are no slips of the pen.
    package func know(_ names: [String]) {
        for name in names where askedNames.insert(name).inserted { asked.append(name) }
    }

    /// Settings that the file does not state.
    private var absent: Set<String> = []

    /// Marks settings that were put beneath those of the file, which need no account.
    package func leaveAside(_ isAbsent: (Setting) -> Bool) {
        absent.formUnion(settings.values.filter(isAbsent).map(\.name))
        know(order.filter(absent.contains))
    }

    /// Whether a setting was read, acts only beside others, or was not asked for.
    func fate(_ setting: Setting) -> SettingFate {
        if taken.contains(setting.name) { return .read }
        return idle.contains(setting.name) ? .idle : .unread
    }

    /// The settings of the file that say something, in its order.
    var stated: [Setting] { order.filter { !absent.contains($0) }.compactMap { settings[$0] } }

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
    package func fail(_ name: String, _ rule: String, fix: String = "") { fail(name, rule, fix: fix, .input) }

    /// Reports a setting whose value is valid, and does not divide or fit what others say.
    package func misfit(_ name: String, _ rule: String, fix: String = "") { fail(name, rule, fix: fix, .misfit) }

    private func fail(_ name: String, _ rule: String, fix: String, _ kind: PlanProblem.Kind) {
        if let setting = settings[name] { return fail(setting, rule, fix: fix, kind) }
        collector.adopt(PlanProblem(kind, file: collector.file, field: name, rule: rule, fix: fix))
    }

    /// Reports a setting that the file lacks.
    package func missing(_ name: String, _ fix: String) {
        collector.adopt(PlanProblem(file: collector.file, field: name, rule: "is missing", fix: fix))
    }

    private func fail(
        _ setting: Setting, _ rule: String, fix: String = "", _ kind: PlanProblem.Kind = .input
    ) {
        let value: String
        switch setting.value {
        case .nothing: value = ""
        case .word(let word): value = "'\(word.count > 60 ? String(word.prefix(57)) + "..." : word)'"
        case .list: value = "a list"
        }
        collector.report(
            setting.written, in: setting.file, line: setting.line, column: setting.column, value: value, rule: rule,
            fix: fix, kind: kind)
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

    /// Reports settings that nobody asked for, and of which the name, or that of a section around it, is a slip of the pen away
    /// from a known one.
    /// - Parameters:
    ///   - stated: the settings of the file itself, where others were put beneath them; nil: all.
    ///   - sections: further sections of the tool.
    package func reportMisspelt(stated: Set<String>? = nil, sections: [String] = []) {
        let tree = NameTree(asked + sections)
        var reported: Set<String> = []
        for setting in ignored + open.filter({ !askedNames.contains($0) }).compactMap({ undecided[$0] }) {
            let slip = tree.slip(setting.name) { stated?.contains($0) ?? (settings[$0] != nil || open.contains($0)) }
            guard let slip, reported.insert(slip.path).inserted else { continue }
            fail(setting, slip.rule, fix: slip.fix)
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
        _ path: String, in other: String? = nil, line: Int, column: Int, value: String = "", rule: String, fix: String,
        kind: PlanProblem.Kind = .input
    ) {
        adopt(
            PlanProblem(
                kind, file: other ?? file, line: line, column: column, field: path, value: value, rule: rule, fix: fix))
    }
}
