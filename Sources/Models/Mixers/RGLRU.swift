extension MixerSpec {
    /// The recurrent block of Griffin with its real-gated linear recurrent unit (De et al. 2024, section 2.4).
    ///
    /// Letters: h hidden, d_x channels, k_m tokens of the convolution, n_b blocks on the diagonal of the gates'
    /// matrices. One product computes a branch with a GELU and a branch that is convolved; two block-diagonal products
    /// give the gates of input and recurrence. Ranks cut blocks. A token takes three multiply-adds a channel.
    ///
    /// Kept: the results of the first product, of the convolution, of the gates and of the recurrence, and the input of
    /// the last product.
    static func rgLRU(_ mixer: Mixer.RGLRU) -> MixerSpec {
        let width = Sized("d_x", mixer.width)
        // A channel's gate reads the channels of its block.
        let block = Sized("d_b", mixer.width / max(1, mixer.blocks))
        var spec = MixerSpec(
            name: "gated linear recurrence", source: "De et al. 2024, section 2.4", prefix: "temporal_block.",
            sizes: [
                SizeSymbol("d_x", mixer.width, "channels of the token mixer"),
                SizeSymbol("d_b", block.value, "channels that a gate reads"),
                SizeSymbol("k_m", mixer.kernel, "tokens of the convolution"),
            ],
            inputs: [
                Columns(name: "linear_y", width: width, hasBias: true),
                Columns(name: "linear_x", width: width, hasBias: true, isConvolved: true),
            ],
            convolution: Convolution(name: "conv_1d", kernel: Sized("k_m", mixer.kernel), hasBias: true),
            inner: ["rg_lru.input_gate", "rg_lru.recurrent_gate"].map {
                Inner(name: $0, inputs: block, isDiagonal: true, outputs: width, hasBias: true)
            },
            vectors: [Vector(name: "rg_lru.recurrent_param", length: width)], result: width, output: "linear_out",
            hasOutputBias: true, kept: 3 * width, scan: Scan(state: 2 * width.value))
        spec.scan.token = 3 * width + spec.convolutionWork
        spec.addConvolution(isRepeated: false)
        // The recurrence with its gates; the branch's activation and product.
        spec.forward += [[rows(4 * width)], [rows(3 * width)]]
        spec.backward += [[rows(8 * width)], [rows(5 * width)]]
        return spec
    }
}
