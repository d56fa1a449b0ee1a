extension MixerSpec {
    /// The gated delta net (Yang et al. 2024, gated delta networks): a state for each value head, from which a token
    /// takes what its key finds there before it writes its value.
    ///
    /// Letters: h hidden, a_k key heads of size d_k, a_v value heads of size d_w, k_m tokens of the convolution. One
    /// product computes queries and keys of a_k·d_k numbers each, values and gates of a_v·d_w, and 2·a_v strengths and
    /// decays. Ranks cut heads.
    ///
    /// Kept (fla, `ChunkGatedDeltaRuleFunction` and `FusedRMSNormGated`): the results of the first product, those of the
    /// convolution, the chunk's inverse of q_m numbers a head, the results of the recurrence, and the input of the last
    /// product. The backward computes the chunks' states again.
    static func gatedDeltaNet(_ mixer: Mixer.GatedDeltaNet) -> MixerSpec {
        let (keyHeads, valueHeads) = (Sized("a_k", mixer.keyHeads), Sized("a_v", mixer.valueHeads))
        let (keySize, valueSize) = (Sized("d_k", mixer.keySize), Sized("d_w", mixer.valueSize))
        let (keys, values) = (keyHeads * keySize, valueHeads * valueSize)
        let chunk = Sized("q_m", deltaChunk)
        var spec = MixerSpec(
            name: "gated delta net", source: "Yang et al. 2024, gated delta networks", prefix: "linear_attn.",
            sizes: [
                SizeSymbol("a_k", mixer.keyHeads, "key heads of the token mixer"),
                SizeSymbol("a_v", mixer.valueHeads, "value heads of the token mixer"),
                SizeSymbol("d_k", mixer.keySize, "size of the token mixer's keys"),
                SizeSymbol("d_w", mixer.valueSize, "size of the token mixer's values"),
                SizeSymbol("k_m", mixer.kernel, "tokens of the convolution"),
            ],
            inputs: [
                Columns(name: "in_proj.q", width: keys, isConvolved: true),
                Columns(name: "in_proj.k", width: keys, isConvolved: true),
                Columns(name: "in_proj.v", width: values, isConvolved: true),
                Columns(name: "in_proj.gate", width: values), Columns(name: "in_proj.strength", width: valueHeads),
                Columns(name: "in_proj.decay", width: valueHeads),
            ],
            convolution: Convolution(kernel: Sized("k_m", mixer.kernel)),
            vectors: [
                Vector(name: "dt_bias", length: valueHeads), Vector(name: "A_log", length: valueHeads),
                Vector(name: "norm.weight", length: valueSize, isCut: false, start: .ones),
            ],
            result: values, kept: 2 * keys + 3 * values + chunk * valueHeads,
            scan: deltaRule(heads: valueHeads, keySize, valueSize))
        spec.scan.token = spec.scan.token + spec.convolutionWork
        spec.addConvolution(isRepeated: false)
        // Queries and keys to unit length; results normalised and multiplied by the gate.
        spec.forward += [[rows(4 * keys)], [rows(3 * values)]]
        spec.backward += [[rows(6 * keys)], [rows(5 * values)]]
        spec.scan.addTraffic([
            rows(2 * keys + values), deltaTraffic(heads: valueHeads, keySize, valueSize),
        ])
        return spec
    }

    /// Kimi delta attention (Kimi Team 2025, Kimi Linear, section 3): a gated delta net with a decay for every number of
    /// a key.
    ///
    /// Letters: h hidden, a_m heads of size d_m, k_m tokens of the convolution, r_d and r_g ranks of the decays and of
    /// the gate, if they are projected through a narrower row, which every rank computes whole. Ranks cut heads.
    ///
    /// Kept (fla, `ChunkKDAFunction`): as in a gated delta net, with two inverses of q_m numbers a head.
    static func kimiDeltaAttention(_ mixer: Mixer.KimiDeltaAttention) -> MixerSpec {
        let (heads, size) = (Sized("a_m", mixer.heads), Sized("d_m", mixer.headSize))
        let width = heads * size
        let chunk = Sized("q_m", deltaChunk)
        var spec = MixerSpec(
            name: "Kimi delta attention", source: "Kimi Team 2025, Kimi Linear, section 3", prefix: "linear_attn.",
            sizes: [
                SizeSymbol("a_m", mixer.heads, "heads of the token mixer"),
                SizeSymbol("d_m", mixer.headSize, "size of the token mixer's heads"),
                SizeSymbol("k_m", mixer.kernel, "tokens of the convolution"),
            ],
            inputs: ["q_proj", "k_proj", "v_proj"].map { Columns(name: $0, width: width, isConvolved: true) } + [
                Columns(name: "b_proj", width: heads)
            ],
            convolution: Convolution(kernel: Sized("k_m", mixer.kernel)),
            vectors: [
                Vector(name: "dt_bias", length: width), Vector(name: "A_log", length: heads),
                Vector(name: "o_norm.weight", length: size, isCut: false, start: .ones),
            ],
            result: width, output: "o_proj", kept: 5 * width + 2 * (chunk * heads),
            scan: deltaRule(heads: heads, size, size))
        func project(_ name: String, _ symbol: String, rank: Int?, _ meaning: String) {
            guard let rank else { return spec.inputs.append(Columns(name: "\(name)_proj", width: width)) }
            let size = Sized(symbol, rank)
            spec.sizes.append(SizeSymbol(symbol, rank, meaning))
            spec.inputs.append(Columns(name: "\(name)_a_proj", width: size, isCut: false))
            spec.inner.append(Inner(name: "\(name)_b_proj", inputs: size, outputs: width))
        }
        project("f", "r_d", rank: mixer.decayRank, "rank of the decays")
        project("g", "r_g", rank: mixer.gateRank, "rank of the output's gate")
        spec.scan.token = spec.scan.token + spec.convolutionWork
        spec.addConvolution(isRepeated: false)
        // Queries and keys to unit length; the decays; results normalised and multiplied by the gate.
        spec.forward += [[rows(4 * width)], [rows(2 * width)], [rows(3 * width)]]
        spec.backward += [[rows(6 * width)], [rows(3 * width)], [rows(5 * width)]]
        spec.scan.addTraffic([rows(4 * width), deltaTraffic(heads: heads, size, size)])
        return spec
    }

    /// Tokens of a chunk in fla's kernels of the delta rule.
    private static let deltaChunk = 64

    /// The delta rule in chunks (Yang et al. 2024, parallelizing linear transformers with the delta rule, section 3.2).
    ///
    /// For each head and token, with every token of the chunk before it: a product of two keys, the weights of keys and
    /// of values, a product of query and key, and its product with the value: 3·d_k + 2·d_w multiply-adds. With the
    /// state three products of d_k·d_w: what the keys find in it, what is added to it, what the query reads. The inverse
    /// of the chunk's triangle, q_m²/6, is left out: about a hundredth.
    ///
    /// A rank of the sequence hands on its state and the d_k·d_k numbers by which it changes the state before it (fla,
    /// `ops/cp/chunk_delta_h.py`).
    private static func deltaRule(heads: Sized, _ keySize: Sized, _ valueSize: Sized) -> Scan {
        var scan = Scan(
            chunk: deltaChunk, pairs: heads * (3 * keySize + 2 * valueSize),
            state: heads.value * keySize.value * (keySize.value + valueSize.value))
        scan.token = 3 * (heads * keySize * valueSize)
        return scan
    }

    /// Tensors that one kernel of a chunk writes and another reads: weighted keys and values and new values, the chunk's
    /// states, and the results.
    private static func deltaTraffic(heads: Sized, _ keySize: Sized, _ valueSize: Sized) -> Stored {
        let states = heads * keySize * valueSize
        return rows(
            Sized(
                2 * (heads * (keySize + 2 * valueSize)).value + 2 * states.value / deltaChunk
                    + (heads * valueSize).value)
        )
    }
}
