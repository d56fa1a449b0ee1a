extension AttentionSpec {
    /// A token mixer in place of the attention: its part, and a core that is its recurrence alone.
    init(_ mixer: MixerSpec, _ model: Model) {
        var core = CoreAttention.none
        core.scan = mixer.scan
        self.init(
            part: mixer.part(model), core: core, results: mixer.cutInputs.value, words: mixer.words(model))
    }

    /// A token mixer beside the attention: both read the same rows, and their results are added before ranks add up
    /// theirs (Zuo et al. 2025, Falcon-H1).
    func beside(_ mixer: MixerSpec, _ model: Model) -> AttentionSpec {
        let other = mixer.part(model)
        var both = self
        both.part.tensors += other.tensors
        both.part.products += other.products
        both.part.kept += other.kept
        both.part.operands += other.operands
        both.part.forward.kernels += other.forward.kernels
        both.part.forward.casts += other.forward.casts
        both.part.backward.kernels += other.backward.kernels
        both.part.backward.casts += other.backward.casts
        both.part.otherKernels += other.otherKernels
        both.part.messages.keptInputs += other.messages.keptInputs
        both.part.messages.results += other.messages.results.dropLast()
        let hidden = Message(model.hidden)
        if both.part.messages.inputs.first != hidden { both.part.messages.inputs.append(hidden) }
        both.core.scan = mixer.scan
        both.words = words.beside(mixer.words(model))
        return both
    }
}

extension MixerSpec {
    /// The formulas of the lists.
    fileprivate func words(_ model: Model) -> AttentionWords {
        let h = Sized("h", model.hidden)
        let biases = inputs.filter(\.hasBias).map(\.width).total
        let wholeBiases = inputs.filter { $0.hasBias && !$0.isCut }.map(\.width).total
        func convolutionWeights(_ convolved: Sized) -> Sized {
            guard let convolution else { return .none }
            return convolution.kernel * convolved + (convolution.hasBias ? convolved : .none)
        }
        let innerWeights = inner.map { $0.inputs * $0.outputs }.total
        let innerBiases = inner.filter(\.hasBias).map(\.outputs).total
        let weights = h * (cutInputs + wholeInputs) + innerWeights + result * h
        let outputBias = hasOutputBias ? h : .none
        let parameters =
            weights + biases + convolutionWeights(cutConvolved) + convolutionWeights(wholeConvolved) + innerBiases
            + vectors.map(\.length).total + outputBias
        let whole =
            h * wholeInputs + wholeBiases + convolutionWeights(wholeConvolved)
            + vectors.filter { !$0.isCut }.map(\.length).total + outputBias

        let keptInner = inner.filter(\.isKept)
        let keptCut = cutInputs + kept + keptInner.filter { !$0.inputsAreCut }.map(\.outputs).total
        let keptAll = wholeInputs + keptWhole + keptInner.filter(\.inputsAreCut).map(\.outputs).total
        let operandsCut =
            cutInputs + result
            + inner.map { $0.inputsAreCut ? $0.inputs : $0.isDiagonal ? 2 * $0.outputs : $0.outputs }.total
        let operandsWhole =
            wholeInputs + inner.filter { !$0.isDiagonal }.map { $0.inputsAreCut ? $0.outputs : $0.inputs }.total
        let projectedCut = cutInputs + inner.filter { !$0.inputsAreCut }.map(\.outputs).total
        let sums = inner.filter(\.inputsAreCut).map(\.outputs).total
        func divided(_ size: Sized, by divisor: String, times factor: String = "") -> String? {
            size.isNone ? nil : "\(factor)\(size.factor)/\(divisor)"
        }
        return AttentionWords(
            name: name, parameters: parameters.words, source: source,
            wholeParameters: whole.isNone ? nil : whole.words, weights: weights.words, core: "0", attended: "0",
            results: cutInputs.factor, keysAndValues: "0",
            kept: sum(
                divided(keptCut, by: "t", times: "w·"), keptAll.isNone ? nil : "w·\(keptAll.factor)",
                divided(keptSingle, by: "t", times: "4·")),
            operands: operandsWhole.isNone
                ? operandsCut.factor : "(\(operandsCut.words) + t·\(operandsWhole.factor))",
            projected: sum(
                divided(projectedCut, by: "t"), wholeInputs.isNone ? nil : wholeInputs.words, divided(sums, by: "σ")),
            sizes: sizes + scan.sizes, scan: scan.words)
    }
}

extension AttentionWords {
    /// The formulas of an attention with a mixer beside it.
    fileprivate func beside(_ mixer: AttentionWords) -> AttentionWords {
        var both = self
        both.name = "\(name) with a \(mixer.name) beside it"
        both.parameters = "\(parameters) + \(mixer.parameters)"
        both.source = "\(source); \(mixer.source)"
        both.wholeParameters = sumOrNil(wholeParameters, mixer.wholeParameters)
        both.weights = "\(weights) + \(mixer.weights)"
        both.kept = "\(kept) + \(mixer.kept)"
        both.keptBeyondHeads = keptBeyondHeads.map { "\($0) + \(mixer.kept)" }
        both.operands = "(\(operands) + \(mixer.operands))"
        both.projected = "\(projected) + \(mixer.projected) + h/σ"
        both.sizes += mixer.sizes
        both.scan = mixer.scan
        return both
    }
}
