extension AttentionSpec {
    /// Multi-head attention, or grouped-query attention if there are fewer key/value heads (Vaswani et al. 2017;
    /// Ainslie et al. 2023).
    ///
    /// Letters: h hidden, a heads, g key/value heads, d head size, d_v size of a value head. One product computes a·d
    /// queries, g·d keys, g·d_v values and the numbers of the output's gate; another projects the a·d_v results back
    /// to h.
    ///
    /// With more tensor ranks than key/value heads each rank still computes 1/t of the first product's columns. The ranks
    /// gather all columns, keep their queries and one head of keys and values, and scatter the gradients (Megatron-Core,
    /// `attention.py`: `num_query_groups` below the tensor-parallel size).
    static func multiHead(_ model: Model) -> AttentionSpec {
        let (h, block, widths) = (model.hidden, model.block, AttentionWidths(model.block))
        let projected = Extent(.all, cut: widths.projected)
        let attended = Extent(.all, cut: widths.attended)
        let meeting = Extent(.all, widths.held(cut: widths.queries, heads: widths.keys))

        var part = Part()
        part.tensors = multiHeadTensors(model)
        part.products = multiHeadProducts(model)
        part.kept = [
            Kept(Extent(.all, widths.held(cut: widths.queries + widths.gate, heads: widths.keys + widths.values))),
            Kept(attended, role: .attended),
        ]
        if let rank = block.queryRank {
            // The latent queries and their norm's result.
            let latent = Extent(.scattered, whole: 2 * rank)
            let isNeeded = block.learns(model.conventions.joinsProjections ? "attn.q_b_proj" : "self_attn.q_b_proj")
            part.kept.append(Kept(isNeeded ? latent : Extent(.scattered, whole: rank)))
            part.operands.append(Stored(latent, .operand))
            part.forward.kernels.append([Stored(Extent(.scattered, whole: rank), times: 2)])
            part.backward.kernels.append([Stored(Extent(.scattered, whole: rank), times: 3)])
            part.otherKernels += 1
        }
        if widths.inner > 0 {
            part.kept.append(Kept(Extent(.all, cut: widths.inner), role: .productInput))
            part.operands.append(Stored(Extent(.all, cut: widths.inner), .operand))
        }
        // Inputs of the norms of queries and keys.
        if block.qkNorm != .none { part.kept.append(Kept(meeting)) }
        // Of queries and of keys.
        if model.conventions.isRotary {
            part.kept.append(Kept(Extent(.all, whole: block.headSize), times: 4, role: .rotary))
        }
        part.operands += [Stored(projected, .operand), Stored(attended, .operand)]
        part.forward.casts = [[attended]]
        part.backward.casts = [[Extent(.all, whole: h), projected]]
        part.addPositionsOrBiases(
            model.conventions, rotated: meeting, biased: projected, hasOutputBias: model.hasAttentionOutputBias)
        if block.qkNorm != .none {
            part.forward.kernels.append([Stored(meeting, times: 2)])
            part.backward.kernels.append([Stored(meeting, times: 3)])
            part.otherKernels += 1
        }
        part.addGate(widths.gate, attended: attended)
        part.messages = TensorMessages(inputs: [h] + [block.queryRank].compactMap(\.self), results: [h])
        if widths.keyHeads > 0, widths.keyHeads < block.heads {
            part.messages.columns = [
                GatheredColumns(
                    width: widths.projected - (block.queryRank == nil ? 0 : widths.queries), ranks: widths.keyHeads)
            ]
        }
        if let chosen = ChosenKeys(model) { chosen.add(to: &part) }
        return AttentionSpec(
            part: part, core: model.coreAttention, results: widths.projected, words: widths.words(model))
    }

    static func multiHeadProducts(_ model: Model) -> [Product] {
        let widths = AttentionWidths(model.block)
        let h = Width(whole: model.hidden)
        var products: [Product]
        if let rank = model.block.queryRank {
            products = [
                Product(.scattered, inputs: h, outputs: Width(whole: rank)),
                Product(inputs: Width(whole: rank), outputs: Width(cut: widths.queries)),
                Product(inputs: h, outputs: Width(cut: widths.projected - widths.queries)),
            ]
        } else {
            products = [Product(inputs: h, outputs: Width(cut: widths.projected))]
        }
        if let groups = model.block.outputGroups, let rank = model.block.outputRank {
            // Each group has a matrix of its own.
            products += [
                Product(inputs: Width(whole: widths.attended / groups), outputs: Width(cut: groups * rank)),
                Product(inputs: Width(cut: groups * rank), outputs: h),
            ]
        } else {
            products.append(Product(inputs: Width(cut: widths.attended), outputs: h))
        }
        return products + (ChosenKeys(model)?.products ?? [])
    }

    static func multiHeadTensors(_ model: Model) -> [TensorSpec] {
        let (h, block, widths) = (model.hidden, model.block, AttentionWidths(model.block))
        func matrix(_ name: String, _ outputs: Int, joinsPrevious: Bool = false) -> [TensorSpec] {
            guard outputs > 0 else { return [] }
            return model.matrix(
                "\(name).weight", bias: "\(name).bias", inputs: h, outputs: outputs, isCutByOutputs: true,
                joinsPrevious: joinsPrevious, biased: .attentionInput)
        }
        let isJoined = model.conventions.joinsProjections
        let (prefix, result) = isJoined ? ("attn.", "attn.c_proj") : ("self_attn.", "self_attn.o_proj")
        var tensors: [TensorSpec]
        if isJoined, widths.queries == widths.keys, widths.queries == widths.values {
            tensors = model.matrix(
                "attn.c_attn.weight", bias: "attn.c_attn.bias", inputs: h, outputs: 3 * widths.queries,
                isCutByOutputs: true, groups: 3, biased: .attentionInput)
        } else {
            // Queries, keys and values are adjacent in memory, so that one product computes all three.
            let queries: [TensorSpec]
            if let rank = block.queryRank {
                let down = TensorSpec(
                    name: "\(prefix)q_a_proj.weight", shape: [rank, h], start: .normal(Model.startDeviation),
                    seesStreamRows: true)
                queries =
                    [down] + model.norm("\(prefix)q_a_layernorm", shape: [rank])
                    + model.matrix(
                        "\(prefix)q_b_proj.weight", bias: "\(prefix)q_b_proj.bias", inputs: rank,
                        outputs: widths.queries, isCutByOutputs: true, biased: .attentionInput)
            } else {
                queries = matrix("\(prefix)q_proj", widths.queries)
            }
            tensors =
                queries
                + matrix("\(prefix)k_proj", widths.keys, joinsPrevious: true)
                + matrix("\(prefix)v_proj", widths.values, joinsPrevious: true)
        }
        tensors += matrix("\(prefix)g_proj", widths.gate, joinsPrevious: true)
        if let groups = block.outputGroups, let rank = block.outputRank {
            tensors += model.matrix(
                "\(prefix)o_a_proj.weight", bias: "", inputs: widths.attended / groups, outputs: groups * rank,
                isCutByOutputs: true, biased: nil)
        }
        tensors += model.matrix(
            "\(result).weight", bias: "\(result).bias", inputs: widths.inner > 0 ? widths.inner : widths.attended,
            outputs: h, isCutByOutputs: false,
            biased: model.hasAttentionOutputBias ? .attentionOutput : nil)
        let kind = model.kindOfQKNorms
        func norm(_ name: String, heads: Int) -> [TensorSpec] {
            guard heads > 0 else { return [] }
            switch block.qkNorm {
            case .none: return []
            case .head:
                return model.norm(prefix + name, shape: [block.headSize], kind: kind).map { tensor in
                    // Every tensor rank normalises its own heads.
                    var tensor = tensor
                    (tensor.seesStreamRows, tensor.seesOwnRows) = (false, true)
                    return tensor
                }
            case .heads: return model.norm(prefix + name, shape: [heads, block.headSize], split: .rows, kind: kind)
            case .whole: return model.norm(prefix + name, shape: [heads * block.headSize], split: .rows, kind: kind)
            }
        }
        tensors += norm("q_norm", heads: block.heads) + norm("k_norm", heads: widths.keyHeads)
        if block.sinks {
            tensors.append(TensorSpec(name: "\(prefix)sinks", shape: [block.heads], start: .zeros, split: .rows))
        }
        return tensors + (ChosenKeys(model)?.tensors ?? [])
    }
}

extension AttentionSpec {
    /// Numbers of a token that generation keeps for later tokens: keys and values, or keys that serve as values; none of a
    /// block that reads those of another.
    static func keptKeys(_ model: Model) -> Width {
        let widths = AttentionWidths(model.block)
        return widths.held(cut: 0, heads: widths.keys + widths.values)
    }
}

/// Numbers in a row of the tensors of multi-head attention, over all tensor ranks.
private struct AttentionWidths {
    let block: BlockShape
    let queries: Int
    /// Projected keys, and projected values.
    let keys: Int
    let values: Int
    let gate: Int
    let attended: Int
    /// Heads of projected keys.
    let keyHeads: Int
    /// Results of the groups of heads before the last projection; 0 without groups.
    let inner: Int

    init(_ block: BlockShape) {
        self.block = block
        let valueSize = block.valueSize ?? block.headSize
        queries = block.heads * block.headSize
        inner = (block.outputGroups ?? 0) * (block.outputRank ?? 0)
        attended = block.heads * valueSize
        keyHeads = block.keyValues == .shared ? 0 : block.kvHeads
        keys = keyHeads * block.headSize
        values = block.keyValues == .own ? block.kvHeads * valueSize : 0
        gate = block.outputGate.width(heads: block.heads, attended: attended)
    }

    /// All results of the product before the core.
    var projected: Int { queries + keys + values + gate }

    /// Numbers in a row of a tensor that the core reads: `cut` among tensor ranks, and those of `heads` of keys and values.
    func held(cut: Int, heads: Int) -> Width {
        guard keyHeads > 0, keyHeads < block.heads else { return Width(cut: cut + heads) }
        return Width(cut: cut, heads: heads, head: heads / keyHeads)
    }

    func words(_ model: Model) -> AttentionWords {
        let v = block.valueSize == nil ? "d" : "d_v"
        let isPlain =
            block.valueSize == nil && block.keyValues == .own && gate == 0 && block.queryRank == nil && inner == 0
        let gateWords = block.outputGate.words(attended: "a·\(v)")
        /// All results of the product before the core.
        let results =
            isPlain
            ? "(a + 2·g)·d"
            : "(\(sum("a·d", keys > 0 ? "g·d" : nil, values > 0 ? "g·\(v)" : nil, gateWords)))"
        let attended = "a·\(v)"
        let biases = model.conventions.biases
        let normTensors = block.qkNorm == .none ? 0 : model.kindOfQKNorms.tensors
        let norm: String? =
            switch block.qkNorm {
            case .none: nil
            case .head: "\(keyHeads > 0 ? 2 * normTensors : normTensors)·d"
            case .heads, .whole: "\(normTensors)·\(keyHeads > 0 ? "(a + g)" : "a")·d"
            }
        let inputBias = biases.contains(.attentionInput) ? (isPlain ? "a·d + 2·g·d" : results) : nil
        let outputBias = model.hasAttentionOutputBias ? "h" : nil
        let meeting = keys > 0 ? "(a + g)·d" : "a·d"
        let kept = sum(block.qkNorm == .none ? nil : meeting, gate > 0 ? attended : nil)
        let keptElsewhere =
            (inner > 0 ? " + w·n_g·r_o/t" : "") + (block.queryRank == nil ? "" : " + w·2·r_q/σ")
        // Weights of a token's products before and behind the core.
        let others = sum(keys > 0 ? "g·d" : nil, values > 0 ? "g·\(v)" : nil, gateWords)
        let before = block.queryRank == nil ? "h·\(results)" : "(h + a·d)·r_q + h·(\(others))"
        let behind = inner > 0 ? "(\(attended) + h·n_g)·r_o" : "\(attended)·h"
        let latentNorm = block.queryRank == nil ? nil : "\(model.conventions.norm.tensors)·r_q"
        let latents = block.queryRank == nil ? nil : "h·r_q + " + (latentNorm ?? "0")
        var sizes = [
            SizeSymbol("g", block.kvHeads, "key and value heads"), SizeSymbol("d", block.headSize, "head size"),
        ]
        if let valueSize = block.valueSize { sizes.append(SizeSymbol("d_v", valueSize, "size of a value head")) }
        if let rank = block.queryRank { sizes.append(SizeSymbol("r_q", rank, "size of the latent queries")) }
        if let groups = block.outputGroups, let rank = block.outputRank {
            sizes.append(SizeSymbol("n_g", groups, "groups of heads before the output projection"))
            sizes.append(SizeSymbol("r_o", rank, "numbers of a group's result"))
        }
        let chosen = ChosenKeys(model)
        sizes += (chosen?.allSizes ?? []) + model.seenSizes
        let core = (block.valueSize == nil ? "a·d" : "a·(d + d_v)/2") + model.seenWords
        let scattered = sumOrNil(block.queryRank == nil ? nil : "2·r_q", chosen == nil ? nil : "u_i")
        let ofChosen = chosen == nil ? "" : " + w·(u_i + k_i)/σ + 4·p_i"
        return AttentionWords(
            parameters: sum(
                (isPlain ? ["2·h·a·d + 2·h·g·d"] : [before, behind])
                    + [
                        inputBias, outputBias, norm, latentNorm, block.sinks ? "a" : nil, chosen?.weights,
                        chosen == nil ? nil : "o_i",
                    ]),
            source: "Narayanan et al. 2021, equation 2",
            wholeParameters: sumOrNil(
                outputBias, latents, block.qkNorm == .head ? norm : nil, chosen?.weights, chosen == nil ? nil : "o_i"),
            weights: sum(isPlain ? "h·d·(2·a + 2·g)" : "\(before) + \(behind)", chosen?.weights),
            core: chosen.map { $0.index == "0" ? core : "(\(core) + \($0.index))" } ?? core,
            attended: attended, results: results,
            keysAndValues: block.valueSize == nil ? "2·g·d" : "g·(d + d_v)",
            kept: (isPlain ? "w·(2·a + 2·g)·d/t" : "w·(\(results) + \(attended))/t")
                + (kept == "0" ? "" : " + w·(\(kept))/t") + keptElsewhere + ofChosen,
            keptBeyondHeads: keyHeads > 0 && keyHeads < block.heads
                ? "w·((\(sum("a·d", gateWords, attended)))/t + \(sum("d", values > 0 ? v : nil)))"
                    + (block.qkNorm == .none ? "" : " + w·(a·d/t + d)") + (gate > 0 ? " + w·\(attended)/t" : "")
                    + keptElsewhere + ofChosen : nil,
            operands: isPlain
                ? "(2·a + 2·g)·d" : "(\(results) + \(attended)" + (inner > 0 ? " + n_g·r_o)" : ")"),
            scatteredOperands: scattered.map { chosen == nil ? $0 : "(\($0))" },
            projected: results + "/t" + (inner > 0 ? " + n_g·r_o/t" : "") + (block.queryRank == nil ? "" : " + r_q/σ")
                + (chosen == nil ? "" : " + u_i/σ"),
            sizes: sizes)
    }
}

extension CoreAttention {
    static func multiHead(_ model: Model) -> CoreAttention {
        let block = model.block
        let valueSize = block.valueSize ?? block.headSize
        let attended = block.heads * valueSize
        var core = CoreAttention(
            heads: block.heads, queries: block.heads * block.headSize, keys: block.kvHeads * block.headSize,
            values: block.kvHeads * valueSize, attended: attended, keyHeads: block.kvHeads, span: Span(block))
        core.indexWidth = ChosenKeys(model)?.indexWidth ?? 0
        return core
    }
}

extension Part {
    /// Adds the kernels of rotary positions, which read and write `rotated` numbers in both passes, and of the biases
    /// of an attention, whose gradients read all `biased` results once.
    mutating func addPositionsOrBiases(
        _ conventions: Conventions, rotated: Extent, biased: Extent, hasOutputBias: Bool? = nil
    ) {
        if conventions.isRotary {
            forward.kernels.append([Stored(rotated, times: 2)])
            backward.kernels.append([Stored(rotated, times: 2)])
            otherKernels += 1
        }
        if conventions.biases.contains(.attentionInput) {
            backward.kernels.append([Stored(biased)])
            otherKernels += 1
        }
        if hasOutputBias ?? conventions.biases.contains(.attentionOutput) { otherKernels += 1 }
    }
}
