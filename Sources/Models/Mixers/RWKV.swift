extension MixerSpec {
    /// The time mixing of RWKV-4 (Peng et al. 2023, section 3.1).
    ///
    /// Letters: h hidden, d_x channels. Three mixtures of a token with the one before it give receptance, keys and values
    /// of d_x numbers each. Ranks cut channels. A token takes four multiply-adds a channel: the weighted sums of values
    /// and of weights, and their shares of the result.
    ///
    /// Kept: the three mixtures, the results of their products, those of the recurrence in fp32, and the input of the
    /// last product.
    static func rwkv(_ mixer: Mixer.RWKV, hidden: Int) -> MixerSpec {
        let (width, hidden) = (Sized("d_x", mixer.attentionSize), Sized("h", hidden))
        return MixerSpec(
            name: "RWKV time mixing", source: "Peng et al. 2023, section 3.1", prefix: "attention.",
            sizes: [SizeSymbol("d_x", mixer.attentionSize, "channels of the token mixer")],
            inputs: ["receptance", "key", "value"].map { Columns(name: $0, width: width) },
            vectors: [
                Vector(name: "time_decay", length: width), Vector(name: "time_first", length: width),
            ]
                + ["key", "value", "receptance"].map {
                    Vector(name: "time_mix_\($0)", length: hidden, isCut: false)
                },
            result: width, output: "output", kept: width, keptSingle: width, keptWhole: 3 * hidden,
            forward: [[rows(.none, whole: 4 * hidden)], [rows(5 * width)]],
            backward: [[rows(.none, whole: 5 * hidden)], [rows(10 * width)]],
            scan: Scan(token: 4 * width, state: 3 * width.value))
    }
}
