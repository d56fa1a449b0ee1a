internal import Models
internal import Numbers
internal import Reading
internal import Schedules

/// The ways other than `layersPerStage` in which a plan states how many blocks each stage holds: Megatron-LM's. All of them
/// give `layersPerStage`.
struct StageDivision {
    /// `pipelineLayout`.
    var text: PipelineLayoutText?
    /// Whether the embedding, and the final norm with the head and the loss, each take the place of a block
    /// (`--account-for-embedding-in-pipeline-split`, `--account-for-loss-in-pipeline-split`).
    var countsEmbedding = false
    var countsLoss = false
    /// Blocks of the first and of the last rank; the other ranks hold equal numbers
    /// (`--decoder-first-pipeline-num-layers`, `--decoder-last-pipeline-num-layers`).
    var first: Int?
    var last: Int?

    static let embeddingKey = "accountForEmbeddingInPipelineSplit"
    static let lossKey = "accountForLossInPipelineSplit"
    static let firstKey = "decoderFirstPipelineNumLayers"
    static let lastKey = "decoderLastPipelineNumLayers"

    /// Reads the keys of a layout. nil: none is there.
    static func read(_ reader: FieldReader) -> StageDivision? {
        var division = StageDivision()
        if let text = reader.text("pipelineLayout") {
            do throws(PipelineLayoutText.Mistake) {
                division.text = try PipelineLayoutText(text)
            } catch {
                reader.report(
                    "pipelineLayout", inside: error.offset, value: "'\(text)'", rule: error.rule, fix: error.fix)
            }
        }
        division.countsEmbedding = reader.flag(embeddingKey) ?? false
        division.countsLoss = reader.flag(lossKey) ?? false
        division.first = reader.count(firstKey, in: Bounds.layers)
        division.last = reader.count(lastKey, in: Bounds.layers)
        division.reportSecondWays(reader)
        let isThere =
            division.text != nil || division.countsEnds || division.first != nil || division.last != nil
        return isThere ? division : nil
    }

    private var countsEnds: Bool { countsEmbedding || countsLoss }

    /// Reports every key that states the stages again after another has.
    private func reportSecondWays(_ reader: FieldReader) {
        let ways = [
            ["layersPerStage"], ["pipelineLayout"], [Self.embeddingKey, Self.lossKey], [Self.firstKey, Self.lastKey],
        ]
        let stated = ways.map { $0.filter { reader.contains($0) && reader.scalar($0) != "false" } }.filter {
            !$0.isEmpty
        }
        for keys in stated.dropFirst() {
            reader.report(
                keys[0], rule: "states the blocks of the stages a second time, beside \(stated[0][0])",
                fix: "keep one of them")
        }
    }

    /// Blocks of each stage of `layout`, in stage order.
    ///
    /// - Parameters:
    ///   - layers: the model's layers; nil: they are not known, and rules that read them are not asked.
    ///   - predictors: the model's layers of multi-token prediction; nil: they are not known.
    ///   - report: called with every broken rule, and with the characters before its place in the text of its key.
    /// - Returns: nil after a report, or without the model's layers.
    func sizes(
        _ layout: Layout, layers: Int?, predictors: Int?, report: (_ problem: PlanProblem, _ inside: Int?) -> Void
    )
        -> [Int]?
    {
        let (stages, pipeline) = (layout.stages, layout.pipeline)
        if let text {
            let mistakes = text.mistakes(
                layers: layers, predictors: predictors, expected: stages, pipeline: pipeline,
                virtualStages: layout.virtualStages)
            for mistake in mistakes {
                report(
                    PlanProblem(
                        mistake.isMisfit ? .misfit : .input, field: "layout.pipelineLayout", value: "'\(text.text)'",
                        rule: mistake.rule, fix: mistake.fix), mistake.offset)
            }
            return mistakes.isEmpty ? text.sizes : nil
        }
        return countsEnds
            ? layers.flatMap { sizesWithEnds(layers: $0, stages: stages, report: report) }
            : sizesOfRanks(layout, layers: layers, report: report)
    }

    private func sizesWithEnds(
        layers: Int, stages: Int, report: (PlanProblem, Int?) -> Void
    ) -> [Int]? {
        let key = countsEmbedding ? Self.embeddingKey : Self.lossKey
        let counted = layers + (countsEmbedding ? 1 : 0) + (countsLoss ? 1 : 0)
        guard counted % stages == 0 else {
            let ends =
                countsEmbedding && countsLoss ? "the embedding and the loss" : countsLoss ? "the loss" : "the embedding"
            func problem(_ rule: String, _ fix: String) -> PlanProblem {
                PlanProblem(.misfit, field: "layout.\(key)", value: "true", rule: rule, fix: fix)
            }
            report(
                problem(
                    "\(stages) stages must divide the \(counted) layers that model.layers \(layers) makes with \(ends)",
                    "use \(Wording.alternatives(Divisors.near(stages, dividing: counted).map(String.init))) stages"),
                nil)
            return nil
        }
        return Self.withEnds(layers: layers, stages: stages, embedding: countsEmbedding, loss: countsLoss)
    }

    /// Equal stages among which the embedding, the loss or both count as a layer; nil: the stages do not divide them, or one
    /// stage holds both ends and too few layers.
    static func withEnds(layers: Int, stages: Int, embedding: Bool, loss: Bool) -> [Int]? {
        let counted = layers + (embedding ? 1 : 0) + (loss ? 1 : 0)
        guard stages > 0, counted % stages == 0 else { return nil }
        var sizes = [Int](repeating: counted / stages, count: stages)
        if embedding { sizes[0] -= 1 }
        if loss { sizes[stages - 1] -= 1 }
        return sizes.allSatisfy { $0 >= 0 } ? sizes : nil
    }

    private func sizesOfRanks(
        _ layout: Layout, layers: Int?, report: (PlanProblem, Int?) -> Void
    ) -> [Int]? {
        let (stages, pipeline) = (layout.stages, layout.pipeline)
        let chunks = max(1, stages / max(1, pipeline))
        let key = first != nil ? Self.firstKey : Self.lastKey
        func fail(_ key: String, _ value: Int, _ rule: String, _ fix: String) -> [Int]? {
            report(PlanProblem(.misfit, field: "layout.\(key)", value: "\(value)", rule: rule, fix: fix), nil)
            return nil
        }
        guard pipeline > 1 else { return fail(key, first ?? last ?? 0, "needs pipeline above 1", "remove it") }
        guard stages <= PipelineLayoutText.most else {
            return fail(
                key, first ?? last ?? 0, "divides no more than \(Figures.grouped(PipelineLayoutText.most)) stages",
                "lower layout.pipeline or layout.virtualStages")
        }
        for (key, share) in [(Self.firstKey, first), (Self.lastKey, last)] {
            guard let share, share % chunks != 0 else { continue }
            return fail(
                key, share, "the \(chunks) stages of a rank must divide it", "use \(share / chunks * chunks + chunks)")
        }
        let inner = pipeline - (first == nil ? 0 : 1) - (last == nil ? 0 : 1)
        guard let layers else { return nil }
        let rest = layers - (first ?? 0) - (last ?? 0)
        guard rest >= 0, inner == 0 ? rest == 0 : rest % (inner * chunks) == 0 else {
            return fail(
                key, first ?? last ?? 0,
                inner == 0
                    ? "leaves \(rest) of \(layers) layers to no rank"
                    : "leaves \(rest) of \(layers) layers, which the other \(inner) ranks' \(inner * chunks) stages do not "
                        + "divide", "change it or pipeline")
        }
        let share = inner == 0 ? 0 : rest / inner / chunks
        return (0..<stages).map { stage in
            let rank = layout.schedule.isFolded && stage >= pipeline ? 2 * pipeline - 1 - stage : stage % pipeline
            if rank == 0, let first { return first / chunks }
            if rank == pipeline - 1, let last { return last / chunks }
            return share
        }
    }
}
