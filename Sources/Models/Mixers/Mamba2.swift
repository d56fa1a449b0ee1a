extension MixerSpec {
    /// Mamba-2 (Dao and Gu 2024): heads with one decay each, whose state gets an outer product of a token's input with
    /// numbers that a group of heads shares.
    ///
    /// Letters: h hidden, a_m heads of size d_m, d_s numbers of the state for each number of a head, g_m groups, k_m
    /// tokens of the convolution. One product computes the gate and the input of a_m·d_m numbers each, 2·g_m·d_s
    /// numbers that are written into the state and read from it, and a_m step sizes. Ranks cut heads, and groups if
    /// there are several; one group is computed on every rank (Megatron-Core, `mamba_mixer.py`, cuts groups and takes
    /// no fewer than ranks).
    ///
    /// The recurrence of a token (Dao and Gu 2024, section 6): inside a chunk of 256, g_m·d_s + a_m·d_m multiply-adds
    /// with every token before it; 2·a_m·d_m·d_s to add to the chunk's state and to read the state before the chunk.
    ///
    /// Kept (mamba_ssm, `MambaSplitConv1dScanCombinedFn`): the results of the first product, those of the recurrence,
    /// and the input of the last product. The backward computes the convolution and the chunks' states again.
    static func mamba2(_ mixer: Mixer.Mamba2) -> MixerSpec {
        let (heads, size) = (Sized("a_m", mixer.heads), Sized("d_m", mixer.headSize))
        let (states, groups) = (Sized("d_s", mixer.stateSize), Sized("g_m", mixer.groups))
        let inner = heads * size
        let shared = groups * states
        func projected(_ name: String, _ width: Sized, isCut: Bool = true, isConvolved: Bool = false) -> Columns {
            Columns(name: "in_proj.\(name)", width: width, isCut: isCut, hasBias: mixer.bias, isConvolved: isConvolved)
        }
        var spec = MixerSpec(
            name: "Mamba-2 mixer", source: "Dao and Gu 2024", prefix: "mamba.",
            sizes: [
                SizeSymbol("a_m", mixer.heads, "heads of the token mixer"),
                SizeSymbol("d_m", mixer.headSize, "size of the token mixer's heads"),
                SizeSymbol("d_s", mixer.stateSize, "numbers of the state for each number of a head"),
                SizeSymbol("g_m", mixer.groups, "groups of heads"),
                SizeSymbol("k_m", mixer.kernel, "tokens of the convolution"),
            ],
            inputs: [
                projected("gate", inner), projected("x", inner, isConvolved: true),
                projected("write", shared, isCut: mixer.groups > 1, isConvolved: true),
                projected("read", shared, isCut: mixer.groups > 1, isConvolved: true), projected("step", heads),
            ],
            convolution: Convolution(kernel: Sized("k_m", mixer.kernel), hasBias: mixer.convolutionBias),
            vectors: [
                Vector(name: "dt_bias", length: heads), Vector(name: "A_log", length: heads),
                Vector(name: "D", length: heads, start: .ones),
            ],
            result: inner, hasOutputBias: mixer.bias, kept: 2 * inner,
            scan: Scan(chunk: 256, pairs: shared + inner, state: inner.value * states.value))
        if mixer.norm { spec.vectors.append(Vector(name: "norm.weight", length: inner, start: .ones)) }
        spec.scan.token = 2 * (inner * states) + spec.convolutionWork
        // The result multiplied by the gate and normalised.
        spec.addConvolution(isRepeated: true)
        spec.forward.append([rows(inner, times: 3)])
        spec.backward.append([rows(inner, times: 5)])
        let (cut, whole) = (spec.cutConvolved, spec.wholeConvolved)
        spec.scan.addTraffic([rows(cut + heads + inner, whole: whole)], statesInFP32: inner * states)
        return spec
    }
}
