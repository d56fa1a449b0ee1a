internal import Models
internal import Plans
internal import Schedules

/// Explains the temporary buffers of the fullest rank, and its peak.
struct BufferExplanation {
    private let work: LayoutWork
    private let words: ModelWords
    private var layout: Layout { work.layout }
    private var device: DeviceShare { work.device }
    private var framework: Framework { work.framework }
    private var p: Int { work.p }

    init(_ work: LayoutWork) {
        self.work = work
        words = ModelWords(work)
    }

    /// Adds the temporary buffers and the peak of `rank`.
    func addBuffers(to lines: inout Derivation, rank: Int) {
        let share = work.shares.ranks[rank]
        let widest = words.kinds.filter { share.blocks[$0.number] > 0 }.map { "G_\($0.symbol)" }
        lines.define("φ", framework.fragmentation, "share", "the allocator's losses (\(framework.name))")
        lines.define(
            "ℓ", framework.logitBytes(tensor: layout.tensor), "bytes",
            framework.gathersLogits && device.tensor > 1
                ? "bytes of a logit in all its copies, times the tensor ranks, each of which holds all logits"
                : "bytes of a logit in all its copies")
        let own = addOwnBuffers(to: &lines, share)
        let gathers = addGathered(to: &lines, share)
        let exchanged = ExchangeExplanation(work: work).addBuffers(to: &lines)
        let boundary = "w·T·" + (work.conditionWords.map { "(h/σ + \($0))" } ?? "h/σ")
        let messages = framework.memory.messages == nil ? "2·\(boundary)" : "messages·\(share.passes)·\(boundary)"
        lines.derive(
            "buffers", as: "buffers",
            sum(
                [
                    largest(widest), device.sequenceParallel ? "w·T·h" : nil,
                    p > 1 ? messages : nil, own,
                    work.divided != nil ? addVocabulary(to: &lines) : share.holdsHead ? addLogits(to: &lines) : nil,
                    gathers ? "gathered" : nil,
                ] + exchanged), "bytes",
            note: "gradients at work, gathered inputs, messages, logits, gathered layers")
        lines.derive("fragmentation", as: "unused", "φ·(activations + buffers)", "bytes")
        lines.define(
            "reserved", StateMemory.outside(work), "bytes",
            framework.reservedBytes == nil
                ? "reserved before any tensor, of the device's file"
                : "reserved before any tensor, of the framework's file (\(framework.name))")
        lines.derive(
            "other memory", as: "otherMemory", "buffers + unused + reserved", "bytes",
            after: "own assumption where no source is named")
        lines.derive(
            "peak memory", as: "peak", "weights + gradients + optimizerState + activations + otherMemory", "bytes",
            note: "rank \(rank)")
        guard let offload = layout.offload else { return }
        lines.derive(
            "memory on the host", as: "hostMemory",
            sum(
                offload.optimizer > 0 ? "hostState" : nil, offload.activations == .none ? nil : "hostActivations"),
            "bytes", note: "of one device; its node has that of all its devices")
    }

    /// Formula of the bytes that a rank's part of a divided vocabulary keeps between S and T.
    static func vocabularyInputs(_ work: LayoutWork, rank: Int, _ lines: inout Derivation) -> [String] {
        guard let divided = work.divided else { return [] }
        var terms = [divided.way == .oneBarrier ? "w·T·h" : "w·T·h/σ"]
        if rank == work.p - 1, work.model.hasFinalNorm {
            lines.define("y_n", work.inFlight(rank: rank), "", "micro-batches whose final norm waits for its backward")
            terms.append("y_n·w·T·h/σ")
        }
        return terms
    }

    /// Formula of the temporary bytes of a rank's part of a divided vocabulary.
    private func addVocabulary(to lines: inout Derivation) -> String {
        let gradients = work.divided?.way == .oneBarrier ? "2·w·T·h" : "w·T·h"
        lines.derive(
            "output layer in parts", as: "X_v",
            "ℓ·\(words.head.logits ?? "0")/p_v + 4·T·(h + 1)/σ + \(gradients) + 2·w·T·h/σ", "bytes",
            note: "softmax, exchanged output and gradients, looked-up rows", after: "Yeung et al. 2024; their code")
        return "X_v"
    }

    /// Formula of the bytes of the logits of all pending micro-batches.
    private func addLogits(to lines: inout Derivation) -> String {
        let numbers = words.head.logits ?? "0"
        let loss = work.plan.loss
        switch loss.kind {
        case .standard:
            let losses = words.head.losses
            let pending = losses == 1 ? "4·y_p + w·y_w" : "\(losses)·(4·y_p + w·y_w)"
            return "(\(pending) + ℓ − 4)·\(numbers)"
        case .fused: return "\(4 * words.head.losses)·y_p·T"
        case .chunked:
            lines.define("χ", loss.chunks, "chunks", "chunks of the rows whose logits exist at once")
            let losses = words.head.losses == 1 ? "" : "\(words.head.losses)·"
            return "ℓ·\(numbers)/χ"
                + (work.model.changesHeadTable ? " + \(losses)b_p·\(words.embedding.heldTable)" : "")
        }
    }

    /// Adds the buffers of the software's own code (`RuntimeBuffers`). Returns their symbol; nil if there are none.
    private func addOwnBuffers(to lines: inout Derivation, _ share: PipelineShares.Rank) -> String? {
        let memory = framework.memory
        if p > 1, let messages = memory.messages {
            lines.define("messages", messages, "", "tensors on their way for each stage of a rank")
        }
        var parts: [String?] = []
        if let piece = memory.sharedPiece {
            let own = RuntimeBuffers(work)
            lines.define("piece", piece, "bytes", "bytes that a rank hands over at a time")
            lines.define("x_s", own.sharedRows, "share", "share of another tensor rank's segment that a rank reads")
            let ranks = own.ranksThatAddUp(copies: layout.schedule.copies)
            lines.define("n_h", ranks, "ranks", "ranks that hand over gradients in pieces")
            let isTied = p > 1 && work.model.sharesTable && share.holdsEmbedding != share.holdsHead
            parts += [
                device.tensor > 1 ? "2·w·T·h·(1 + (t − 1)·x_s)" : nil,
                device.context > 1
                    ? "w·T·"
                        + largest(
                            words.attentionKinds.map {
                                $0.own("(4·\($0.attention.keysAndValues) + \($0.attention.attended))")
                            }) + "/t" : nil,
                ranks > 0 ? "piece·(1 + 2·n_h)" : nil, isTied ? "4·piece" : nil,
            ]
        }
        if memory.packedDepth > 0 {
            lines.define("k_p", memory.packedDepth, "", "depth of operands that are rearranged at a time")
            lines.define("r_p", memory.packedRows, "rows", "most rows of them")
            let inner = words.kinds.filter { !$0.isMixture }.compactMap { kind in kind.feedForward.inner.map(kind.own) }
            let results = words.attentionKinds.map { $0.own($0.attention.results) }
            let table = words.embedding.hasTable ? [work.divided == nil ? "V_p" : "V_p/p_v"] : []
            let widths = (inner + results + table).joined(separator: ", ")
            parts.append("4·k_p·(min(r_p, max(max(\(widths))/t, h)) + k_p)")
        }
        let terms = parts.compactMap { $0 }
        guard !terms.isEmpty else { return nil }
        lines.derive(
            "memory that ranks share, and rearranged operands", as: "shared", sum(terms), "bytes",
            note: framework.name)
        return "shared"
    }

    /// Adds the buffers for layers that are whole in addition to their shards. Returns false if there are none.
    private func addGathered(to lines: inout Derivation, _ share: PipelineShares.Rank) -> Bool {
        if work.parts.tuned != nil {
            let bytes = StateMemory.gathered(by: share, work)
            lines.define("gathered", bytes, "bytes", "whole layers, their gradients, and the matrix made of few bits")
            return bytes > 0
        }
        guard layout.sharding == .parameters || layout.sharding == .gradients else { return false }
        let leaves = layout.offloadsGradients
        let (isSharded, areExperts) = (layout.shardRanks > 1 || leaves, device.expertShardGroup.size > 1 || leaves)
        var units = words.kinds.filter { share.blocks[$0.number] > 0 }.compactMap { kind in
            sumOrNil(isSharded ? "Q_\(kind.symbol)" : nil, areExperts && kind.isMixture ? kind.own("Q_x") : nil)
        }
        if isSharded, words.embedding.hasTable, share.holdsEmbedding || share.holdsHead {
            units.append(words.embedding.heldTable)
        }
        guard !units.isEmpty else { return false }
        lines.derive(
            "largest layer on a device", as: "Q", largest(units),
            "parameters", note: "a block or a table")
        lines.derive(
            "parameters that other ranks hold", as: "N_o",
            "(\(sum("N_d·(1 − 1/S)", work.holdsExperts(share) ? "N_e·(1 − 1/S_e)" : nil)))/(1 + φ)", "parameters",
            note: "less the allocator's losses: sharding never takes more memory than not sharding")
        if leaves {
            lines.derive(
                "parameters a device has on other ranks or on the host", as: "N_l",
                "(\(sum("N_d", work.holdsExperts(share) ? "N_e" : nil)))/(1 + φ)", "parameters")
        }
        let weights = layout.offloadsParameters ? "b_p·min(2·Q, N_l)" : "b_p·min(2·Q, N_o)"
        lines.derive(
            "gathered layers and unscattered gradients", as: "gathered",
            sum("b_r·min(Q, \(leaves ? "N_l" : "N_o"))", layout.sharding == .parameters ? weights : nil), "bytes",
            note: layout.sharding == .parameters
                ? "the layer at work and the next one, and the gradients of the one at work"
                : "the gradients of the layer at work",
            after: "Rajbhandari et al. 2020; PyTorch FSDP")
        return true
    }
}
