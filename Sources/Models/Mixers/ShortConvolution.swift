extension MixerSpec {
    /// A short convolution between two gates (Liquid AI 2025, LFM2).
    ///
    /// Letters: h hidden, k_m tokens of the convolution. One product computes the gate of the input, the gate of the
    /// result, and the input, of h numbers each. Ranks cut channels.
    ///
    /// Kept: the results of the first product, the gated input, the convolved input, and the input of the last product.
    static func shortConvolution(_ mixer: Mixer.ShortConvolution, hidden: Int) -> MixerSpec {
        let (width, kernel) = (Sized("h", hidden), Sized("k_m", mixer.kernel))
        var spec = MixerSpec(
            name: "short convolution", source: "Liquid AI 2025, LFM2", prefix: "conv.",
            sizes: [SizeSymbol("k_m", mixer.kernel, "tokens of the convolution")],
            inputs: [
                Columns(name: "in_proj.inner_gate", width: width, hasBias: mixer.bias),
                Columns(name: "in_proj.outer_gate", width: width, hasBias: mixer.bias),
                Columns(name: "in_proj.x", width: width, hasBias: mixer.bias, isConvolved: true),
            ],
            convolution: Convolution(name: "conv", kernel: kernel, hasBias: mixer.bias), vectors: [], result: width,
            hasOutputBias: mixer.bias, kept: 3 * width, scan: Scan(state: (mixer.kernel - 1) * hidden))
        spec.scan.token = spec.convolutionWork
        spec.addConvolution(isRepeated: false)
        spec.forward += [[rows(3 * width)], [rows(3 * width)]]
        spec.backward += [[rows(5 * width)], [rows(5 * width)]]
        return spec
    }
}
