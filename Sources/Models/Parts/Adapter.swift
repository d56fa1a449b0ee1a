/// A low-rank adapter beside a frozen product: A, which reads the product's rows, and B, whose results are added to the
/// product's (Hu et al. 2021, section 4.1).
///
/// Ranks that cut the product's outputs each compute all of A and their part of B; ranks that cut its inputs compute
/// their part of A, add up its few results, and each compute all of B (PEFT, `tuners/lora/tp_layer.py`).
package struct Adapter: Hashable, Sendable {
    /// Name of the module before `.lora_A.weight`.
    package var name: String
    /// The matrices to whose results it adds, with the tensors' names.
    package var modules: [String]
    package var down: Product
    package var up: Product
    /// Number of tensors whose outputs lie side by side in the matrix.
    let groups: Int
    /// Whether ranks cut the inputs of the frozen product.
    var cutsInputs: Bool { down.inputs.cut > 0 }
    private let seesStreamRows: Bool
    private let seesOwnRows: Bool

    /// - Parameters:
    ///   - product: the frozen product.
    ///   - tensors: its matrices that the adapter adds to.
    init(name: String, product: Product, tensors: [TensorSpec], rank: Int) {
        self.name = name
        modules = tensors.map(\.module)
        let cutsInputs = product.inputs.cut > 0
        var outputs = Width()
        for tensor in tensors {
            let count = tensor.count / max(1, product.inputs.total)
            if cutsInputs || tensor.split == .whole { outputs.whole += count } else { outputs.cut += count }
        }
        let narrow = Width(whole: rank)
        down = Product(product.rows, inputs: product.inputs, outputs: narrow)
        up = Product(cutsInputs && product.rows == .all ? .scattered : product.rows, inputs: narrow, outputs: outputs)
        if case .columns(let groups)? = tensors.first?.split { self.groups = groups } else { groups = 1 }
        // A whole matrix beside one that is cut sees a part of the sum that its gradient is.
        let isPartial = cutsInputs || outputs.cut > 0
        seesStreamRows = !isPartial && tensors.contains(where: \.seesStreamRows)
        seesOwnRows = isPartial || tensors.contains(where: \.seesOwnRows)
    }

    /// Both matrices, each `[outputs, inputs]` as in PEFT's files. A starts as `torch.nn.Linear` does (Kaiming), B with
    /// zeros.
    package var tensors: [TensorSpec] {
        let (inputs, outputs, rank) = (down.inputs.total, up.outputs.total, down.outputs.whole)
        let bound = 1 / Float(max(1, inputs)).squareRoot()
        let rows: TensorSpec.Split = groups > 1 ? .groupedRows(groups: groups) : .rows
        let a = TensorSpec(
            name: "\(name).lora_A.weight", shape: [rank, inputs], start: .uniform(bound),
            split: cutsInputs ? .columns(groups: 1) : .whole, seesStreamRows: seesStreamRows && !cutsInputs,
            seesOwnRows: seesOwnRows && !cutsInputs)
        let b = TensorSpec(
            name: "\(name).lora_B.weight", shape: [outputs, rank], start: .zeros,
            split: up.outputs.cut > 0 ? rows : .whole, seesStreamRows: seesStreamRows && up.outputs.cut == 0,
            seesOwnRows: seesOwnRows && up.outputs.cut == 0)
        return [a, b]
    }

    package var products: [Product] { [down, up] }

    /// Results of A, which the gradient of B reads.
    var narrow: Extent { down.result }

    /// Kernels beside the products: the results are scaled and added to those of the frozen product. A backward scales
    /// their gradient, and adds to the gradient of the rows (PEFT, `Linear.forward`; Megatron Bridge, `LoRALinear`).
    var forward: [[Stored]] { [[Stored(up.result, times: 2)], [Stored(up.result, times: 3)]] }
    var backward: [[Stored]] {
        let inputs = Extent(down.rows, down.inputs)
        return [[Stored(up.result, times: 2)], [Stored(inputs, times: 3)]]
    }
}

extension TensorSpec {
    /// The tensor's name without `.weight`.
    package var module: String { name.hasSuffix(".weight") ? String(name.dropLast(7)) : name }
}
