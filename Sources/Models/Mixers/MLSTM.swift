extension MixerSpec {
    /// The mLSTM (Beck et al. 2024, section 2.3; Beck et al. 2025, tiled flash linear attention): a matrix memory for
    /// each head with exponential gates.
    ///
    /// Letters: h hidden, a_m heads, d_k and d_w sizes of a head's key and value. One product computes queries and keys
    /// of a_m·d_k numbers each, values and the output's gate of a_m·d_w, and two gates of every head. Ranks cut heads.
    ///
    /// The recurrence of a token: inside a chunk of 64, a_m·(d_k + d_w) multiply-adds with every token before it;
    /// 2·a_m·d_k·d_w to add to the memory and to read it.
    ///
    /// Kept: the results of the first product, those of the recurrence, and the input of the last product.
    static func mLSTM(_ mixer: Mixer.MLSTM) -> MixerSpec {
        let heads = Sized("a_m", mixer.heads)
        let (keySize, valueSize) = (Sized("d_k", mixer.keySize), Sized("d_w", mixer.valueSize))
        let (keys, values) = (heads * keySize, heads * valueSize)
        func projected(_ name: String, _ width: Sized, hasBias: Bool? = nil) -> Columns {
            Columns(name: name, width: width, hasBias: hasBias ?? mixer.bias)
        }
        var spec = MixerSpec(
            name: "mLSTM", source: "Beck et al. 2024, section 2.3", prefix: "mlstm_layer.",
            sizes: [
                SizeSymbol("a_m", mixer.heads, "heads of the token mixer"),
                SizeSymbol("d_k", mixer.keySize, "size of the token mixer's keys"),
                SizeSymbol("d_w", mixer.valueSize, "size of the token mixer's values"),
            ],
            inputs: [
                projected("q", keys), projected("k", keys), projected("v", values), projected("ogate_preact", values),
                projected("igate_preact", heads, hasBias: true), projected("fgate_preact", heads, hasBias: true),
            ],
            vectors: [Vector(name: "multihead_norm.weight", length: values, start: .ones)]
                + (mixer.bias ? [Vector(name: "multihead_norm.bias", length: values)] : []),
            result: values, hasOutputBias: mixer.bias, kept: 2 * values,
            scan: Scan(
                chunk: 64, pairs: keys + values, token: 2 * (keys * valueSize), state: keys.value * valueSize.value))
        // The norm and the gate.
        spec.forward = [[rows(3 * values)]]
        spec.backward = [[rows(5 * values)]]
        spec.scan.addTraffic([rows(2 * keys + 2 * values)], statesInFP32: keys * valueSize)
        return spec
    }
}
