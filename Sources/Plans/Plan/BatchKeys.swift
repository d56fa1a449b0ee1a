internal import Models
internal import Numbers
internal import Reading
internal import Schedules

/// The keys of a plan that say how a batch is made up: the growth of the batch, gradient accumulation, packed documents
/// and padding.
struct BatchKeys {
    private let reader: FieldReader
    var padding = 0.0
    var documents: Documents?
    var endOfDocument: Int?
    var rampup: BatchRampup?
    /// Micro-batches of a step in each pipeline, whose gradients are accumulated.
    var accumulation: Int?

    init(_ reader: FieldReader) {
        self.reader = reader
        accumulation = reader.count("accumulation", in: Bounds.batch)
        rampup = Self.rampup(reader)
        padding = reader.number("padding", .share, in: 0...0.999) ?? 0
        guard let packing = reader.map("packing") else { return }
        documents = Self.documents(packing)
        endOfDocument = packing.count("endOfDocument", in: 0...Bounds.vocab.upperBound)
        packing.reportMissing("documents", fix: "tokens of a document, e.g. documents: 900, or {256: 6, 1024: 3}")
        packing.reportUnknownKeys()
    }

    private static func rampup(_ reader: FieldReader) -> BatchRampup? {
        guard let numbers = reader.counts("rampupBatchSize", in: 1...1_000_000_000_000) else { return nil }
        guard numbers.count == 3 else {
            reader.report(
                "rampupBatchSize",
                rule: "must be three numbers: the first batch, its growth, and the sequences until it "
                    + "is the plan's", fix: "e.g. rampupBatchSize: [32, 32, 1M]")
            return nil
        }
        return BatchRampup(start: numbers[0], increment: numbers[1], samples: numbers[2])
    }

    /// Reads the tokens of a document, or a map of tokens and how often documents of this length occur.
    private static func documents(_ packing: FieldReader) -> Documents? {
        if packing.scalar("documents") != nil {
            return packing.count("documents", in: Bounds.sequence).map {
                Documents(lengths: [Documents.Length(tokens: $0)])
            }
        }
        guard let map = packing.map("documents") else { return nil }
        var lengths: [Documents.Length] = []
        for key in map.keys {
            guard let weight = map.number(key, .plain, in: 1e-9...1e12) else { continue }
            guard let tokens = Int(key), Bounds.sequence.contains(tokens) else {
                map.report(
                    key, value: "'\(key)'",
                    rule:
                        "every key must be a whole number of tokens from 1 to \(Figures.grouped(Bounds.sequence.upperBound))"
                )
                continue
            }
            lengths.append(Documents.Length(tokens: tokens, weight: weight))
        }
        map.reportUnknownKeys()
        if map.keys.isEmpty { packing.report("documents", rule: "must name a length at least", fix: "e.g. {512: 1}") }
        return lengths.isEmpty ? nil : Documents(lengths: lengths.sorted { $0.tokens < $1.tokens })
    }

    /// Gives a run the token that ends documents, and reports what its own keys say otherwise.
    func checkDocuments(_ train: inout TrainSettings?) {
        guard documents != nil else { return }
        if let rule = train?.documents, rule != .packed {
            reader.report(
                "packing", rule: "packs documents, and train.documents is \(rule.rawValue)", fix: "keep one of them")
        }
        guard let endOfDocument else { return }
        if let other = train?.endOfDocument, other != endOfDocument {
            reader.report(
                "packing", rule: "endOfDocument is \(endOfDocument), and train.endOfDocument is \(other)",
                fix: "keep one of them")
        }
        train?.endOfDocument = endOfDocument
    }

    /// Reports what contradicts the model.
    func check(_ model: Model) {
        guard documents != nil else { return }
        let shapes = [model.block] + model.kinds.map(\.shape)
        let indexed = shapes.contains { $0.mla?.indexer != nil || $0.keyBlocks != nil || $0.keyCompression != nil }
        if indexed {
            reader.report(
                "packing", rule: "documents of a sequence are not priced with an indexer",
                fix: "remove it, or mla.indexer",
                kind: .misfit)
        }
    }

    /// The batch that accumulation makes with a layout; nil if none is stated, or after a report.
    func batch(_ layout: Layout?) -> Int? {
        guard let accumulation, let layout else { return nil }
        guard let batch = Int.product(accumulation, layout.data, layout.microbatch), Bounds.batch.contains(batch) else {
            reader.report(
                "accumulation", value: Figures.grouped(accumulation),
                rule: "makes a batch of more than \(Figures.grouped(Bounds.batch.upperBound)) sequences")
            return nil
        }
        return batch
    }

    /// Reports an accumulation that another key contradicts.
    func checkAccumulation(_ layout: Layout?, batch: Int) {
        guard let accumulation else { return }
        guard let layout else {
            reader.report(
                "accumulation", value: Figures.grouped(accumulation),
                rule: "needs a layout, whose data and microbatch it multiplies", fix: "give the layout, or batch alone")
            return
        }
        let slice = Int.product(layout.data, layout.microbatch) ?? .max
        guard slice > 0, Int.product(accumulation, slice) != batch else { return }
        let fits =
            batch % slice == 0 ? "set it to \(Figures.grouped(batch / slice)), or remove it" : "remove it or batch"
        reader.report(
            "accumulation", value: Figures.grouped(accumulation),
            rule:
                "accumulation · microbatch · data, \(Figures.grouped(Int.product(accumulation, slice) ?? .max)), must be "
                + "batch \(Figures.grouped(batch))", fix: fits, kind: .misfit)
    }

    /// Advice to use the divisors of `way` next to a number.
    private static func divisors(near number: Int, of way: Int) -> String {
        let all = Divisors.of(way)
        let near = [all.last { $0 < number }, all.first { $0 > number }].compactMap(\.self).map(Figures.grouped)
        return near.isEmpty ? "" : "use \(near.joined(separator: " or "))"
    }

    /// Reports what contradicts the growth of the batch.
    func checkRampup(_ layout: Layout?, batch: Int, isOpenSchedule: Bool) {
        guard let rampup else { return }
        func refuse(_ value: Int, _ rule: String, _ fix: String = "") {
            reader.report("rampupBatchSize", value: Figures.grouped(value), rule: rule, fix: fix, kind: .misfit)
        }
        guard rampup.start <= batch else {
            return refuse(rampup.start, "the first batch must be at most batch \(Figures.grouped(batch))")
        }
        let way = batch - rampup.start
        guard way % rampup.increment == 0 else {
            return refuse(
                rampup.increment,
                "the growth must divide the way from the first batch to the last, \(Figures.grouped(batch)) − "
                    + "\(Figures.grouped(rampup.start)) = \(Figures.grouped(way))",
                Self.divisors(near: rampup.increment, of: way))
        }
        guard way / rampup.increment <= BatchRampup.mostStages else {
            return refuse(
                rampup.increment, "makes more than \(Figures.grouped(BatchRampup.mostStages)) batch sizes", "raise it")
        }
        guard let layout, let slice = Int.product(layout.data, layout.microbatch), slice > 0 else { return }
        for stage in rampup.stages(to: batch) {
            if stage.batch % slice != 0 {
                return refuse(
                    stage.batch,
                    "microbatch · data, \(layout.microbatch) · \(layout.data) = \(Figures.grouped(slice)), must divide "
                        + "every batch on the way",
                    "take a first batch and a growth that are multiples of \(Figures.grouped(slice))")
            }
            if !isOpenSchedule, let rule = layout.scheduleProblem(microbatches: stage.batch / slice) {
                return refuse(stage.batch, "a batch on the way makes \(stage.batch / slice) micro-batches: \(rule)")
            }
        }
    }
}
