package import Costs
internal import Models
internal import Numbers
internal import Plans
internal import Schedules

/// The answer to a plan as text: time and cost, the layout, and where time and memory go.
package struct EstimateText {
    private let estimate: Estimate
    /// Lines that say how the layout was found (`fastest of 1,234 layouts that fit`); empty where the plan states it.
    private let found: [String]
    private let width: Int
    private let paint: AnswerColours

    /// - Parameter isColoured: whether the terminal's colours are used.
    package init(_ estimate: Estimate, found: [String] = [], width: Int = 100, isColoured: Bool = false) {
        paint = AnswerColours(isOn: isColoured)
        self.estimate = estimate
        self.found = found
        self.width = width
    }

    private var plan: Plan { estimate.plan }
    private var layout: Layout { estimate.layout }

    /// The text of the whole answer without the pipeline's drawing.
    package func text() -> String {
        var lines = headline() + [""] + facts() + ["", paint.strong("Where the time goes")] + time()
        lines += ["", paint.strong("Memory on each device")] + memory()
        return lines.joined(separator: "\n")
    }

    // MARK: - The answer

    private func headline() -> [String] {
        var tokens = plan.tokens.map { ", \(Figures.words($0)) tokens" } ?? ""
        // A sample of pictures is one sequence.
        if plan.model.hasPicture, let all = plan.tokens {
            tokens = ", \(Figures.words(all / Double(plan.model.sequence))) samples" + tokens
        }
        var lines = [
            paint.strong(
                "\(plan.name): \(Figures.words(estimate.parameters)) parameters\(tokens) on "
                    + Figures.onDevices(plan)),
            "",
        ]
        guard let run = estimate.run else {
            lines.append("  \(Figures.seconds(estimate.iteration.seconds)) a step")
            lines.append("  \(rates())")
            return lines
        }
        guard run.ends else {
            lines.append("  does not finish: \(estimate.interruptions)")
            lines.append("  \(Figures.seconds(estimate.iteration.seconds)) a step")
            lines.append("  \(rates())")
            return lines
        }
        lines.append(
            "  \(Figures.duration(days: run.days)), between \(Figures.duration(days: run.lowDays, like: run.days)) and "
                + "\(Figures.duration(days: run.highDays, like: run.days)) with "
                + "\(Figures.fixed(100 * run.confidence, 0)) % confidence")
        if !run.bandReason.isEmpty { lines.append("  band: \(run.bandReason)") }
        lines.append(
            "  \(Figures.words(run.gpuMonths)) GPU-months = \(Figures.words(run.gpuHours)) GPU-hours"
                + (Figures.money(run).map { ", \($0)" } ?? "")
                + (run.energyMWh.map { ", \(Figures.words($0)) MWh at the boards" } ?? "")
                + (run.wallEnergyMWh.map { ", \(Figures.words($0)) MWh at the wall" } ?? "")
                + (run.emissions?.wallTonnes.map { ", \(Figures.words($0)) t of CO2" } ?? ""))
        if let dates = dates(run) { lines.append("  \(dates)") }
        lines.append("  \(rates())")
        return lines
    }

    /// The days of the calendar on which the run begins and ends; nil: its start is not stated.
    private func dates(_ run: Estimate.Run) -> String? {
        plan.start.map { start in
            func end(_ days: Double) -> String { start.adding(days: days)?.description ?? "after the year 9999" }
            return "from \(start) to \(end(run.days)), between \(end(run.lowDays)) and \(end(run.highDays))"
        }
    }

    private func rates() -> String {
        let perDevice = estimate.iteration.modelFLOPs / estimate.iteration.seconds / Double(plan.paidDevices)
        let rate =
            perDevice >= 1e12
            ? "\(Figures.significant(perDevice / 1e12)) TFLOP/s" : "\(Figures.significant(perDevice / 1e9)) GFLOP/s"
        let mfu = "MFU \(Figures.percent(estimate.mfu))"
        let isCausal = plan.model.isCausal
        // The peak of unlike devices is the sum of theirs.
        let sum = plan.cluster.groups == nil ? "" : ", of the sum of all groups' peaks"
        return mfu + (isCausal ? " counting full attention, \(Figures.percent(estimate.mfuCausal)) causal" : "")
            + "; HFU \(Figures.percent(estimate.hfu)), \(rate) a device\(sum)"
    }

    // MARK: - What is trained and how

    private func heads(_ model: Model) -> String {
        if let mla = model.mla {
            return "\(model.heads) heads of \(mla.nopeSize + mla.ropeSize) from latents of "
                + (mla.queryRank > 0 ? "\(Figures.grouped(mla.queryRank)) and \(mla.kvRank)" : "\(mla.kvRank)")
        }
        let keys = model.kvHeads == model.heads ? "" : " (\(model.kvHeads) for keys and values)"
        return "\(model.heads) heads of \(model.headSize)\(keys)"
    }

    private func experts(_ moe: Model.Mixture) -> String {
        var text = "\(moe.experts) experts of \(Figures.grouped(moe.ffn)), \(moe.topK) a token"
        if let limit = moe.nodeLimit { text += " on \(limit == 1 ? "1 node" : "up to \(limit) nodes")" }
        if moe.shared > 0 { text += ", \(moe.shared) shared" }
        if moe.firstDense > 0 { text += ", the first \(moe.firstDense) blocks dense" }
        if moe.every > 1 { text += ", in one block of \(moe.every)" }
        if let factor = moe.capacityFactor {
            text += ", capacity factor \(Figures.plain(factor))\(moe.padToCapacity ? ", padded" : "")"
        }
        return text
    }

    private func facts() -> [String] {
        let model = plan.model
        var rows: [(String, String)] = []
        rows.append(
            (
                "Model",
                "\(model.name.map { "\($0): " } ?? "")\(model.family.rawValue), \(model.layers) layers × hidden "
                    + "\(Figures.grouped(model.hidden)), \(heads(model))"
            ))
        rows.append(
            (
                "",
                "\(model.denseLayers > 0 ? "feed-forward \(Figures.grouped(model.ffn)) " : "")\(model.mlp.rawValue), "
                    + (model.hasPicture
                        ? ""
                        : "vocabulary \(Figures.grouped(model.vocab))\(model.tiedEmbeddings ? " tied" : ""), ")
                    + "\(Figures.grouped(model.sequence)) tokens a \(model.hasPicture ? "sample" : "sequence")"
            ))
        if model.hasPicture {
            let text = model.text.map { ", text of \(Figures.grouped($0.tokens)) tokens" } ?? ""
            rows.append(("", model.tokensInWords + (model.textJoins ? "" : text)))
        }
        if let moe = model.moe { rows.append(("", experts(moe))) }
        if let mtp = model.mtp {
            rows.append(
                ("", "\(mtp.layers) module\(mtp.layers == 1 ? "" : "s") of multi-token prediction on the last stage"))
        }
        let attention = AttentionText(model)
        if !attention.shared.isEmpty { rows.append(("", "attention: \(attention.shared.joined(separator: ", "))")) }
        if !model.kinds.isEmpty {
            let counts = model.kinds.indices.map { kind in
                "\(model.pattern.count { $0 == kind }) \(model.kinds[kind].name)\(attention.words(ofKind: kind))"
            }
            rows.append(("", "blocks: \(counts.joined(separator: ", "))"))
        }
        rows += TrainedText(plan).rows
        rows.append(("Layout", degrees()))
        rows.append(("", splits()))
        rows += GroupsText(estimate).rows
        if let sizes = StagePartition(layout, model: plan.model).unevenSizes {
            rows.append(("", "blocks of each stage: \(Figures.runs(sizes).joined(separator: ", "))"))
        }
        rows += found.map { ("", $0) }
        rows.append(("Runs on", Self.software(estimate)))
        rows += softwareRows.map { ("", $0) }
        let tokens = estimate.iteration.tokens
        let bubble =
            layout.pipeline > 1
            ? ", bubble \(Figures.percent(estimate.iteration.bubbleFraction)) of the pipeline" : ""
        rows.append(
            (
                "Step",
                "\(Figures.seconds(estimate.iteration.seconds)) for \(Figures.grouped(plan.batch)) \(plan.model.hasPicture ? "samples" : "sequences") = "
                    + "\(Figures.words(tokens)) tokens, \(Figures.grouped(estimate.tokensPerSecond)) tokens/s\(bubble)"
            ))
        if let run = estimate.run {
            rows += runRows(run)
        }
        rows += MoneyText(estimate).rows
        return rows.map { ("  " + $0.0.left(8) + $0.1) }
    }

    /// Steps of the run, and what it takes beyond them.
    private func runRows(_ run: Estimate.Run) -> [(String, String)] {
        let steps = "\(Figures.grouped(run.steps.rounded(.up))) steps\(TrainedText.rampup(run))"
        guard run.ends, run.parts.total > 0 else { return [("Run", steps)] }
        // Time that measurements or the plan take off the steps is no part of its own.
        let stepping = run.parts.steps + run.parts.measured + min(0, run.parts.practice)
        let share = Figures.percent(stepping / run.parts.total)
        let added = run.parts.added.filter { $0.days > 0 }.map {
            "\($0.name) \(Figures.percent($0.days / run.parts.total))"
        }
        return [("Run", steps + ", \(share) of the time")]
            + (added.isEmpty ? [] : [("", added.joined(separator: ", "))])
    }

    /// The software that an estimate is priced on, and whether the plan states it.
    package static func software(_ estimate: Estimate) -> String {
        let name = estimate.plan.frameworks.words(for: estimate.plan.framework(for: estimate.layout))
        return estimate.plan.frameworks.named == nil
            ? "\(name) (assumed; framework: names another)" : "\(name) (stated)"
    }

    /// Lines on the software where it is assumed: its generation beside prices on others, and constants that few runs fix.
    private var softwareRows: [String] {
        let software = plan.framework(for: layout)
        var rows: [String] = []
        if let slowest = plan.otherSoftware.last {
            // The fastest and the slowest say how far the software matters.
            let shown = plan.otherSoftware.count <= 3 ? plan.otherSoftware.dropLast() : plan.otherSoftware.prefix(2)
            let prices = (shown + [slowest]).map { "\($0.name): \(Figures.seconds($0.seconds)) a step" }
            let since = software.sinceText.map { "a generation of \($0); " } ?? ""
            let rest = plan.otherSoftware.count - prices.count
            rows.append(since + prices.joined(separator: ", ") + (rest > 0 ? ", and \(rest) between" : ""))
        }
        let assumed = software.assumedConstants.map(\.rawValue)
        if !assumed.isEmpty {
            rows.append("assumed, since fewer than two publications fix them: \(assumed.joined(separator: ", "))")
        }
        return rows
    }

    private func degrees() -> String {
        var parts = ["tensor \(layout.tensor)", "pipeline \(layout.pipeline)", "data \(layout.data)"]
        if layout.context > 1 { parts.insert("context \(layout.contextWords)", at: 2) }
        if layout.virtualStages > 1 { parts[1] += " (\(layout.virtualStages) stages a rank)" }
        if layout.expert > 1 { parts.append("expert \(layout.expert)") }
        if layout.expertTensor > 1 { parts.append("expert-tensor \(layout.expertTensor)") }
        if let dispatcher = layout.dispatcher { parts.append("dispatcher \(dispatcher.rawValue)") }
        parts.append("micro-batch \(layout.microbatch), \(Figures.grouped(estimate.microbatches)) a step")
        return parts.joined(separator: " · ")
    }

    private func splits() -> String {
        var parts: [String] = layout.pipeline > 1 ? [layout.scheduleWords] : []
        parts.append(
            "recompute \(layout.recomputeWords)")
        parts.append(
            "sharding \(layout.sharding.rawValue)"
                + (layout.outerSharding == .none ? "" : ", \(layout.outerSharding.rawValue) among replicas"))
        if let offload = layout.offload { parts.append("offload \(offload.words)") }
        if layout.sequenceParallel { parts.append("sequence parallel") }
        parts.append(layout.flashAttention ? "flash attention" : "unfused attention")
        let recipe = plan.precision == .fp8 ? plan.recipe.map { " \($0.scaling.rawValue)" } ?? "" : ""
        parts.append(plan.precision.rawValue + recipe)
        if plan.optimizer != Optimizer() {
            parts.append(
                plan.optimizer.fields.map { $0.key == "name" ? $0.value : "\($0.key) \($0.value)" }
                    .joined(separator: " "))
        }
        if plan.loss.kind == .chunked { parts.append("loss in \(plan.loss.chunks) chunks") }
        if plan.loss.kind == .fused { parts.append("fused loss") }
        return parts.joined(separator: ", ")
    }

    // MARK: - Bars

    private func time() -> [String] {
        let parts = estimate.iteration.breakdown
        let rows: [(String, Double)] = [
            ("compute", parts.compute), ("recompute", parts.recompute), ("tensor comm", parts.tensorComm),
            ("pipeline wait", parts.pipelineBubble), ("pipeline comm", parts.pipelineComm),
            ("data comm", parts.dataComm), ("context comm", parts.contextComm), ("expert comm", parts.expertComm),
            ("host comm", parts.hostComm ?? 0), ("optimizer", parts.optimizer), ("other", parts.other),
        ]
        let total = estimate.iteration.seconds
        let longest = rows.map(\.1).max() ?? 0
        let columns = max(10, width - 42)
        return rows.filter { $0.1 > 0 }.map { name, seconds in
            "  " + name.left(16) + Figures.seconds(seconds).right(10) + Figures.percent(seconds / total).right(9) + "  "
                + paint.part(name, Bar.filled(seconds / longest, width: columns))
        }
    }

    private func memory() -> [String] {
        let ranks = estimate.memoryByRank
        guard let first = ranks.first, let last = ranks.last else { return [] }
        let fullest = estimate.fullest ?? first
        let capacity = estimate.capacity
        var chosen: [(String, Estimate.RankMemory)] = [("first", first)]
        if fullest.rank != first.rank, fullest.rank != last.rank { chosen.append(("fullest", fullest)) }
        if last.rank != first.rank { chosen.append(("last", last)) }
        let rows = chosen.map { name, rank in
            ["\(name) stage"]
                + [rank.weights, rank.gradients, rank.optimizer, rank.activations, rank.other, rank.peak]
                .map(Figures.memory)
        }
        let table = Table(
            head: ["", "weights", "gradients", "optimizer", "activations", "other", "peak"], rows: rows
        )
        func line(_ bytes: Double, of capacity: Double, fits: Bool, _ place: String = "") -> String {
            let gauge = paint.verdict(fits, Bar.gauge(bytes / capacity, width: 40))
            return "  \(gauge) \(Figures.memory(bytes)) of \(Figures.memory(capacity))\(place), "
                + "\(Figures.fixed(100 * bytes / capacity, 0)) %: \(paint.verdict(fits, fits ? "fits" : "does not fit"))"
        }
        var lines =
            table.lines() + [
                line(fullest.peak, of: capacity, fits: estimate.fitsDevice) + (GroupsText(estimate).tightest ?? "")
            ]
        if let host = estimate.fullestHost {
            lines.append(line(host.bytes, of: host.capacity, fits: host.fits, " of a node's host memory"))
        }
        return lines
    }
}
