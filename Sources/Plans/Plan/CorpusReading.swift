internal import Foundation
internal import Models
internal import Reading
internal import Yams

/// Reads the keys of `train` that say what is read: files, tokenizer, documents and validation.
struct CorpusReading {
    private let library: Library

    init(_ library: Library) { self.library = library }

    /// Reads one path, or a list of paths and of maps with a path and a weight.
    func files(_ key: String, of reader: FieldReader) -> [TrainSettings.CorpusFile]? {
        guard reader.isList(key) else {
            guard reader.scalar(key) != nil || !reader.contains(key) else {
                _ = reader.take(key)
                reader.report(key, rule: "must be a file, or a list of files such as [{path: a.txt, weight: 2}, b.bin]")
                return nil
            }
            return reader.text(key).map { [TrainSettings.CorpusFile(path: found($0))] }
        }
        let files = reader.list(key) { reader, node, place in file(node, place, reader.collector) }
        guard let files else { return nil }
        guard !files.isEmpty else {
            reader.report(key, rule: "must name a file at least", fix: "e.g. [{path: corpus.txt, weight: 1}]")
            return nil
        }
        let sum = files.reduce(0) { $0 + $1.weight }
        guard sum > 0, sum.isFinite else {
            reader.report(key, rule: "has weights whose sum is 0", fix: "give a file a weight above 0")
            return nil
        }
        return files
    }

    private func file(_ node: Node, _ place: String, _ collector: ProblemCollector) -> TrainSettings.CorpusFile? {
        if case .scalar(let scalar) = node {
            let path = scalar.string
            guard !path.isEmpty, !path.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
            else {
                collector.report(place, at: node.mark, value: FieldReader.shown(node), rule: "must be a path")
                return nil
            }
            return TrainSettings.CorpusFile(path: found(path))
        }
        let map = FieldReader(node, path: place, collector: collector)
        guard case .mapping = node else { return nil }
        let path = map.text("path")
        let weight = map.number("weight", .plain, in: 0...1e12)
        map.reportMissing("path", fix: "e.g. {path: corpus.txt, weight: 1}")
        map.reportUnknownKeys()
        guard let path, weight != nil || !map.contains("weight") else { return nil }
        return TrainSettings.CorpusFile(path: found(path), weight: weight ?? 1)
    }

    /// A relative path means the working directory to the person typing, so that is tried before the plan file's folder.
    private func found(_ path: String) -> String {
        if TrainSettings.CorpusFile.exists(at: path) || path.hasPrefix("/") { return path }
        return library.folders.map { "\($0)/\(path)" }.first(where: TrainSettings.CorpusFile.exists) ?? path
    }

    /// Reads tokenizer, documents and validation.
    func readRest(of reader: FieldReader, into settings: inout TrainSettings) {
        if let tokenizer = reader.text("tokenizer"), tokenizer != "bytes" {
            settings.tokenizer = found(tokenizer)
            let isPath = tokenizer.contains("/") || tokenizer.contains(".")
            if !isPath, !FileManager.default.fileExists(atPath: settings.tokenizer) {
                reader.report(
                    "tokenizer", value: "'\(tokenizer)'",
                    rule: "must be bytes, or the path of a tokenizer.json or of its folder")
            }
        }
        settings.documents = reader.choice("documents", of: TrainSettings.DocumentRule.self)
        settings.endOfDocument = reader.count("endOfDocument", in: 0...Bounds.vocab.upperBound)
        if settings.endOfDocument != nil, (settings.documents ?? .joined) == .joined {
            reader.report(
                "endOfDocument", rule: "ends documents, and they are joined",
                fix: "give documents: packed or apart, or remove it")
        }
        guard let validation = reader.map("validation") else { return }
        let share = validation.number("share", .share, in: 0...0.99)
        let files = files("data", of: validation)
        let every = validation.count("every", in: Bounds.steps)
        let batches = validation.count("batches", in: 1...1_000_000)
        validation.reportUnknownKeys()
        if validation.contains("share"), validation.contains("data") {
            validation.report("share", rule: "and data both say what is held out", fix: "keep one of them")
        } else if !validation.contains("share"), !validation.contains("data") {
            reader.report(
                "validation", rule: "must say what is held out: share or data",
                fix: "e.g. validation: {share: 0.05}")
        } else if share == 0 {
            validation.report(
                "share", value: "0", rule: "must be above 0", fix: "remove validation to hold nothing out")
        }
        settings.validation = TrainSettings.Validation(
            share: share, files: files, every: every ?? 100, batches: batches ?? 8)
    }
}
