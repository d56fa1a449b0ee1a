extension MixerSpec {
    /// Lightning attention (Qin et al. 2024, lightning attention-2; MiniMax 2025, MiniMax-01, section 2.2): linear
    /// attention whose heads decay at fixed rates.
    ///
    /// Letters: h hidden, a_m heads of size d_m. One product computes queries, keys, values and the output's gate of
    /// a_m·d_m numbers each. Ranks cut heads.
    ///
    /// The recurrence of a token: inside a chunk of 256, 2·a_m·d_m multiply-adds with every token before it;
    /// 2·a_m·d_m² to add to the state and to read it.
    ///
    /// Kept: the results of the first product, queries, keys and values behind their activation, the results of the
    /// recurrence, normalised, and multiplied by the gate.
    static func lightningAttention(_ mixer: Mixer.LightningAttention) -> MixerSpec {
        let (heads, size) = (Sized("a_m", mixer.heads), Sized("d_m", mixer.headSize))
        let width = heads * size
        var spec = MixerSpec(
            name: "lightning attention", source: "MiniMax 2025, MiniMax-01, section 2.2", prefix: "self_attn.",
            sizes: [
                SizeSymbol("a_m", mixer.heads, "heads of the token mixer"),
                SizeSymbol("d_m", mixer.headSize, "size of the token mixer's heads"),
            ],
            inputs: ["qkv_proj.q", "qkv_proj.k", "qkv_proj.v", "output_gate"].map { Columns(name: $0, width: width) },
            vectors: [Vector(name: "norm.weight", length: width, start: .ones)],
            result: width, kept: 6 * width,
            scan: Scan(
                chunk: 256, pairs: 2 * width, token: 2 * (width * size), state: width.value * size.value))
        // The activation of queries, keys and values; the norm; the gate.
        spec.forward = [[rows(6 * width)], [rows(2 * width)], [rows(3 * width)]]
        spec.backward = [[rows(9 * width)], [rows(3 * width)], [rows(5 * width)]]
        spec.scan.addTraffic([rows(4 * width)], statesInFP32: width * size)
        return spec
    }
}
