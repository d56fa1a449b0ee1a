extension MixerSpec {
    /// The products of a row: from the residual stream, inside, and back.
    func products(_ model: Model) -> [Product] {
        let first = Product(
            inputs: Width(whole: model.hidden), outputs: Width(cut: cutInputs.value, whole: wholeInputs.value))
        let last = Product(inputs: Width(cut: result.value), outputs: Width(whole: model.hidden))
        return [first] + inner.map(\.product) + [last]
    }

    /// The tensors in the order of the lists.
    func tensors(_ model: Model) -> [TensorSpec] {
        let h = model.hidden
        /// A matrix `[outputs, inputs]` and its bias.
        func matrix(
            _ name: String, _ outputs: Int, _ inputs: Int, split: TensorSpec.Split, bias: Bool, joins: Bool = false,
            deviation: Float = Model.startDeviation
        ) -> [TensorSpec] {
            let weight = TensorSpec(
                name: "\(prefix)\(name).weight", shape: [outputs, inputs], start: .normal(deviation), split: split,
                joinsPrevious: joins)
            guard bias else { return [weight] }
            return [
                weight,
                TensorSpec(
                    name: "\(prefix)\(name).bias", shape: [outputs], start: .zeros,
                    split: split == .rows ? .rows : .whole),
            ]
        }
        var tensors = inputs.enumerated().flatMap { number, columns in
            matrix(
                columns.name, columns.width.value, h, split: columns.isCut ? .rows : .whole, bias: columns.hasBias,
                joins: number > 0)
        }
        if let convolution {
            for columns in inputs where columns.isConvolved {
                let (name, split) = ("\(prefix)\(convolution.name).\(columns.name)", columns.isCut)
                tensors.append(
                    TensorSpec(
                        name: "\(name).weight", shape: [columns.width.value, 1, convolution.kernel.value],
                        start: .normal(Model.startDeviation), split: split ? .rows : .whole))
                if convolution.hasBias {
                    tensors.append(
                        TensorSpec(
                            name: "\(name).bias", shape: [columns.width.value], start: .zeros,
                            split: split ? .rows : .whole))
                }
            }
        }
        for one in inner {
            tensors += matrix(
                one.name, one.outputs.value, one.inputs.value, split: one.inputsAreCut ? .columns(groups: 1) : .rows,
                bias: one.hasBias)
        }
        tensors += vectors.map {
            TensorSpec(
                name: prefix + $0.name, shape: [$0.length.value], start: $0.start, split: $0.isCut ? .rows : .whole)
        }
        return tensors
            + matrix(
                output, h, result.value, split: .columns(groups: 1), bias: hasOutputBias,
                deviation: model.residualDeviation)
    }

    /// The mixer as a part of a block. The work of a chunk-wise recurrence is not in it (`Scan`).
    func part(_ model: Model) -> Part {
        let h = model.hidden
        let projected = Extent(.all, cut: cutInputs.value, whole: wholeInputs.value)
        let attended = Extent(.all, cut: result.value)

        var part = Part()
        part.tensors = tensors(model)
        part.products = products(model)
        part.kept = [Kept(projected), Kept(Extent(.all, cut: kept.value, whole: keptWhole.value))]
        if !keptSingle.isNone { part.kept.append(Kept(Extent(.all, cut: keptSingle.value), .single)) }
        part.kept += inner.filter(\.isKept).map { Kept($0.results) }
        part.operands = [Stored(projected, .operand), Stored(attended, .operand)]
        part.operands += inner.flatMap { [Stored($0.read, .operand), Stored($0.results, .operand)] }
        part.forward = Elementwise(forward, casts: [[attended]])
        part.backward = Elementwise(backward, casts: [[Extent(.all, whole: h), projected]])
        part.otherKernels = backward.count + (scan.chunk == nil ? 0 : 4)
        let sums = inner.filter(\.inputsAreCut).map(\.outputs.value)
        part.messages = TensorMessages(inputs: [h], keptInputs: sums, results: sums + [h])
        return part
    }
}

extension MixerSpec.Inner {
    fileprivate func width(_ size: Sized, isCut: Bool) -> Width {
        isCut ? Width(cut: size.value) : Width(whole: size.value)
    }
    fileprivate var product: Product {
        Product(
            inputs: width(inputs, isCut: inputsAreCut), outputs: width(outputs, isCut: !inputsAreCut))
    }
    /// Rows that the product reads, and its results.
    fileprivate var read: Extent {
        isDiagonal ? results : Extent(.all, width(inputs, isCut: inputsAreCut))
    }
    fileprivate var results: Extent { Extent(.all, width(outputs, isCut: !inputsAreCut)) }
}
