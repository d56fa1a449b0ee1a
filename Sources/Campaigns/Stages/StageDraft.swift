internal import Numbers
internal import Plans
internal import Reading
internal import Yams

/// A stage as its map says it, before the stages that it names are known.
final class StageDraft {
    let reader: FieldReader
    let name: String
    let kind: StageKind
    /// Whether the kind is one of those that there are; else what the stage says is not read.
    let isKindKnown: Bool
    /// The stages that it says it is after, and the one it is from.
    let after: [String]
    let from: String?
    /// Devices of a job; nil: the whole pool, or those of its plan file.
    let devices: Int?
    let repetition: Repetition?
    /// The plan file that states the stage; nil: it states itself.
    let file: String?
    /// Keys of plans that the stage has.
    let own: PlanKeys

    /// Reads what stages of all kinds have.
    init(_ reader: FieldReader, number: Int, pool: Int?) {
        reader.expect("name", "kind", "after", "from", "devices", "repeat", "plan")
        self.reader = reader
        name = reader.text("name") ?? "stage \(number + 1)"
        reader.reportMissing("name", fix: "e.g. name: pretraining")
        file = reader.contains("plan") ? reader.text("plan") : nil
        after = reader.word("after").map { [$0] } ?? reader.words("after") ?? []
        from = reader.text("from")
        var devices = reader.count("devices", in: Bounds.devices)
        if let stated = devices, let pool, stated > pool {
            reader.report(
                "devices", value: Figures.grouped(stated),
                rule: "is more than the pool has", fix: "at most \(Figures.grouped(pool)), or a larger pool")
            devices = pool
        }
        self.devices = devices
        repetition = Self.repetition(reader)
        let kind = reader.choice("kind", of: StageKind.self)
        if !reader.contains("kind") {
            if !reader.contains("plan") {
                reader.reportMissing(
                    "kind", fix: "one of \(StageKind.allCases.map(\.rawValue).joined(separator: ", "))")
            }
        }
        isKindKnown = kind != nil || !reader.contains("kind") && file != nil
        self.kind = kind ?? .pretraining
        // Scaling trials have lists of tokens.
        let keys = PlanKeys.known.filter { kind != .scalingTrials || $0 != "tokens" }
        own = PlanKeys(reader, keys)
        reader.expect(self.kind == .scalingTrials ? "tokens" : "model")
        if file != nil, let first = own.entries.first {
            reader.report(
                first.key, rule: "the plan file states it", fix: "remove it here, or remove plan and state all keys")
        }
    }

    private static func repetition(_ reader: FieldReader) -> Repetition? {
        guard let map = reader.map("repeat") else { return nil }
        let probability = map.number("probability", .share, in: 0...1)
        let share = map.number("share", .share, in: 0...1)
        map.reportMissing("probability", fix: "the chance that the stage is done again, e.g. probability: 0.2")
        map.reportUnknownKeys()
        return probability.map { Repetition(probability: $0, share: share ?? 1) }
    }

    /// Reports keys that are not of this kind, with the kind that they are of.
    func reportUnknownKeys() {
        for key in kind.keys { reader.expect(key) }
        for key in reader.keys where !kind.keys.contains(key) {
            let kinds = StageKind.allCases.filter { $0.keys.contains(key) }.map(\.rawValue)
            guard !kinds.isEmpty else { continue }
            reader.report(
                key, rule: "is no key of kind \(kind.rawValue)", fix: "it is one of \(Wording.alternatives(kinds))")
            reader.expect(key)
        }
        reader.reportUnknownKeys()
    }
}

extension StageDraft {
    /// The numbers of the stages that each of `drafts` comes after, and reports of unknown names and of circles.
    static func predecessors(of drafts: [StageDraft]) -> [[Int]]? {
        let names = drafts.map(\.name)
        var isWhole = true
        func number(_ name: String, _ key: String, _ draft: StageDraft) -> Int? {
            if let number = names.firstIndex(of: name) { return number }
            var fix = Wording.didYouMean(name, among: names)
            if fix.isEmpty { fix = "there are \(names.joined(separator: ", "))" }
            draft.reader.report(key, value: "'\(name)'", rule: "there is no such stage", fix: fix)
            isWhole = false
            return nil
        }
        let after = drafts.map { draft in
            draft.after.compactMap { number($0, "after", draft) }
                + [draft.from.flatMap { number($0, "from", draft) }].compactMap(\.self)
        }
        if let circle = PoolOrder.circle(after), let first = circle.min() {
            let names = circle.map { drafts[$0].name }
            let draft = drafts[first]
            draft.reader.report(
                draft.after.isEmpty ? "from" : "after", value: "",
                rule: "the stages wait for one another: \((names + [names[0]]).joined(separator: " after "))",
                fix: "remove one of these")
            isWhole = false
        }
        return isWhole ? after : nil
    }
}
