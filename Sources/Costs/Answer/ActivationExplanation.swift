internal import Models
internal import Plans
internal import Schedules

/// Explains the activations of a block and of the fullest rank.
struct ActivationExplanation {
    let work: LayoutWork
    let words: ModelWords
    var layout: Layout { work.layout }
    private var model: Model { work.model }
    var device: DeviceShare { work.device }
    var framework: Framework { work.framework }
    var rates: DeviceRates { work.rates }

    init(_ work: LayoutWork) {
        self.work = work
        words = ModelWords(work)
    }

    /// Adds the activations that each kind of block on `rank` keeps for one micro-batch.
    func addBlocks(to lines: inout Derivation, rank: Int) {
        let share = work.shares.ranks[rank]
        lines.derive("rows of a micro-batch on a device", as: "T", "b·s/c", "tokens")
        for kind in words.attentionKinds {
            let exchanged = ExchangeExplanation(work: work).kept(kind, to: &lines)
            lines.derive(
                "core attention of a block\(kind.ofKind)", as: kind.own("C"),
                kind.block.core.heads > 0 ? sum(kind.own(coreBytes(kind)), exchanged) : "0", "bytes",
                note: layout.flashAttention ? "flash attention keeps two numbers a head and row" : "every score",
                after: "Korthikanti et al. 2022, table 2")
        }
        for kind in words.kinds where share.blocks[kind.number] > 0 {
            if kind.isMixture {
                let reserve = framework.memory.rowReserve
                if reserve != 1 { lines.define("x_r", reserve, "", "room for rows of experts over those that come") }
                if kind.block.mixture?.capacityFactor != nil {
                    lines.derive(
                        "rows an expert can take over the mean\(kind.ofKind)", as: kind.own("κ"),
                        kind.own("min(T/t, ceil(c_f·k·T/(t·E)))·t·E/(k·T)"), "",
                        after: "Lepikhin et al. 2021; Megatron-Core, get_capacity")
                }
                lines.derive(
                    "rows of experts for one row\(kind.ofKind)", as: kind.own("ρ"),
                    kind.own("\(kind.feedForward.fullest)·e_t/t") + (reserve == 1 ? "" : "·x_r"), "")
            }
            addBlock(to: &lines, kind)
        }
    }

    /// Formula of the bytes of the core attention of one block.
    private func coreBytes(_ kind: KindWords) -> String {
        let hasCross = kind.block.core.cross != nil
        if layout.flashAttention { return hasCross ? "T·2·4·a/t" : "T·4·a/t" }
        let keys = hasCross ? "(s + n_t)" : "s"
        return device.dropout ? "T·a·\(keys)·(2·w + 1)/t" : "T·a·\(keys)·w/t"
    }

    private func addBlock(to lines: inout Derivation, _ kind: KindWords) {
        let (x, name, mixture) = (kind.symbol, kind.name, kind.isMixture)
        let core = kind.own("C")
        let activation = kind.block.shape.halves.hasFeedForward ? kind.own(kind.feedForward.activation) : "0"
        let attended = "T·w·\(kind.own(kind.attention.attended))/t"
        let copiesAttended =
            framework.memory.copiesAttended && layout.flashAttention && device.tokens > Double(model.sequence)
        let steps =
            addSteps(to: &lines, kind) + gathered(kind)
            + (copiesAttended && kind.block.kept.contains { $0.role == .attended } ? " + \(attended)" : "")
            + (!kind.isTuned && kind.block.kept.contains { $0.role == .rotary && rates.normKernels.keeps(.rotary) }
                ? " + 4·T·w·\(kind.own("d"))" : "")
        lines.derive(
            "all activations of a \(name)", as: "Z_\(x)",
            kind.hasNoBackward ? "0" : "T·(\(allBytes(kind))) + \(core)" + addRecipe(to: &lines, kind) + steps, "bytes",
            note: device.dropout ? "dropout masks" : "no dropout", after: "Korthikanti et al. 2022, table 2")
        let memory = framework.memory
        let isSplit = layout.schedule.splitsBackward
        let input = kind.block.inputs == 1 ? "T·w·h/σ" : "\(kind.block.inputs)·T·w·h/σ"
        // `less`: outputs that a whole backward recomputes. `more`: bytes that a split backward holds in addition to a
        // block's tensors.
        let modules = layout.modulesAgain
        let remakes = memory.remakesOutputs && !isSplit && !mixture
        let remade =
            kind.isTuned ? remadeBytes(kind) : "T·w·(\(kind.own(kind.block.normWords.results))·h/σ + \(activation))"
        let less = remakes ? " − \(remade)" : ""
        let more = memory.keepsHalvesWhole && isSplit ? " + T·w·h/σ" : ""
        let source = "Korthikanti et al. 2022, section 4.2.3"
        let inputInWhole = kind.block.keepsInput && !(rates.normKernels.cast && kind.block.normsReadInput) ? input : nil
        func minus(_ terms: [String?]) -> String { terms.compactMap { $0.map { " − \($0)" } }.joined() }
        let (kept, again): (String, String) =
            switch layout.recompute {
            case _ where kind.hasNoBackward: ("0", "0")
            case .none: ("Z_\(x)" + less + more, "0")
            case .selective where !modules.isEmpty:
                freed(kind, core, attended, remakes: remakes, less: less, more: more)
            case .selective where framework.selectiveOperations:
                (
                    "T·(\(kind.block.inputs == 1 ? "" : "\(kind.block.inputs)·")w·h/σ + w·\(kind.own(kind.attention.attended))/t + w·(\(productWidth(kind)))/2) + \(core)",
                    "Z_\(x)" + minus([inputInWhole, attended, core])
                )
            case .selective where memory.remakesAttention:
                ("Z_\(x) − \(core) − \(attended)" + less + more, "\(core) + \(attended)")
            case .selective: ("Z_\(x) − \(core)" + less + more, core)
            case .full: (input, "Z_\(x)" + minus([inputInWhole]) + (memory.pools ? more : ""))
            }
        lines.derive(
            "activations a \(name)", as: "K_\(x)", kept, "bytes", note: "recompute \(layout.recomputeWords)",
            after: source)
        if layout.recomputed.keepsSome {
            lines.derive(
                "activations a \(name) that is not recomputed", as: "P_\(x)",
                kind.hasNoBackward ? "0" : "Z_\(x)" + less + more, "bytes")
        }
        if isSplit {
            let halves = "between the halves of a split backward"
            let operand = operand(kind)
            if operand != "w" {
                lines.define("w_8", rates.operandBytes, "bytes", "bytes of a number that a product reads")
            }
            let all =
                kind.isTuned
                ? "T·(\(kind.rowBytes(kind.block.operands, operand: operand, hasMasks: false)))"
                : "T·(\(sum(["\(kind.own(kind.block.normWords.operands))·\(operand)·h/σ", modulation(kind, operand, isLater: true), attentionLater(kind)] + operands(kind))))"
            lines.derive(
                "activations a \(name) \(halves)", as: "J_\(x)",
                kind.hasNoBackward
                    ? "0" : !memory.keepsHalvesWhole ? all : layout.recompute == .full ? "Z_\(x)" + more : "K_\(x)",
                "bytes",
                note: memory.keepsHalvesWhole ? "all stays" : "inputs of products, gradients of their outputs",
                after: memory.keepsHalvesWhole ? "" : "Qi et al. 2023, table 1")
        }
        let shared = SharedGradients.formula(
            kind.block, isExpertShared: layout.expertTensor > 1, reserve: memory.rowReserve)
        // Behind the first half of a split backward, tensors of the second half lie where recomputed ones were.
        let stays = isSplit && !memory.pools && again != "0"
        lines.derive(
            "recomputed at once of a \(name)", as: "R_\(x)_1",
            stays ? "max(0, \(again) − max(0, J_\(x) − K_\(x)))" : again, "bytes",
            note: layout.recompute == .none ? "" : "beside what is kept")
        if work.shares.runs != nil {
            lines.derive(
                "recomputed of a \(name) inside a run", as: "I_\(x)",
                kind.hasNoBackward ? "0" : stays ? "Z_\(x) − J_\(x)" : "Z_\(x)" + (memory.pools ? more : ""), "bytes",
                note: "with its input")
            let own = inputInWhole ?? "0"
            lines.derive(
                "less of a \(name) at the start of a run", as: "I_\(x)_1",
                kind.hasNoBackward ? "0" : stays ? "\(own) + max(0, J_\(x) − K_\(x)) − J_\(x)" : own, "bytes",
                note: "keeps its input")
        }
        lines.derive(
            "gradients of the widest tensors of a \(name)", as: "G_\(x)",
            "T·w·\(kind.own(memory.sharesGradients ? shared : kind.feedForward.widest))", "bytes")
    }

    /// Formula of a row's bytes of everything that a forward keeps outside the core attention.
    private func allBytes(_ kind: KindWords) -> String {
        guard kind.isTuned else {
            return sum([rowBytes(kind), modulation(kind, "w"), attentionBytes(kind)] + keptBytes(kind))
        }
        let kept = kind.block.kept.filter { $0.role != .combined || framework.keepsCombinedRows }
        return rowBytes(kept.filter { rates.normKernels.keeps($0.role) }, of: kind)
    }

    /// Formula of the bytes of results that a whole backward computes again.
    private func remadeBytes(_ kind: KindWords) -> String {
        let remade = kind.block.kept.filter { $0.role == .normResult || $0.role == .activationResult }
        return "T·(\(rowBytes(remade, of: kind)))"
    }

    /// Formula of a row's bytes of kept tensors.
    func rowBytes(_ kept: [Kept], of kind: KindWords) -> String {
        kind.rowBytes(kept.map(\.stored), operand: operand(kind), hasMasks: device.dropout)
    }

    /// Formula of a row's bytes of the inputs of norms and of column-parallel layers, and of dropout masks.
    private func rowBytes(_ kind: KindWords) -> String {
        let words = kind.block.normWords
        let formula = device.dropout ? "(\(words.kept)·w·h + \(words.halves)·h)/σ" : "\(words.kept)·w·h/σ"
        return kind.own(formula)
    }

    /// Formula of a row's bytes of the vectors that modulate it; nil if there are none.
    private func modulation(_ kind: KindWords, _ bytes: String, isLater: Bool = false) -> String? {
        guard let numbers = kind.block.normWords.modulation else { return nil }
        return isLater && kind.block.normWords.weights == nil ? nil : kind.own("\(bytes)·\(numbers)")
    }

    /// Formula of a row's bytes that the attention keeps outside its core.
    private func attentionBytes(_ kind: KindWords) -> String {
        let isShared = layout.tensor > kind.block.core.keyHeads ?? .max
        return kind.own(isShared ? kind.attention.keptBeyondHeads ?? kind.attention.kept : kind.attention.kept)
    }

    /// Formulas of a row's bytes that the feed-forward half keeps.
    private func keptBytes(_ kind: KindWords) -> [String] {
        let words = kind.feedForward
        let combined = framework.keepsCombinedRows ? words.combined : nil
        let gates = kind.block.kept.contains { $0.role == .gate && rates.normKernels.keeps(.gate) }
        return kind.own(
            words.kept + (gates ? ["w·\(words.activation)"] : []) + [combined].compactMap { $0 } + words.keptBehind)
    }

    private func operand(_ kind: KindWords) -> String {
        rates.operandBytes(of: kind.block) == rates.elementBytes ? "w" : "w_8"
    }

    /// Formula of a row's bytes that the attention keeps between the halves of a split backward.
    private func attentionLater(_ kind: KindWords) -> String {
        let (words, operand) = (kind.attention, operand(kind))
        return kind.own(
            sum("\(operand)·\(words.operands)/t", words.scatteredOperands.map { "\(operand)·\($0)/σ" }))
    }

    /// Formulas of a row's bytes that the feed-forward half keeps between the halves of a split backward.
    private func operands(_ kind: KindWords) -> [String] {
        let (words, operand) = (kind.feedForward, operand(kind))
        return kind.own(
            (words.operands + [kind.projected].compactMap { $0 }).map { "\(operand)·\($0)" }
                + [words.singleOperands].compactMap { $0 })
    }

    /// Formula of the width of the results of all products in a row.
    private func productWidth(_ kind: KindWords) -> String {
        if kind.isTuned {
            return sum((kind.block.products + kind.block.expertProducts).map { kind.rowNumbers($0.result) })
        }
        return kind.own(
            sum(
                [kind.attention.projected, kind.block.shape.halves.hasAttention ? kind.attention.output : nil]
                    + kind.feedForward.products + [kind.projected, kind.block.normWords.modulationResults]))
    }

    /// Adds all activations of `rank`.
    func addActivations(to lines: inout Derivation, rank: Int) {
        let share = work.shares.ranks[rank]
        let terms = ActivationTerms(work)
        let moments = work.fullestMoments[rank]
        var sums: [String?] = []
        let none = HeldBlocks(kinds: words.kinds.count)
        if framework.memory.pools {
            let sets = moments.map(\.asSets)
            let fullest = sets.max { terms.held.kept($0) < terms.held.kept($1) } ?? none
            sums = held(&lines, fullest, terms)
            // In addition to a set of tensors for every block under way: the tensors that second halves recompute.
            if let most = moments.max(by: { terms.held.added($0) < terms.held.added($1) }),
                terms.held.added(most) > 0
            {
                sums += later(&lines, most, isPartial: terms.isPartial).map { count, bytes, set in
                    "\(count)·(\(bytes) − \(set))"
                }
            }
            let buffered = moments.max { terms.bufferedBytes(at: $0) < terms.bufferedBytes(at: $1) }
            sums += buffers(&lines, buffered ?? none, terms)
        } else {
            func bytes(_ moment: HeldBlocks) -> Double { terms.held.kept(moment) + terms.bufferedBytes(at: moment) }
            let fullest = moments.max { bytes($0) < bytes($1) } ?? none
            sums = held(&lines, fullest, terms)
            sums += later(&lines, fullest, isPartial: terms.isPartial).map { count, bytes, _ in "\(count)·\(bytes)" }
            sums += buffers(&lines, fullest, terms)
        }
        let atOnce = [
            recomputedAtOnce(share, rank: rank, isPartial: terms.isPartial),
            highAtOnce(&lines, "D_sr", "first", terms.highAtStart(share, moments: moments)),
            highAtOnce(&lines, "D_er", "last", share.holdsHead ? terms.ends.highAtEnd : 0),
        ].compactMap { $0 }
        sums.append(atOnce.isEmpty ? nil : largest(atOnce))
        if work.divided != nil {
            sums += BufferExplanation.vocabularyInputs(work, rank: rank, &lines)
        } else if share.holdsHead {
            let held = HeldLogits(layout.schedule, work.shape)
            lines.define("y_p", held.pending, "", "micro-batches whose loss is pending")
            lines.define("y_w", held.deferred, "", "micro-batches whose head's weight gradient is put off")
            let remakesNorm = framework.memory.remakesOutputs && !layout.schedule.splitsBackward
            let masks = device.dropout ? words.head.masks : nil
            let kept = remakesNorm ? words.head.keptWithoutNorm : words.head.kept
            let ofHead = [kept, masks, stepsOfNorm(words.head)].compactMap { $0 }
            sums.append("(y_p + y_w)·" + (ofHead.count > 1 ? "(\(sum(ofHead)))" : ofHead.first ?? "0"))
            if terms.bf16Extra.end != 0 {
                lines.define("D_e", terms.bf16Extra.end, "bytes", "bytes that the last blocks keep more in bf16")
                sums.append("(y_p + y_w)·D_e")
            }
        }
        lines.derive(
            "activations", as: "activations", sum(sums), "bytes",
            note: "\(work.inFlight(rank: rank)) stages in flight, \(work.rankLayers(rank)) blocks",
            after: "Korthikanti et al. 2022, table 2 and section 4.2.3")
    }

    /// Defines the numbers of blocks whose backward has not started, and of masks of the first stage.
    /// - Returns: the terms of their bytes.
    private func held(_ lines: inout Derivation, _ moment: HeldBlocks, _ all: ActivationTerms) -> [String] {
        let (isPartial, extra) = (all.isPartial, all.bf16Extra.start)
        let keepsSome = layout.recomputed.keepsSome
        let whole = isPartial ? ", whole" : ""
        let (isOffloaded, offloadsSome) = (all.isOffloaded, layout.offloadedBlocks != nil)
        let plain = isPartial && !offloadsSome ? "P" : "K"
        let marked = keepsSome ? "that are recomputed" : "that are the first of a run"
        let kinds = words.kinds.flatMap { kind -> [(Double, String, String, String)] in
            let (x, names) = (kind.symbol, kind.names)
            return [
                (moment.whole(kind.number), "y_\(x)", "\(plain)_\(x)", "\(names) held at once\(whole)"),
                (
                    moment.whole(kind.number, isRecomputed: true), "y_\(x)r", "K_\(x)",
                    "\(names) held at once \(marked)"
                ),
            ].filter { !isOffloaded || offloadsSome && !$0.1.hasSuffix("r") }
        }
        var terms: [String] = []
        // A block inside a run keeps nothing.
        for (count, symbol, bytes, meaning) in kinds where count > 0 && (bytes.hasPrefix("K") || keepsSome) {
            lines.define(symbol, count, "blocks", "\(meaning), each as often as micro-batches of it")
            terms.append("\(symbol)·\(bytes)")
        }
        if extra != 0 { lines.define("D_s", extra, "bytes", "bytes that the first blocks keep more in bf16") }
        let embedding = [
            device.dropout ? words.embedding.masks : nil, words.embedding.kept, stepsOfNorm(words.embedding),
            extra != 0 ? "D_s" : nil,
        ].compactMap { $0 }
        if !embedding.isEmpty, moment.first > 0 {
            lines.define("y_in", moment.first, "", "micro-batches held of the first stage")
            terms += embedding.map { "y_in·\($0)" }
        }
        return terms
    }

    /// Defines the numbers of blocks between the two halves of their backward.
    /// - Returns: for each kind of block the symbols of its number, of the bytes it holds now, and of the bytes it held
    ///   before.
    private func later(
        _ lines: inout Derivation, _ moment: HeldBlocks, isPartial: Bool
    ) -> [(count: String, bytes: String, set: String)] {
        // If the software keeps all tensors between the halves, a block that is not recomputed still keeps what it kept
        // before.
        let keepsSome = layout.recomputed.keepsSome
        let plain = keepsSome && framework.memory.keepsHalvesWhole ? "P" : "J"
        let offloadsSome = layout.offloadedBlocks != nil
        let set = keepsSome ? "P" : isPartial && !offloadsSome || layout.offloadsAllActivations ? "0·K" : "K"
        let kinds = words.kinds.flatMap { kind -> [(Double, String, String, String, String)] in
            let (x, names) = (kind.symbol, kind.names)
            return [
                (moment.later(kind.number), "z_\(x)", "\(plain)_\(x)", "\(set)_\(x)", names),
                (
                    moment.later(kind.number, isRecomputed: true), "z_\(x)r", "J_\(x)",
                    offloadsSome ? "0·K_\(x)" : "K_\(x)",
                    keepsSome ? "recomputed \(names)" : "\(names) that are the first of a run"
                ),
            ]
        }
        return kinds.compactMap { count, symbol, bytes, set, meaning in
            guard count > 0 else { return nil }
            lines.define(symbol, count, "blocks", "\(meaning) between the halves of their backward")
            return (symbol, bytes, set)
        }
    }

    /// Defines the bytes that a backward recomputes at once of blocks in bf16.
    /// - Returns: their symbol; nil if there are none.
    private func highAtOnce(_ lines: inout Derivation, _ symbol: String, _ which: String, _ bytes: Double) -> String? {
        guard bytes > 0 else { return nil }
        lines.define(symbol, bytes, "bytes", "bytes recomputed at once of the \(which) blocks in bf16")
        return symbol
    }

    /// Formula of the bytes that the backward of the largest recomputed block, or run of blocks, recomputes; nil if nothing
    /// is recomputed.
    private func recomputedAtOnce(_ share: PipelineShares.Rank, rank: Int, isPartial: Bool) -> String? {
        guard layout.recompute != .none else { return nil }
        if let runs = work.shares.runs?.ofRanks[rank] {
            // The first block of a run keeps its input.
            let terms = runs.sorted { $0.lexicographicallyPrecedes($1) }.map { run in
                let some = zip(words.kinds, run).filter { $0.1 > 0 }
                let inputs = some.map { "I_\($0.0.symbol)_1" }
                return sum(some.map { "\($0.1)·I_\($0.0.symbol)" }) + " − "
                    + (inputs.count == 1 ? inputs[0] : "min(\(inputs.joined(separator: ", ")))")
            }
            return terms.isEmpty ? nil : largest(["0"] + terms)
        }
        // Blocks that are told apart because they are offloaded are recomputed as the others are.
        let counts = isPartial && layout.offloadedBlocks == nil ? share.recomputed : share.blocks
        let terms = words.kinds.filter { counts[$0.number] > 0 }.map { "R_\($0.symbol)_1" }
        return terms.isEmpty ? nil : largest(terms)
    }
}
