package import Plans
internal import Reading

/// The plan that an import made of another tool's file, with its remarks.
package struct ImportedPlan: Sendable {
    /// The plan file.
    package var text: String
    package var plan: Plan
    /// The tool whose file was read, and the kind of file.
    package var source: String
    /// What the file does not state and was concluded.
    package var inferred: [String]
    /// What the file states and no plan can say.
    package var left: [String]
    /// Settings that change nothing of what a plan says.
    package var ignored: [String]
}

/// What the user says beside a file.
package struct ImportRequest: Sendable {
    /// Devices of the run; nil: the file must say it, or the product of the degrees is taken.
    package var devices: Int?
    /// The cluster's name or path; nil: one is assumed.
    package var cluster: String?
    /// Tokens of the run; nil: the file's.
    package var tokens: Double?
    /// The software; nil: that of the file's tool.
    package var framework: String?
    /// Entries of the tokenizer, for files that name it alone; nil: the file's.
    package var vocab: Int?
    /// The model, for files that hold none: a shape's name, a Hugging Face configuration, or a number of parameters.
    package var model: String?
    /// Whether settings that the tool does not know are left aside.
    package var ignoresUnknown = false

    package init(
        devices: Int? = nil, cluster: String? = nil, tokens: Double? = nil, framework: String? = nil,
        vocab: Int? = nil, model: String? = nil, ignoresUnknown: Bool = false
    ) {
        (self.devices, self.cluster, self.tokens, self.framework) = (devices, cluster, tokens, framework)
        (self.vocab, self.model, self.ignoresUnknown) = (vocab, model, ignoresUnknown)
    }

    /// The cluster that is assumed where neither the file nor the user names one.
    static let assumedCluster = "h100-80g-sxm"
}

extension PlanDraft {
    /// Fills in what the user says and what every plan needs, reads the draft as a plan, and gives its problems the places of
    /// the settings that they came from.
    ///
    /// - Parameters:
    ///   - reader: the settings, all of them read.
    ///   - source: the tool and the kind of file, for people.
    ///   - framework: the software of the file's tool.
    ///   - fates: what became of the file's settings, where the reader's are made from them; nil: they are the file's own.
    ///   - unknown: what the tool does not know and the user leaves aside.
    /// - Throws: every problem of the file, and of the plan that it makes.
    func finished(
        _ reader: SettingsReader, request: ImportRequest, source: String, framework: String?, library: Library,
        fates: [(Setting, SettingFate)]? = nil, unknown: [String] = []
    ) throws(PlanProblems) -> ImportedPlan {
        var draft = self
        if let cluster = request.cluster {
            draft.set("cluster", .word(cluster), from: nil)
        } else if !draft.has("cluster") {
            draft.infer(
                "cluster", .word(ImportRequest.assumedCluster),
                because: "the file names no devices; say which with --cluster")
        }
        if let devices = request.devices {
            // Another number than the file's does not come from the file.
            let isStated = draft.value(of: "devices") == .count(devices)
            draft.set("devices", .count(devices), from: isStated ? draft.origins["devices"] : nil)
        }
        if let tokens = request.tokens { draft.set("tokens", .number(tokens), from: nil) }
        if let framework = request.framework ?? framework { draft.set("framework", .word(framework), from: nil) }
        guard reader.collector.isEmpty else { throw reader.collector.all }
        for line in reader.repeated { draft.note(line) }
        if !reader.decided.isEmpty {
            draft.note(
                "\(reader.decided.joined(separator: ", ")): auto, which the training script decides, and which is taken "
                    + "as if it were not stated")
        }

        draft.leaveUndecided(reader)
        var account = SettingAccount(draft)
        for (setting, fate) in fates ?? reader.stated.map({ ($0, reader.fate($0)) }) {
            account.enter(setting, fate, isWhole: reader.isWhole)
        }
        account.close(&draft, isWhole: reader.isWhole)
        let ignored = unknown + account.allIgnored
        func text() -> String {
            draft.yaml(
                header: ["Made from \(file(reader)), \(source).", ""] + draft.inferred.map { "Concluded: \($0)." })
        }
        let plan: Plan
        do {
            plan = try Plan.read(text: text(), path: reader.file, library: library)
        } catch {
            throw PlanProblems(error.problems.map { draft.placed($0, reader: reader) })
        }
        draft.sayOpen(plan)
        return ImportedPlan(
            text: text(), plan: plan, source: source, inferred: draft.inferred, left: draft.left, ignored: ignored)
    }

    private func file(_ reader: SettingsReader) -> String {
        reader.file.split(separator: "/").last.map(String.init) ?? reader.file
    }

    /// A problem of the plan at the place of the setting that its field, or the nearest key around it, came from.
    private func placed(_ problem: PlanProblem, reader: SettingsReader) -> PlanProblem {
        var placed = problem
        (placed.file, placed.line, placed.column) = (reader.file, nil, nil)
        var path = Substring(problem.field)
        while !path.isEmpty {
            if let origin = origins[String(path)] {
                (placed.line, placed.column) = (origin.line, origin.column)
                if let file = origin.file { placed.file = file }
                placed.field = "\(origin.written) (\(problem.field))"
                return placed
            }
            path = path.lastIndex(of: ".").map { path[..<$0] } ?? ""
        }
        // A map as a whole stands where the first of its keys came from.
        let inner = origins.filter { $0.key.hasPrefix(problem.field + ".") }.values
        if let origin = inner.min(by: { ($0.line, $0.column) < ($1.line, $1.column) }) {
            (placed.line, placed.column) = (origin.line, origin.column)
            if let file = origin.file { placed.file = file }
            placed.field = "\(origin.written) (\(problem.field))"
        }
        return placed
    }
}
