extension FeedForwardSpec {
    /// A mixture of experts: routed experts, of which every token passes through a few, and shared experts, which every
    /// token passes through (Shazeer et al. 2017; DeepSeek-AI 2024, section 2.1.2).
    ///
    /// Letters: h hidden, E experts of size f_e, k experts of a token, f_s the size of all shared experts together.
    /// Each tensor rank routes its own T/t rows in fp32. The rows are sent to their experts and the results back, where
    /// the router's weights multiply them. A device holds the rows of all ranks that share its experts (Megatron-Core,
    /// `token_dispatcher.py`: rows are gathered over the expert-tensor group after the all-to-all). Experts have
    /// biases only where a model says so.
    /// - Parameter denseWidth: size of the widest feed-forward network of the model's dense blocks; 0 if it has none.
    static func mixture(_ model: Model, _ moe: Model.Mixture, denseWidth: Int) -> FeedForwardSpec {
        // Rows at the experts have h numbers, or those of the latent rows.
        let stream = model.hidden
        let h = moe.latentSize ?? stream
        let expert = Network(model, size: moe.ffn, rows: .routed, hidden: h)
        let beside = besideExperts(model, moe)
        let hidden = Extent(.routed, whole: h)
        let scores = Extent(.own, whole: moe.experts)

        var part = Part()
        part.tensors = mixtureTensors(model, moe)
        part.products = mixtureProducts(model, moe)
        part.kept = [
            Kept(
                Extent(
                    .routed, whole: model.block.learns("mlp.experts.gate_proj", "mlp.experts.up_proj") ? h : 0),
                madeBy: .mixture),
            Kept(Extent(.routed, cut: expert.inputs * moe.ffn), role: .activationInput, madeBy: .mixture),
            Kept(Extent(.routed, cut: expert.keptResults("mlp.experts.")), madeBy: [.mixture, .expertActivation]),
            Kept(Extent(.chosen, whole: h), role: .combined, madeBy: .mixture),
            Kept(scores, .single, times: 2, madeBy: .mixture),
        ]
        part.inputs = [
            ProductInput(
                hidden, words: "ρ·\(moe.latentSize == nil ? "h" : "h_l")", madeBy: .mixture,
                isReadBack: model.block.changes("mlp.experts.up_proj")),
            ProductInput(
                Extent(.routed, cut: moe.ffn), words: "ρ·f_e/e_t", madeBy: [.mixture, .expertActivation],
                isReadBack: model.block.changes("mlp.experts.down_proj")),
        ]
        // Rows at the experts, the gradients of the experts' results, and the router's gradients.
        part.operands = [
            Stored(Extent(.routed, cut: expert.matrices * moe.ffn, whole: 2 * h), .operand), Stored(scores, .single),
        ]
        // Kernels: softmax and top-k; sorting by expert and back; weighting and adding up k rows.
        let router = [Stored(scores, .single, times: 4)]
        let sort = [Stored(Extent(.chosen, whole: h), times: 2)]
        let combine = [Stored(Extent(.chosen, whole: h)), Stored(Extent(.own, whole: h))]
        part.forward = Elementwise([router, sort, sort, combine, expert.activation()], casts: [[hidden]])
        part.backward = Elementwise([router, sort, sort, combine, expert.activationBackward()], casts: [[hidden]])
        part.otherKernels = 4
        part.messages = TensorMessages(inputs: [stream], results: [stream], staysScattered: beside.isEmpty)
        if moe.latentSize != nil {
            // Latent rows that come back from the experts, the input of the projection; those on their way to the experts
            // are kept there. A split backward also needs the gradient of these.
            let latent = Extent(.own, whole: 2 * h)
            if model.block.learns("mlp.latent_up_proj") {
                part.kept.append(Kept(Extent(.own, whole: h), madeBy: .mixture))
            }
            part.operands.append(Stored(latent, .operand))
            part.forward.casts.append([latent])
        }

        var widest = [[Extent(.routed, cut: expert.matrices * moe.ffn), hidden]]
        for (number, shared) in beside.enumerated() {
            let isDense = number > 0 || moe.sharedWidth == 0
            part.inputs.append(
                ProductInput(
                    Extent(.all, cut: shared.size), words: isDense ? "f_b/t" : "n_s·f_s/t",
                    madeBy: [.mixture, .sharedExperts],
                    isReadBack: model.block.changes("mlp.shared_experts.down_proj")))
            part.kept += [
                Kept(
                    Extent(.all, cut: shared.inputs * shared.size), role: .activationInput,
                    madeBy: [.mixture, .sharedExperts]),
                Kept(
                    Extent(.all, cut: shared.keptResults(isDense ? "mlp.dense." : "mlp.shared_experts.")),
                    madeBy: [.mixture, .sharedExperts]),
            ]
            part.operands.append(Stored(Extent(.all, cut: shared.matrices * shared.size), .operand))
            part.forward.kernels.append(shared.activation())
            part.backward.kernels.append(shared.activationBackward())
            part.otherKernels += 1
            widest.append([Extent(.all, cut: shared.matrices * shared.size), Extent(.all, whole: stream)])
        }
        if moe.sharedGate {
            // The gate of a row, and its product with the shared experts' result, which needs both for the backward
            // (Megatron-Core, `shared_experts.py`).
            part.kept.append(Kept(Extent(.scattered, whole: stream + 1), madeBy: [.mixture, .sharedExperts]))
            part.operands.append(Stored(Extent(.scattered, whole: 1), .operand))
            part.forward.kernels.append([Stored(Extent(.scattered, whole: stream), times: 2)])
            part.backward.kernels.append([Stored(Extent(.scattered, whole: stream), times: 4)])
            part.otherKernels += 1
        }
        part.kept.removeAll { $0.stored.extent.width.total == 0 }
        let words = words(model, moe, hasDense: denseWidth > 0)
        part.recomputations = [
            Recomputation(
                .mixture, products: part.products, repeatsExperts: true, work: part.forward, messages: part.messages,
                freed: sum(words.kept + [words.combined] + words.keptBehind), weights: words.weights),
            Recomputation(
                .expertActivation, work: Elementwise([expert.activation()]), freed: "w·ρ·f_e/e_t"),
        ]
        if !beside.isEmpty {
            part.recomputations.append(besideAgain(model, moe, beside, words))
        }
        let experts = RoutedExperts(
            mixture: moe, tensors: expertTensors(model, moe), products: expertProducts(model, moe),
            shared: moe.sharedWidth > 0 ? Network(model, size: moe.sharedWidth).products : [])
        return FeedForwardSpec(
            part: part, experts: experts, widest: widest,
            inner: expert.inputs * max(denseWidth, moe.sharedWidth, moe.denseFfn),
            words: words)
    }

    /// The work that computes the networks beside the experts again, with their gate.
    private static func besideAgain(
        _ model: Model, _ moe: Model.Mixture, _ beside: [Network], _ words: FeedForwardWords
    ) -> Recomputation {
        let hidden = Extent(.scattered, whole: model.hidden)
        var products = beside.flatMap(\.products)
        var kernels = beside.map { $0.activation() }
        if moe.sharedGate {
            products.append(Product(.scattered, inputs: Width(whole: model.hidden), outputs: Width(whole: 1)))
            kernels.append([Stored(hidden, times: 2)])
        }
        return Recomputation(
            .sharedExperts, products: products, work: Elementwise(kernels),
            messages: TensorMessages(inputs: [model.hidden], results: [model.hidden]),
            freed: sum(words.keptBeside), weights: words.weightsBeside)
    }

    private static func words(_ model: Model, _ moe: Model.Mixture, hasDense: Bool) -> FeedForwardWords {
        let hasShared = moe.sharedWidth > 0
        // Networks that every token passes through, each by the formula of its size.
        let sizes = (hasShared ? ["n_s·f_s"] : []) + (moe.denseFfn > 0 ? ["f_b"] : [])
        func shared(_ term: (String) -> String) -> [String] { sizes.map(term) }
        let biases = model.conventions.biases
        let gate = moe.sharedGate ? ["h"] : []
        let routerBias = (biases.contains(.router) ? ["E"] : []) + (moe.routerCorrection ? ["E"] : [])
        // Letter of the numbers of a row at the experts.
        let row = moe.latentSize == nil ? "h" : "h_l"
        let latents = moe.latentSize == nil ? [] : ["2·h·h_l"]
        let expert = "n_m·\(row)·f_e" + (biases.contains(.experts) ? " + (n_m − 1)·f_e + \(row)" : "")
        let routedParameters = biases.contains(.experts) ? "E·(\(expert))" : "E·\(expert)"
        let sharedBias = biases.contains(.sharedExperts) ? shared { "(n_m − 1)·\($0)" } : []
        let sharedRowBias = biases.contains(.sharedExperts) ? shared { _ in "h" } : []
        let inner = (hasDense ? ["f"] : []) + sizes
        let besideKept = shared { "w·n_m·\($0)/t" } + (moe.sharedGate ? ["w·(h + 1)/σ"] : [])
        let routed = "ρ·(n_m·f_e/e_t + \(row))"
        let routedWeights = "k·n_m·\(row)·f_e"
        // κ: rows that an expert can take over the mean.
        let (sent, fullest) =
            moe.capacityFactor == nil
            ? ("k", "k·i") : moe.padToCapacity ? ("k·κ", "k·κ") : ("k·min(1, κ)", "k·min(i, κ)")
        return FeedForwardWords(
            parameters: sum(
                ["h·E", routedParameters] + latents + shared { "n_m·h·\($0)" } + gate + routerBias + sharedBias
                    + sharedRowBias),
            wholeParameters: sum(["h·E"] + latents + gate + routerBias + sharedRowBias),
            expertParameters: expert, sent: sent, fullest: fullest,
            routedWeights: routedWeights,
            weights: ["h·E"] + latents + [routedWeights] + shared { "n_m·h·\($0)" } + gate,
            kept: ["w·ρ·(\(row) + n_m·f_e/e_t)"],
            combined: "w·\(sent)·\(row)/t",
            keptBehind: ["8·E/t"] + (latents.isEmpty ? [] : ["w·h_l/t"]) + besideKept,
            keptBeside: besideKept, weightsBeside: shared { "n_m·h·\($0)" } + gate,
            operands: ["ρ·(2·\(row) + n_m·f_e/e_t)"] + (latents.isEmpty ? [] : ["2·h_l/t"])
                + shared { "n_m·\($0)/t" } + (moe.sharedGate ? ["1/σ"] : []),
            singleOperands: "4·E/t",
            products: ["ρ·((n_m − 1)·f_e/e_t + \(row))", "E/t"] + (latents.isEmpty ? [] : ["(h_l + h)/t"])
                + shared { "(n_m − 1)·\($0)/t + h/σ" }
                + (moe.sharedGate ? ["1/σ"] : []),
            widest: largest([routed] + shared { "n_m·\($0)/t + h" }),
            inner: inner.isEmpty ? nil : "(n_m − 1)·" + largest(inner),
            sizes: [
                SizeSymbol("E", moe.experts, "routed experts of a block"),
                SizeSymbol("k", moe.topK, "routed experts a token passes through"),
                SizeSymbol("f_e", moe.ffn, "feed-forward size of a routed expert"),
                SizeSymbol("n_s", moe.shared, "shared experts of a block"),
                SizeSymbol("f_s", moe.sharedFfn, "feed-forward size of a shared expert"),
            ]
                + (moe.latentSize.map { [SizeSymbol("h_l", $0, "size of the rows at the experts")] } ?? [])
                + (moe.denseFfn > 0
                    ? [SizeSymbol("f_b", moe.denseFfn, "size of the dense network beside the experts")] : [])
                + (moe.capacityFactor.map { [SizeSymbol("c_f", $0, "capacity factor of the experts")] } ?? []))
    }

    /// Products of the router and the shared experts, which every token passes through.
    static func mixtureProducts(_ model: Model, _ moe: Model.Mixture) -> [Product] {
        [Product(.own, inputs: Width(whole: model.hidden), outputs: Width(whole: moe.experts))]
            + (moe.latentSize.map { size in
                [
                    Product(.own, inputs: Width(whole: model.hidden), outputs: Width(whole: size)),
                    Product(.own, inputs: Width(whole: size), outputs: Width(whole: model.hidden)),
                ]
            } ?? [])
            + besideExperts(model, moe).flatMap(\.products)
            + (moe.sharedGate
                ? [Product(.scattered, inputs: Width(whole: model.hidden), outputs: Width(whole: 1))] : [])
    }

    /// Products of one routed expert.
    static func expertProducts(_ model: Model, _ moe: Model.Mixture) -> [Product] {
        Network(model, size: moe.ffn, rows: .routed, hidden: moe.latentSize).products
    }

    /// Tensors of the router and the shared experts, which every token passes through.
    static func mixtureTensors(_ model: Model, _ moe: Model.Mixture) -> [TensorSpec] {
        let router = TensorSpec(
            name: "mlp.gate.weight", shape: [moe.experts, model.hidden], start: .normal(Model.startDeviation),
            seesOwnRows: true)
        let biases = model.conventions.biases
        var tensors = [router]
        if biases.contains(.router) {
            tensors.append(
                TensorSpec(name: "mlp.gate.bias", shape: [moe.experts], start: .zeros, seesOwnRows: true))
        }
        if moe.routerCorrection {
            var correction = TensorSpec(
                name: "mlp.gate.e_score_correction_bias", shape: [moe.experts], start: .zeros, seesOwnRows: true)
            correction.isTrainable = false
            tensors.append(correction)
        }
        if let size = moe.latentSize {
            tensors += [("down", [size, model.hidden]), ("up", [model.hidden, size])].map { name, shape in
                TensorSpec(
                    name: "mlp.latent_\(name)_proj.weight", shape: shape, start: .normal(Model.startDeviation),
                    seesOwnRows: true)
            }
        }
        if moe.sharedWidth > 0 {
            tensors += Network(model, size: moe.sharedWidth).tensors("mlp.shared_experts.", biased: .sharedExperts)
        }
        if moe.denseFfn > 0 {
            tensors += Network(model, size: moe.denseFfn).tensors("mlp.dense.", biased: .sharedExperts)
        }
        if moe.sharedGate {
            tensors.append(
                TensorSpec(
                    name: "mlp.shared_expert_gate.weight", shape: [1, model.hidden],
                    start: .normal(Model.startDeviation), seesStreamRows: true))
        }
        return tensors
    }

    /// The networks that every token passes through beside the routed experts.
    private static func besideExperts(_ model: Model, _ moe: Model.Mixture) -> [Network] {
        [moe.sharedWidth, moe.denseFfn].filter { $0 > 0 }.map { Network(model, size: $0) }
    }

    /// Tensors of one routed expert, with names relative to the expert.
    static func expertTensors(_ model: Model, _ moe: Model.Mixture) -> [TensorSpec] {
        Network(model, size: moe.ffn, hidden: moe.latentSize).tensors("", biased: .experts)
    }
}
