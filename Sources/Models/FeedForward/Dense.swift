extension FeedForwardSpec {
    /// A feed-forward network of two matrices with an activation between them, or of three with a gate that multiplies
    /// it (Shazeer 2020).
    ///
    /// Letters: h hidden, f the network's size. One product computes f inputs of the activation (2f with a gate);
    /// another projects its f results back to h.
    static func dense(_ model: Model) -> FeedForwardSpec {
        let network = Network(model, size: model.ffn)
        let conventions = model.conventions

        var part = Part()
        part.tensors = denseTensors(model)
        part.products = denseProducts(model)
        part.kept = [
            Kept(Extent(.all, cut: network.inputs * model.ffn), role: .activationInput, madeBy: .network),
            Kept(Extent(.all, cut: model.ffn), role: .activationResult, madeBy: .network),
        ]
        if model.mlp.isGated {
            part.kept.append(Kept(Extent(.all, cut: model.ffn), role: .gate, madeBy: .network))
        }
        part.inputs = [
            ProductInput(
                Extent(.all, cut: model.ffn), words: "f/t", madeBy: .network,
                isReadBack: model.block.changes("mlp.down_proj"))
        ]
        part.operands = [Stored(Extent(.all, cut: network.matrices * model.ffn), .operand)]
        part.forward.kernels = [network.activation()]
        part.backward = Elementwise([network.activationBackward()], casts: [[Extent(.all, whole: model.hidden)]])
        let isBiased = conventions.biases.contains(.feedForward)
        if isBiased {
            // The gradient of the first product's bias.
            part.backward.kernels.append([Stored(Extent(.all, cut: network.inputs * model.ffn))])
        }
        part.otherKernels = isBiased ? 2 : 1
        part.messages = TensorMessages(inputs: [model.hidden], results: [model.hidden])

        part.recomputations = [
            Recomputation(
                .network, products: part.products, work: part.forward, messages: part.messages, freed: "w·n_m·f/t",
                weights: ["n_m·h·f"])
        ]

        let words = FeedForwardWords(
            parameters: "n_m·h·f" + (isBiased ? " + (n_m − 1)·f + h" : ""), wholeParameters: isBiased ? "h" : nil,
            weights: ["n_m·h·f"],
            kept: ["w·n_m·f/t"], operands: ["n_m·f/t"], products: ["(n_m − 1)·f/t + h/σ"],
            widest: "(n_m·f/t + h)",
            inner: "(n_m − 1)·f")
        return FeedForwardSpec(
            part: part,
            widest: [[Extent(.all, cut: network.matrices * model.ffn), Extent(.all, whole: model.hidden)]],
            inner: network.inputs * model.ffn, words: words)
    }
}

extension FeedForwardSpec {
    static func denseProducts(_ model: Model) -> [Product] { Network(model, size: model.ffn).products }

    static func denseTensors(_ model: Model) -> [TensorSpec] {
        let network = Network(model, size: model.ffn)
        guard model.conventions.joinsProjections else { return network.tensors("mlp.", biased: .feedForward) }
        return model.matrix(
            "mlp.c_fc.weight", bias: "mlp.c_fc.bias", inputs: model.hidden, outputs: network.inputs * model.ffn,
            isCutByOutputs: true, groups: network.inputs, biased: .feedForward)
            + model.matrix(
                "mlp.c_proj.weight", bias: "mlp.c_proj.bias", inputs: model.ffn, outputs: model.hidden,
                isCutByOutputs: false, biased: .feedForward)
    }
}

/// The matrices of one feed-forward network, dense or an expert.
struct Network {
    let model: Model
    let size: Int
    /// The kind of rows the network works on, which also decides which ranks cut its matrices.
    let rows: Rows
    /// Numbers of a row that comes and goes.
    let hidden: Int

    init(_ model: Model, size: Int, rows: Rows = .all, hidden: Int? = nil) {
        self.model = model
        self.hidden = hidden ?? model.hidden
        self.size = size
        self.rows = rows
    }

    /// Inputs of the activation, in units of the network's size: 2 with a gate, else 1.
    var inputs: Int { model.mlp.isGated ? 2 : 1 }
    var matrices: Int { model.mlp.matrices }
    /// Numbers of a row of the activation's results that are kept for the backward: all if the last matrix, whose name begins
    /// with `prefix`, needs its inputs.
    func keptResults(_ prefix: String) -> Int {
        model.block.learns(prefix + "down_proj") ? size : 0
    }

    var products: [Product] {
        [
            Product(rows, inputs: Width(whole: hidden), outputs: Width(cut: inputs * size)),
            Product(rows, inputs: Width(cut: size), outputs: Width(whole: hidden)),
        ]
    }

    /// Memory traffic of the activation: it reads its inputs and writes its result. Its backward reads a gradient and
    /// the inputs and writes the gradients of the inputs.
    func activation() -> [Stored] { [Stored(Extent(rows, cut: (inputs + 1) * size))] }
    func activationBackward() -> [Stored] { [Stored(Extent(rows, cut: (2 * inputs + 1) * size))] }

    /// Tensors of the network with Llama's names after `prefix`, which ends in a point: gate and input, adjacent in
    /// memory, then the projection back.
    func tensors(_ prefix: String, biased: Bias?) -> [TensorSpec] {
        func inward(_ name: String, joins: Bool) -> [TensorSpec] {
            model.matrix(
                prefix + name + ".weight", bias: prefix + name + ".bias", inputs: hidden, outputs: size,
                isCutByOutputs: true, joinsPrevious: joins, biased: biased)
        }
        return (model.mlp.isGated ? inward("gate_proj", joins: false) : [])
            + inward("up_proj", joins: model.mlp.isGated)
            + model.matrix(
                prefix + "down_proj.weight", bias: prefix + "down_proj.bias", inputs: size, outputs: hidden,
                isCutByOutputs: false, biased: biased)
    }
}
