extension MixerSpec {
    /// Mamba (Gu and Dao 2023): channels with states of their own.
    ///
    /// Letters: h hidden, d_x channels, d_s numbers of a channel's state, k_m tokens of the convolution, r_m rank of the
    /// step sizes. From the convolved channels one product computes r_m + 2·d_s numbers, another from r_m of them the d_x
    /// step sizes. Ranks cut channels and add up the r_m + 2·d_s numbers.
    ///
    /// A token takes three multiply-adds for every number of the state: decay, input, result. The kernel keeps states on
    /// the chip, so its time is that of its memory traffic (Gu and Dao 2023, section 3.3.2).
    ///
    /// Kept (mamba_ssm, `MambaInnerFn`): the results of the first product, the r_m + 2·d_s numbers, the results of the
    /// recurrence, and the input of the last product. The backward computes the convolution and the steps again.
    static func mamba(_ mixer: Mixer.Mamba) -> MixerSpec {
        let (inner, states) = (Sized("d_x", mixer.inner), Sized("d_s", mixer.stateSize))
        let rank = Sized("r_m", mixer.stepRank)
        var spec = MixerSpec(
            name: "Mamba mixer", source: "Gu and Dao 2023", prefix: "mamba.",
            sizes: [
                SizeSymbol("d_x", mixer.inner, "channels of the token mixer"),
                SizeSymbol("d_s", mixer.stateSize, "numbers of a channel's state"),
                SizeSymbol("k_m", mixer.kernel, "tokens of the convolution"),
                SizeSymbol("r_m", mixer.stepRank, "rank of the step sizes"),
            ],
            inputs: [
                Columns(name: "in_proj.x", width: inner, hasBias: mixer.bias, isConvolved: true),
                Columns(name: "in_proj.gate", width: inner, hasBias: mixer.bias),
            ],
            convolution: Convolution(kernel: Sized("k_m", mixer.kernel), hasBias: mixer.convolutionBias),
            inner: [
                Inner(name: "x_proj", inputs: inner, inputsAreCut: true, outputs: rank + 2 * states),
                Inner(name: "dt_proj", inputs: rank, outputs: inner, hasBias: true, isKept: false),
            ],
            vectors: [
                // No decay: a vector, though it has a row for each channel.
                Vector(name: "A_log", length: inner * states), Vector(name: "D", length: inner, start: .ones),
            ],
            result: inner, hasOutputBias: mixer.bias, kept: 2 * inner,
            scan: Scan(state: 2 * inner.value * states.value))
        if mixer.norms {
            spec.vectors += [
                Vector(name: "dt_layernorm.weight", length: rank, isCut: false, start: .ones),
                Vector(name: "b_layernorm.weight", length: states, isCut: false, start: .ones),
                Vector(name: "c_layernorm.weight", length: states, isCut: false, start: .ones),
            ]
        }
        spec.scan.token = 3 * (inner * states) + spec.convolutionWork
        spec.addConvolution(isRepeated: true)
        // Reads channels, steps and gates, and writes the results before the gate and behind it. A backward computes the
        // gated results again.
        spec.forward.append([rows(5 * inner, whole: 2 * states)])
        spec.backward.append([rows(9 * inner, whole: 4 * states)])
        return spec
    }
}
