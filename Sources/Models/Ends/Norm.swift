extension Model {
    /// Tensors of a norm: its scale, and its shift if norms have one.
    ///
    /// - Parameter name: without `.weight`.
    /// - Parameter kind: nil: that of the model's norms.
    package func norm(
        _ name: String, shape: [Int]? = nil, split: TensorSpec.Split = .whole, kind: Norm? = nil
    ) -> [TensorSpec] {
        let shape = shape ?? [hidden]
        let kind = kind ?? conventions.norm
        let scale = TensorSpec(name: name + ".weight", shape: shape, start: .ones, split: split, seesStreamRows: true)
        let shift = TensorSpec(name: name + ".bias", shape: shape, start: .zeros, split: split, seesStreamRows: true)
        return (kind.hasScale ? [scale] : []) + (kind.hasShift ? [shift] : [])
    }

    /// Kind of the norms of queries and keys.
    package var kindOfQKNorms: Norm { qkNormKind ?? conventions.norm }

    /// Whether the projection of an attention's result has a bias of its own. Of a fused block, one bias serves both
    /// halves, and is the feed-forward network's.
    var hasAttentionOutputBias: Bool {
        conventions.biases.contains(.attentionOutput) && !(block.parallel == .fused && block.halves == .both)
    }

    /// Formula of the parameters of `count` norms, each h wide: h for each tensor of a norm.
    func normWords(count: Int) -> String? {
        let tensors = count * conventions.norm.tensors
        return tensors == 0 ? nil : tensors == 1 ? "h" : "\(tensors)·h"
    }
}

extension Model {
    /// Whether a norm of the model is several kernels in eager PyTorch. LayerNorm is one, which reads half precision.
    var hasNormsInSteps: Bool { conventions.norm == .rmsNorm }

    /// The role of rows that norms read.
    var roleOfNormInputs: Kept.Role { hasNormsInSteps ? .normInput : .other }

    /// The bytes that norms of `stream` keep in software that runs them as several kernels: each casts its rows to fp32 and keeps the
    /// copy, which its square and its product with the inverse root read back, and keeps the normalised rows in the
    /// activations' format, for the gradient of its scale (Hugging Face, `LlamaRMSNorm.forward`; Aleph-Alpha/scaling,
    /// `RMSNorm.forward` with optimization_type torch).
    /// - Parameter isTrained: whether their scales are trained.
    func stepsOfNorms(
        _ stream: Extent, count: Int, isTrained: Bool = true, madeBy: RecomputeModules = []
    ) -> [Kept] {
        guard count > 0, hasNormsInSteps else { return [] }
        let normalised = Kept(stream, times: Double(count), role: .normalised, madeBy: madeBy)
        return [Kept(stream, .single, times: Double(count), role: .castNormInput, madeBy: madeBy)]
            + (isTrained ? [normalised] : [])
    }
}

extension Part {
    /// The norms of a block and its additions to the residual stream.
    ///
    /// Letter: h hidden. A norm reads and writes h numbers, and its backward also reads a gradient. An addition reads
    /// two tensors and writes one, with dropout. Before a half the residual stream is kept as the norm's input, and
    /// the norm's result as the input of the half's products; behind a half the half's result is kept as the norm's
    /// input. Halves side by side read one stream, which is kept once, and add both their results to it at once, whose
    /// gradient is one tensor. With modulation each norm's result is scaled and shifted, and each half's result gated
    /// (`addModulation`).
    static func norms(_ model: Model) -> Part {
        guard model.block.stream.isDouble else { return normsOfStream(model) }
        return normsOfStream(model).onBothStreams(text: normsOfStream(model.ofLastText))
    }

    /// `norms` of the rows of one stream.
    fileprivate static func normsOfStream(_ model: Model) -> Part {
        let stream = Extent(.scattered, whole: model.hidden)
        let block = model.block
        let count = block.halves.count
        let isJoined = block.parallel != .none && count > 1
        /// Inputs of halves.
        let inputs = block.parallel.sharesNorm ? 1 : count
        /// Norms before the halves, and behind them.
        let before = block.norms == .post ? 0 : inputs
        let behind = block.norms == .pre ? 0 : count
        // Norms that several products read: before both halves at once, latents, or a router and experts.
        let several =
            inputs < count
            ? 1
            : (block.halves.hasAttention && block.hasSoftmax && model.mla != nil ? 1 : 0)
                + (block.halves.hasFeedForward && block.moe != nil ? 1 : 0)
        let alone = min(before, several)
        // The rows of a text that ends here are not added to.
        let endsHere = block.stream == .lastDouble && block.halves == .attention
        let results = endsHere ? 0 : count

        var part = Part()
        part.tensors = normTensors(ofStream: model)
        part.kept = [
            Kept(
                stream, times: Double(isJoined ? 1 : count), role: before > 0 ? model.roleOfNormInputs : .other,
                readBy: [.norms, .fusibleNorms]),
            Kept(stream, times: Double(alone), role: .normResult, madeBy: .norms),
            Kept(stream, times: Double(before - alone), role: .normResult, madeBy: .fusibleNorms),
            Kept(stream, .mask, times: Double(results)),
        ]
        part.kept += model.stepsOfNorms(stream, count: alone, madeBy: .norms)
        part.kept += model.stepsOfNorms(stream, count: before - alone, madeBy: .fusibleNorms)
        if behind > 0 {
            part.kept.append(Kept(stream, times: Double(behind), role: model.roleOfNormInputs))
            part.kept += model.stepsOfNorms(stream, count: behind)
        }
        part.inputs = normInputs(model)
        // The inputs of the halves, and the gradients of their outputs.
        part.operands = [Stored(stream, .operand, times: Double(inputs + (isJoined ? 1 : results)))]
        let sum = [
            Stored(stream, times: isJoined ? 4 : 3), Stored(stream, .mask, times: isJoined ? 2 : 1),
        ]
        let sums = Array(repeating: sum, count: isJoined ? 1 : results)
        part.forward.kernels = Array(repeating: [Stored(stream, times: 2)], count: before + behind) + sums
        part.backward.kernels = Array(repeating: [Stored(stream, times: 3)], count: before + behind) + sums
        part.otherKernels = before + behind + sums.count
        for (module, norms) in [(RecomputeModules.norms, alone), (.fusibleNorms, before - alone)] where norms > 0 {
            part.recomputations.append(
                Recomputation(
                    module, work: Elementwise(Array(repeating: [Stored(stream, times: 2)], count: norms)),
                    freed: "\(norms)·w·h/σ"))
        }
        let outputs =
            (block.hasSoftmax && model.hasAttentionOutputBias && !endsHere ? 1 : 0)
            + (block.halves.hasFeedForward && block.moe == nil && model.conventions.biases.contains(.feedForward)
                ? 1 : 0)
        if outputs > 0 {
            // The gradients of the biases at the end of the halves.
            part.backward.kernels.append([Stored(stream, times: Double(outputs))])
        }
        if block.modulation > 0 { part.addModulation(model, inputs: before, results: isJoined ? 1 : results) }
        return part
    }

    /// Results of norms that only products read. A router reads the rows of its half too.
    private static func normInputs(_ model: Model) -> [ProductInput] {
        let block = model.block
        guard block.norms != .post else { return [] }
        let (ofAttention, ofNetwork) = (block.changes("self_attn.q_proj"), block.changes("mlp.up_proj"))
        func result(
            of norm: RecomputeModules, readBy network: RecomputeModules, _ isReadBack: Bool
        ) -> ProductInput {
            ProductInput(
                Extent(.scattered, whole: model.hidden), words: "h/σ", madeBy: norm, readBy: network,
                isReadBack: isReadBack)
        }
        let (hasAttention, hasNetwork) = (block.halves.hasAttention, block.halves.hasFeedForward)
        let routes = block.moe != nil && hasNetwork
        if block.parallel.sharesNorm, block.halves == .both {
            return routes ? [] : [result(of: .norms, readBy: .network, ofAttention || ofNetwork)]
        }
        let isLatent = block.hasSoftmax && model.mla != nil
        return (hasAttention ? [result(of: isLatent ? .norms : .fusibleNorms, readBy: [], ofAttention)] : [])
            + (hasNetwork && !routes ? [result(of: .fusibleNorms, readBy: .network, ofNetwork)] : [])
    }

    /// Tensors of a block's norms, and its small tensors that no part describes.
    static func normTensors(_ model: Model) -> [TensorSpec] {
        guard model.block.stream.isDouble else { return normTensors(ofStream: model) }
        var part = Part()
        part.tensors = normTensors(ofStream: model)
        var text = Part()
        text.tensors = normTensors(ofStream: model.ofLastText)
        return part.onBothStreams(text: text).tensors
    }

    fileprivate static func normTensors(ofStream model: Model) -> [TensorSpec] {
        let names = model.conventions.names
        let block = model.block
        func norms(_ before: String, _ behind: String) -> [TensorSpec] {
            (block.norms == .post ? [] : model.norm(before)) + (block.norms == .pre ? [] : model.norm(behind))
        }
        var tensors = block.halves.hasAttention ? norms(names.attentionNorm, names.attentionNorm + "_out") : []
        if block.halves.hasFeedForward {
            let own = norms(names.feedForwardNorm, names.feedForwardNorm + "_out")
            // One norm before both halves stands with the attention.
            let isShared = block.parallel.sharesNorm && block.halves == .both && block.norms != .post
            tensors += isShared ? Array(own.dropFirst(model.conventions.norm.tensors)) : own
        }
        return tensors + modulationTensors(model) + model.extra("extra", block.extraParameters)
    }
}

extension Model {
    /// A tensor that stands for small tensors which no key describes; none if there are no such parameters.
    func extra(_ name: String, _ parameters: Int) -> [TensorSpec] {
        parameters > 0 ? [TensorSpec(name: name, shape: [parameters], start: .zeros, seesStreamRows: true)] : []
    }
}

extension Part {
    /// The terms of the bytes that the norm of an end keeps in steps of its own, in words.
    var stepsOfNorm: EndWords.StepsOfNorm? {
        guard kept.contains(where: { $0.role == .castNormInput }) else { return nil }
        let isScaled = kept.contains { $0.role == .normalised }
        return EndWords.StepsOfNorm(cast: isScaled ? "(4 + w − w)" : "(4 − w)", single: isScaled ? "w" : nil)
    }
}

/// Terms of a block's norms and residual additions in formulas. Letter: h hidden.
package struct NormWords: Hashable, Sendable {
    /// Formula of the parameters of the norms and of small tensors; nil if there are none.
    package var parameters: String?
    /// Tensors as wide as the residual stream: kept for the backward, those among them that are results of norms, and
    /// those between the halves of a split backward.
    package var kept: String
    package var results: String
    package var operands: String
    /// Among those that are kept: inputs of norms. In norms of several kernels in addition: cast inputs, and rows before the
    /// scale.
    package var inputs: String
    package var castInputs: String
    package var normalised: String
    /// Halves of the block, each with a mask of dropout.
    package var halves: String
    /// Formula of the parameters of a projection to the block's rows; nil if there is none. A token multiplies as many
    /// weights.
    package var projection: String?
    /// Width of the projection's results.
    package var projected: String?
    /// Formula of the weights of a sample's modulation for one of its tokens; nil without modulation.
    package var weights: String?
    /// Numbers of a row that modulation keeps for the backward, whole on every rank; nil without modulation.
    package var modulation: String?
    /// Numbers of a row that a product of the modulation computes; nil if there are none.
    package var modulationResults: String?
    /// The sizes that the formulas name.
    package var sizes: [SizeSymbol]

    init(_ model: Model) {
        let block = model.block
        let own = Stream(model)
        let text = block.stream == .lastDouble ? Stream(model.ofLastText) : own
        let isDouble = block.stream.isDouble
        let norms = own.norms + (isDouble ? text.norms : 0)
        let vectors = own.vectors + (isDouble ? text.vectors : 0)
        let isShared = model.diffusion?.sharedModulation == true
        let modulated = vectors == 0 ? nil : isShared ? "\(vectors)·h" : "\(vectors)·h·(h_c + 1)"
        let extra = block.extraParameters * (block.stream == .double ? 2 : 1)
        parameters = sumOrNil(
            norms == 0 ? nil : norms == 1 ? "h" : "\(norms)·h", modulated,
            extra > 0 ? (block.stream == .double ? "2·n_x" : "n_x") : nil)
        func mean(_ count: KeyPath<Stream, Int>) -> String {
            let (image, other) = (own[keyPath: count], text[keyPath: count])
            return image == other ? "\(image)" : "((\(image)·(s − n_t) + \(other)·n_t)/s)"
        }
        kept = mean(\.kept)
        results = mean(\.results)
        operands = mean(\.operands)
        inputs = mean(\.inputs)
        castInputs = mean(\.castInputs)
        normalised = mean(\.normalised)
        halves = mean(\.halves)
        projection = block.predicts ? "2·h^2" : nil
        projected = block.predicts ? "h/t" : nil
        sizes =
            block.extraParameters > 0
            ? [SizeSymbol("n_x", block.extraParameters, "parameters of a block in small tensors")] : []
        guard vectors > 0 else { return }
        weights = isShared ? nil : "\(vectors)·h·h_c/s"
        let conditions = isShared ? "" : isDouble ? " + 2·h_c" : " + h_c"
        modulation = "(\(vectors)·h\(conditions))·c/s"
        modulationResults = isShared ? nil : "\(vectors)·h·c/s"
        if !isShared { sizes.append(SizeSymbol("h_c", model.conditionSize, "numbers of a sample's condition")) }
        if block.stream == .lastDouble { sizes += model.textSymbols }
    }

    /// Numbers of tensors of one stream.
    private struct Stream {
        var norms: Int
        var vectors: Int
        var kept: Int
        var results: Int
        var operands: Int
        var inputs: Int
        var castInputs: Int
        var normalised: Int
        var halves: Int

        init(_ model: Model) {
            var single = model
            single.block.stream = model.block.stream == .lastDouble ? .lastDouble : .none
            let part = Part.normsOfStream(single)
            let prediction = model.block.predicts ? Part.prediction(model) : Part()
            single.block.modulation = 0
            let plain =
                Part.normTensors(ofStream: single).parameters - model.block.extraParameters
                + (model.block.predicts ? model.predictionNorms.parameters : 0)
            norms = plain / max(1, model.hidden)
            vectors = model.block.modulation
            func count(_ kept: [Stored]) -> Int {
                kept.reduce(0) { $0 + ($1.extent.rows == .samples ? 0 : Int($1.times)) }
            }
            let all = part.kept + prediction.kept
            func count(_ role: Kept.Role) -> Int { count(all.filter { $0.role == role }.map(\.stored)) }
            (inputs, castInputs, normalised) = (count(.normInput), count(.castNormInput), count(.normalised))
            kept = count(all.map(\.stored).filter { $0.format == .activation }) - normalised
            results = count(.normResult)
            operands = count(part.operands + prediction.operands.filter { $0.extent.width.cut == 0 })
            halves = count(part.kept.map(\.stored).filter { $0.format == .mask })
        }
    }
}
