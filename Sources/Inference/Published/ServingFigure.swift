internal import Models
internal import Plans
package import Reading

/// A published figure of a model that answers, and the question that it answers.
package struct ServingFigure: Hashable, Sendable {
    /// What is published.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// Tokens of answers a second over prompts and answers, of all devices or for each.
        case outputTokensPerSecond, outputTokensPerSecondPerDevice
        /// Tokens of answers a second while no prompts are read.
        case decodeTokensPerSecond, decodeTokensPerSecondPerDevice
        /// Tokens of prompts a second while prompts are read.
        case promptTokensPerSecond, promptTokensPerSecondPerDevice
        /// Seconds until the prompt is read, and of one more token in the middle of an answer.
        case firstTokenSeconds, tokenSeconds

        /// The figure of an estimate.
        package func value(_ estimate: ServingEstimate) -> Double {
            let devices = Double(estimate.devices)
            return switch self {
            case .outputTokensPerSecond: estimate.outputTokensPerSecond
            case .outputTokensPerSecondPerDevice: estimate.outputTokensPerSecondPerDevice
            case .decodeTokensPerSecond: estimate.decodeTokensPerSecond
            case .decodeTokensPerSecondPerDevice: estimate.decodeTokensPerSecond / devices
            case .promptTokensPerSecond: estimate.promptTokensPerSecond
            case .promptTokensPerSecondPerDevice: estimate.promptTokensPerSecond / devices
            case .firstTokenSeconds: estimate.prefillSeconds
            case .tokenSeconds: estimate.tokenSeconds.middle
            }
        }
    }

    package var name: String
    /// Title of the source, and where the figure stands in it.
    package var source: String
    package var reference: String
    package var kind: Kind
    package var published: Double
    package var question: ServingQuestion
    /// A remark on how far the question is what was run; nil: none.
    package var note: String?
}

extension ServingFigure {
    /// Reads the table at `path`: `sources`, `notes`, and `figures`, a list of questions each with what is published.
    /// - Throws: all problems of the file together.
    package static func read(
        path: String, library: Library = .standard(), files: inout ReadFiles
    ) throws(PlanProblems) -> [ServingFigure] {
        try read(text: YAMLFile.text(path: path, files: &files), path: path, library: library)
    }

    /// Reads the text of a table that is, or would be, at `path`.
    package static func read(text: String, path: String, library: Library) throws(PlanProblems) -> [ServingFigure] {
        let collector = ProblemCollector(file: path)
        let reader = FieldReader(try YAMLFile.compose(text: text, name: path), path: "", collector: collector)
        var sources: [String: (title: String, reference: String)] = [:]
        if let map = reader.map("sources") {
            for key in map.keys {
                guard let source = map.map(key) else { continue }
                let title = source.text("title")
                let parts = [source.text("reference"), source.text("where")].compactMap(\.self)
                source.reportMissing("title", fix: "the publication's")
                source.reportUnknownKeys()
                sources[key] = (title ?? key, parts.joined(separator: "; "))
            }
        }
        var notes: [String: String] = [:]
        if let map = reader.map("notes") { for key in map.keys { notes[key] = map.text(key) } }
        let figures = reader.list("figures") { reader, node, place in
            figure(FieldReader(node, path: place, collector: collector), sources, notes, library)
        }
        reader.reportMissing("figures", fix: "a list of questions, each with `figure` and `published`")
        reader.reportUnknownKeys()
        guard let figures, collector.isEmpty else { throw collector.all }
        return figures
    }

    private static func figure(
        _ reader: FieldReader, _ sources: [String: (title: String, reference: String)], _ notes: [String: String],
        _ library: Library
    ) -> ServingFigure? {
        func looked<Value>(_ key: String, in table: [String: Value]) -> Value? {
            guard let name = reader.text(key) else { return nil }
            if let value = table[name] { return value }
            reader.report(
                key, value: "'\(name)'", rule: "is none of those above",
                fix: Wording.didYouMean(name, among: table.keys.sorted()))
            return nil
        }
        let name = reader.text("id")
        let source = looked("source", in: sources)
        let kind = reader.choice("figure", of: Kind.self)
        let published = reader.number("published", .plain, in: Bounds.positive)
        let note = looked("note", in: notes)
        for (key, fix) in [
            ("id", "a name"), ("source", "one of `sources`"), ("figure", "what is published"),
            ("published", "a number"),
        ] { reader.reportMissing(key, fix: fix) }
        var draft = ServingDraft()
        draft.read(reader, library: library)
        draft.check(reader)
        reader.reportUnknownKeys()
        guard let name, let source, let kind, let published, let question = draft.question() else { return nil }
        return ServingFigure(
            name: name, source: source.title, reference: source.reference, kind: kind, published: published,
            question: question, note: note)
    }
}
