/// Finds out where each setting of a file is: in the plan, in a remark on it, or among what is ignored. None is nowhere.
struct SettingAccount {
    /// Settings that change nothing of an exported run, as the file writes them.
    private(set) var ignored: [String] = []
    private var beside: [String] = []
    private var left: [String] = []
    private var entered: Set<String>
    /// Settings that are in the plan under the name of another one.
    private let held: Set<String>
    private let remarks: [String]

    init(_ draft: PlanDraft) {
        (entered, held) = (draft.named, draft.held)
        remarks = draft.inferred + draft.left
    }

    /// Whether a setting names a class of Python, or how it is called.
    static func isClass(_ name: String) -> Bool {
        ["_target_", "_call_", "_partial_", "_args_"].contains { name.hasSuffix($0) }
    }

    /// What is ignored, the names of classes together.
    var allIgnored: [String] {
        ignored + (hasClasses ? ["_target_, _call_, _args_, _partial_ (classes of Python)"] : [])
    }
    private var hasClasses = false

    mutating func enter(_ setting: Setting, _ fate: SettingFate, isWhole: Bool) {
        guard entered.insert(setting.written).inserted, !isSaid(setting.written) else { return }
        if Self.isClass(setting.name) {
            hasClasses = true
            return
        }
        if held.contains(setting.written) {
            beside.append(setting.written)
            return
        }
        let isUnset = isWhole ? setting.value.isUnset : setting.value.isNothing
        switch fate {
        case .read where !isUnset: beside.append(setting.written)
        case .unread where !isUnset && !Bystander.isOne(setting.name): left.append(setting.written)
        case .read, .unread, .idle: ignored.append(setting.written)
        }
    }

    /// Whether a remark names the setting.
    private func isSaid(_ name: String) -> Bool {
        remarks.contains { remark in
            remark.ranges(of: name).contains { range in
                let before =
                    range.lowerBound == remark.startIndex ? nil : remark[remark.index(before: range.lowerBound)]
                let after = range.upperBound == remark.endIndex ? nil : remark[range.upperBound]
                return [before, after].allSatisfy { letter in
                    letter.map { !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "-" } ?? true
                }
            }
        }
    }

    /// Adds the remarks on settings that no other remark names.
    func close(_ draft: inout PlanDraft, isWhole: Bool) {
        if !beside.isEmpty {
            draft.note("read together with others, without a key of their own: \(beside.joined(separator: ", "))")
        }
        guard !left.isEmpty else { return }
        draft.leave(
            left.joined(separator: ", ") + ": a plan cannot say "
                + (left.count == 1 ? "it" : "them")
                + (isWhole
                    ? "; the file states defaults too, so add what differs from them to exported files by hand"
                    : "; add \(left.count == 1 ? "it" : "them") to exported files by hand"))
    }
}
