internal import Models
internal import Plans
internal import Schedules

/// Explains the use of the seconds of a step.
struct TimeExplanation {
    /// The work of the slowest rank's devices.
    private let work: LayoutWork
    /// The work of all devices.
    private let whole: LayoutWork
    private let words: ModelWords
    private var layout: Layout { work.layout }
    private var framework: Framework { work.framework }
    private var shares: PipelineShares { work.shares }
    private var units: BlockUnits { work.units }
    private var hides: Layout.Overlap { work.hides }

    /// - Parameter rank: the slowest rank.
    init(_ whole: LayoutWork, rank: Int) {
        self.whole = whole
        work = whole.on(rank: rank)
        words = ModelWords(work)
    }

    /// Times of one kind of block on the slowest rank, or of that rank's embedding or head.
    private struct Piece {
        var count: String?
        var times: UnitTimes
        var suffix: String
        var name: String

        func seconds(_ part: KeyPath<PassTimes, Double>) -> Double {
            times.forward[keyPath: part] + times.backward[keyPath: part]
        }
    }

    private func pieces(of share: PipelineShares.Rank, _ lines: inout Derivation) -> [Piece] {
        var pieces: [Piece] = []
        func add(_ count: Int, _ times: UnitTimes, _ suffix: String, _ name: String) {
            guard count > 0 else { return }
            lines.define("u_\(suffix)", count, "blocks", "\(name)s of the slowest rank")
            pieces.append(Piece(count: "u_\(suffix)", times: times, suffix: suffix, name: name))
        }
        let partly = layout.recomputed.keepsSome
        for kind in words.kinds {
            let recomputed = partly ? share.recomputed[kind.number] : 0
            let name = kind.predicts ? kind.name : (kind.isMixture ? "mixture block" : "dense block") + kind.ofKind
            add(
                share.blocks[kind.number] - recomputed, (partly ? units.plainBlocks : units.blocks)[kind.number],
                kind.symbol, name)
            add(recomputed, units.blocks[kind.number], "\(kind.symbol)r", "recomputed \(name)")
        }
        if share.holdsEmbedding {
            pieces.append(Piece(count: nil, times: work.firstEnd, suffix: "in", name: "embedding"))
        }
        if share.holdsHead {
            pieces.append(
                Piece(
                    count: nil, times: work.lastEnd, suffix: "out",
                    name: work.divided == nil ? "head and loss" : "final norm"))
        }
        if let divided = work.divided {
            pieces.append(
                Piece(
                    count: nil, times: divided.passes, suffix: "v",
                    name: "S, T and lookups of 1/\(divided.ranks) of the vocabulary (Yeung et al. 2024)"))
        }
        return pieces
    }

    func addTime(to lines: inout Derivation, _ time: IterationTime) {
        let share = shares.ranks[time.bottleneck]
        let pieces = pieces(of: share, &lines)
        func all(_ name: String, _ part: KeyPath<PassTimes, Double>) -> String? {
            let terms = pieces.filter { $0.seconds(part) != 0 }.map { piece in
                let symbol = "\(name)_\(piece.suffix)"
                lines.define(
                    symbol, piece.seconds(part), "s", "\(name) of one micro-batch, forward and backward: \(piece.name)")
                return piece.count.map { "\($0)·\(symbol)" } ?? symbol
            }
            guard !terms.isEmpty else { return nil }
            // Half of the micro-batches enter at each end of a bidirectional pipeline.
            return shares.passShare == 1 ? "(\(sum(terms)))" : "(\(sum(terms)))/2"
        }
        let parts: [(String, KeyPath<PassTimes, Double>, String, String)] = [
            (
                "compute", \.compute,
                "kernels by their roofline: \(work.plan.cluster.device.name), \(work.plan.precision.rawValue)",
                "efficiency curves of the cluster file"
            ),
            ("recompute", \.recompute, "recompute \(layout.recompute.rawValue)", "Korthikanti et al. 2022"),
            (
                "tensorComm", \.tensor,
                "collectives that nothing hides, tensor \(layout.tensor)"
                    + (hides.tensor == layout.overlap.tensor ? "" : ", waited for because that is faster"),
                "Shoeybi et al. 2019; Korthikanti et al. 2022, section 4.2.2; ring or tree with latency"
                    + (hides.tensor && layout.sequenceParallel && framework.abilities.tensorOverlap == .userBuffers
                        ? "; Transformer Engine, user buffers" : "")
                    + (words.messagesSource.map { "; \($0)" } ?? "")
            ),
            (
                "contextComm", \.context,
                "exchanges that nothing hides, context \(layout.context)"
                    + (layout.contextExchange == .ring ? "" : ", \(layout.contextExchange.words(layout))"),
                layout.contextExchange.source + (words.hasScans ? "; states as in Sun et al. 2025, LASP-2" : "")
            ),
            (
                "expertComm", \.expert,
                "dispatch and combine that nothing hides, expert \(layout.expert)"
                    + (layout.dispatcher.map { ", \($0.rawValue)" } ?? "")
                    + (hides.expert == layout.overlap.expert && hides.sharedExperts == layout.overlap.sharedExperts
                        ? "" : ", waited for because that is faster"),
                "Lepikhin et al. 2021"
                    + (framework.dispatcher(layout.dispatcher).sendsOnce
                        ? "; a row once to each node and rank: DeepSeek-AI 2024, DeepSeek-V3, section 3.2.2" : "")
            ),
        ]
        for (name, path, note, source) in parts {
            let formula = all(name, path).map { "m·\($0)" } ?? "0"
            lines.derive(
                name, as: name, formula, "s", note: "rank \(time.bottleneck), the slowest; \(note)", after: source)
        }
        let gathers = all("gathers", \.data)
        lines.derive(
            "gathers", as: "gathers", gathers.map { "m·\($0)" } ?? "0", "s",
            note: "of parameters and scatters of gradients inside the passes, that nothing hides"
                + (hides.data == layout.overlap.data ? "" : ": waited for because that is faster"),
            after: "Rajbhandari et al. 2020")
        addHost(to: &lines, share, blocks: all("host", \.host))
        if let offload = layout.offload {
            // Copies of some blocks' activations are hidden by the passes of their whole stage.
            if layout.offloadedBlocks != nil {
                let times = work.times(of: share)
                lines.define(
                    "o_s", times.forward.offload + times.backward.offload, "s",
                    "copies of one micro-batch, forward and backward, that the stage's passes do not hide")
            }
            let copies = layout.offloadedBlocks == nil ? all("offload", \.offload) : "o_s"
            lines.derive(
                "hostComm", as: "hostComm", copies.map { "m·\($0)" } ?? "0", "s",
                note: "copies to the host and back that nothing hides: \(offload.words)",
                after: "Rajbhandari et al. 2021, ZeRO-Infinity")
        }
        addPipeline(to: &lines, share, time)
        addReductions(to: &lines)
        StateExplanation(whole).addOptimizer(to: &lines)
        addOther(to: &lines)
        lines.derive(
            "seconds", as: "seconds",
            "compute + recompute + tensorComm + pipelineBubble + pipelineComm + dataComm + contextComm + expertComm"
                + " + optimizer + other" + offloadTerm, "s")
    }

    private var offloadTerm: String { layout.offload == nil ? "" : " + hostComm" }

    /// Adds the host work of all micro-batches on the slowest rank.
    private func addHost(to lines: inout Derivation, _ share: PipelineShares.Rank, blocks: String?) {
        lines.define("v", share.passes, "", "stages one micro-batch passes on the slowest rank")
        lines.define("host_m", work.host, "s", "host work of one pass through a stage (\(framework.name))")
        lines.derive("host", as: "host", "m·(\(sum(blocks, "2·v·host_m")))", "s", note: "host work around the passes")
    }

    private func addPipeline(to lines: inout Derivation, _ share: PipelineShares.Rank, _ time: IterationTime) {
        lines.define("j", share.messages, "", "messages the slowest rank sends for one micro-batch")
        let losses = work.losses(share)
        let loss =
            work.place == nil
            ? work.messageLoss : share.messages > 0 ? (losses.forward + losses.backward) / share.messages : 0
        lines.define("loss", loss, "s", "compute lost beside one message")
        lines.derive("compute lost beside messages", as: "lost", "m·j·loss", "s")
        let how = time.pipeline.isSimulated ? "simulated" : "by the schedule's law"
        guard work.p > 1 else {
            lines.derive("pipelineBubble", as: "pipelineBubble", "0", "s", note: "no pipeline")
            lines.derive("pipelineComm", as: "pipelineComm", "0", "s", note: "no pipeline")
            return
        }
        lines.define("still", time.pipeline.filled, "s", "seconds of the pipeline without messages, \(how)")
        lines.define("span", time.pipeline.span, "s", "seconds of the pipeline with messages, \(how)")
        lines.derive(
            "work of the slowest rank", as: "busy",
            "compute + recompute + tensorComm + contextComm + expertComm + gathers + host + lost" + offloadTerm, "s")
        lines.derive(
            "pipelineBubble", as: "pipelineBubble",
            time.breakdown.pipelineBubble > 0 ? "max(0, still − busy)" : "0",
            "s",
            note:
                "\(layout.scheduleWords), pipeline \(work.p), \(work.v) stages a rank",
            after: "Narayanan et al. 2021, section 2.2")
        lines.derive(
            "pipelineComm", as: "pipelineComm",
            time.pipeline.waiting(time.pipeline.span - time.pipeline.filled) > 0
                ? "max(0, span − still) + lost" : "lost", "s")
    }

    private func addReductions(to lines: inout Derivation) {
        let reductions = DataParallelTime(whole)
        let slowest = reductions.slowest
        lines.define(
            "scatter", slowest.perMicrobatch, "s", "scatters of gradients after each micro-batch that nothing hides")
        lines.define(
            "once", slowest.once, "s",
            "reduction of gradients and gathering of weights that nothing hides, slowest rank")
        lines.define("tied", reductions.tiedTable, "s", "all-reduce of the gradient of the table on both ends")
        lines.define("outer", reductions.outer, "s", "gathering of stepped weights among the replicas of shards")
        lines.define("copies", reductions.copies, "s", "all-reduce between the copies of a bidirectional pipeline")
        lines.derive(
            "dataComm", as: "dataComm",
            sum(
                "gathers", slowest.perMicrobatch > 0 ? "m·scatter" : nil, "once",
                reductions.tiedTable > 0 ? "tied" : nil,
                reductions.copies > 0 ? "copies" : nil, reductions.outer > 0 ? "outer" : nil), "s",
            note: "\(layout.data * layout.context) ranks with the same parameters"
                + (words.hasExperts ? ", \(layout.expertCopies(work.model)) with the same experts" : "")
                + ", sharding \(layout.sharding.rawValue)",
            after: "Rajbhandari et al. 2020; Megatron-LM distributed optimizer")
    }

    /// Adds the waiting for the slowest node, the gradient norm and the host work of a step.
    private func addOther(to lines: inout Derivation) {
        let waiting = WaitingTime(whole)
        lines.define("pace", waiting.pacing, "s", "a micro-batch on the ranks that set the pace, without messages")
        lines.define("most", waiting.most, "s", "a micro-batch on the rank with the most work, without messages")
        lines.define("nodes", waiting.nodes, "nodes", "nodes of the ranks that set the pace")
        lines.define("ν", framework.nodeVariation, "share", "how much nodes differ (\(framework.name))")
        lines.derive(
            "waiting for the slowest node", as: "waiting", "m·(pace·(1 + ν·sqrt(2·ln(nodes))) − most)", "s",
            note: "own assumption; the variation from published weak-scaling series")
        lines.define("norm", OptimizerTime(whole).gradientNorm, "s", "all-reduce of the gradient norm")
        lines.define("host_s", framework.hostStep, "s", "host work around a step (\(framework.name))")
        lines.derive("other", as: "other", "host + norm + waiting + host_s", "s")
    }
}
