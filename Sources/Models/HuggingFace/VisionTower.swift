internal import Numbers
internal import Reading

/// A vision tower beside a language model, and the layers that lead from it to the language model.
package struct VisionTower: Hashable, Sendable {
    /// The key of its configuration.
    package var key: String
    package var modelType: String
    /// The tower alone, as a model of one image.
    package var model: Model
    /// Parameters of the layers between the tower and the language model.
    package var projector: Int

    package var parameters: Int { model.parameters().total }

    /// A phrase with the counts.
    package var words: String {
        "\(key) (\(modelType), \(model.layers) layers, \(Figures.grouped(parameters)) parameters"
            + (projector > 0 ? " and \(Figures.grouped(projector)) of its projector)" : ")")
    }

    /// The tower of a configuration; nil if its type is none of those that are counted, or its sizes are not valid.
    ///
    /// Towers and projectors after the modules of transformers 5.24.
    /// - Parameters:
    ///   - root: the whole configuration.
    ///   - hidden: hidden size of the language model.
    static func read(_ root: [String: JSONValue], key: String, hidden: Int) -> VisionTower? {
        guard let map = root[key]?.map else { return nil }
        let outer = root["model_type"]?.text ?? ""
        let type = map["model_type"]?.text ?? outer
        guard let kind = Kind.of(type) else { return nil }
        // A tower that cannot be read does not keep the language model from being read.
        let collector = ProblemCollector(file: "")
        let sizes = TowerSizes(map, type: type, kind: kind, collector: collector)
        let model = sizes.model
        let projector = sizes.projector(of: outer, root, hidden: hidden)
        guard collector.isEmpty, model.problems.isEmpty else { return nil }
        return VisionTower(key: key, modelType: type, model: model, projector: projector)
    }

    enum Kind: String {
        case clip = "clip_vision_model"
        case siglip = "siglip_vision_model"
        case idefics3 = "idefics3_vision"
        case pixtral
        case qwen2 = "qwen2_vl"
        case qwen25 = "qwen2_5_vl"
        case qwen3 = "qwen3_vl"
        case llama4 = "llama4_vision_model"
        case gemma4 = "gemma4_vision"
        /// MoonViT of Kimi-VL, Kimi K2.5 and their successors.
        case kimi = "kimi_k25_vision"
        case step = "step3p5_vision"

        static func of(_ type: String) -> Kind? {
            switch type {
            case "moonvit", "kimi_k25", "kimi_k3": .kimi
            case "step3p7": .step
            case "smolvlm_vision": .idefics3
            case "qwen2_vl_vision": .qwen2
            case "qwen2_5_vl_vision": .qwen25
            case "qwen3_vl_vision", "qwen3_vl_moe", "qwen3_vl_moe_vision", "qwen3_5", "qwen3_5_vision", "qwen3_5_moe",
                "qwen3_5_moe_vision":
                .qwen3
            default: Kind(rawValue: type)
            }
        }

        /// Values that the type declares.
        var defaults: [String: JSONValue] {
            let sizes: [String: Int] =
                switch self {
                case .clip:
                    [
                        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
                        "num_attention_heads": 12, "image_size": 224, "patch_size": 32,
                    ]
                case .siglip:
                    [
                        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
                        "num_attention_heads": 12, "image_size": 224, "patch_size": 16,
                    ]
                case .idefics3:
                    [
                        "hidden_size": 1152, "intermediate_size": 3072, "num_hidden_layers": 12,
                        "num_attention_heads": 16, "image_size": 224, "patch_size": 32,
                    ]
                case .pixtral:
                    [
                        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
                        "num_attention_heads": 16, "image_size": 1024, "patch_size": 16,
                    ]
                case .qwen2:
                    [
                        "depth": 32, "embed_dim": 1280, "hidden_size": 3584, "mlp_ratio": 4, "num_heads": 16,
                        "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
                    ]
                case .qwen25:
                    [
                        "depth": 32, "hidden_size": 3584, "intermediate_size": 3420, "num_heads": 16,
                        "out_hidden_size": 3584, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
                    ]
                case .qwen3:
                    [
                        "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16,
                        "out_hidden_size": 3584, "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2,
                        "num_position_embeddings": 2304,
                    ]
                case .llama4:
                    [
                        "hidden_size": 768, "intermediate_size": 5632, "num_hidden_layers": 34,
                        "num_attention_heads": 16, "image_size": 448, "patch_size": 14, "projector_input_dim": 4096,
                        "projector_output_dim": 4096, "vision_output_dim": 7680,
                    ]
                case .gemma4:
                    [
                        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 16,
                        "num_attention_heads": 12, "head_dim": 64, "patch_size": 16, "position_embedding_size": 10_240,
                    ]
                case .kimi:
                    [
                        "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
                        "num_attention_heads": 16, "patch_size": 14, "pos_emb_height": 64, "pos_emb_width": 64,
                    ]
                case .step:
                    [
                        "hidden_size": 1536, "num_hidden_layers": 47, "num_attention_heads": 16, "image_size": 728,
                        "patch_size": 14,
                    ]
                }
            return sizes.mapValues(JSONValue.count)
        }

        /// The name that `key` has in transformers' class, where the model's own code calls it otherwise.
        func name(_ key: String) -> String {
            switch (self, key) {
            case (.kimi, "init_pos_emb_height"), (.kimi, "init_pos_emb_width"): String(key.dropFirst(5))
            case (.kimi, _) where key.hasPrefix("vt_"): String(key.dropFirst(3))
            case (.step, "width"): "hidden_size"
            case (.step, "layers"): "num_hidden_layers"
            case (.step, "heads"): "num_attention_heads"
            default: key
            }
        }
    }
}

/// The sizes of a tower's configuration.
private struct TowerSizes {
    let kind: VisionTower.Kind
    let values: Configuration
    /// Width of the tower.
    let hidden: Int

    init(_ map: [String: JSONValue], type: String, kind: VisionTower.Kind, collector: ProblemCollector) {
        self.kind = kind
        var all = kind.defaults
        for (key, value) in map where !value.isNull { all[kind.name(key)] = value }
        values = Configuration(.map(all), type: type, facts: TypeFacts(), collector: collector)
        hidden = values.count(kind == .qwen2 ? "embed_dim" : "hidden_size")
    }

    private var isQwen: Bool { kind == .qwen2 || kind == .qwen25 || kind == .qwen3 }

    /// The tower as a model whose image is as large as its positions tell, or else one patch.
    var model: Model {
        let isLlama = kind == .pixtral || kind == .gemma4 || kind == .qwen25
        let ffn =
            switch kind {
            case .qwen2: product(hidden, values.count("mlp_ratio"))
            case .step: Int(exactly: ((values.number("mlp_ratio") ?? 8960 / 1536) * Double(hidden)).rounded(.down)) ?? 0
            default: values.count("intermediate_size")
            }
        var model = Model(
            family: isLlama ? .llama : .gpt, layers: values.count(isQwen ? "depth" : "num_hidden_layers"),
            hidden: hidden, heads: values.count(isQwen ? "num_heads" : "num_attention_heads"), ffn: ffn,
            mlp: isLlama ? .swiglu : .gelu, vocab: 0, sequence: 1, tiedEmbeddings: false)
        model.block.causal = false
        var picture = Model.Picture()
        picture.patch = [values.count("patch_size")]
        picture.channels = values.optional("num_channels", from: 1) ?? values.optional("in_channels", from: 1) ?? 3
        let edge = picture.patch[0]
        let hasPositions = [.clip, .siglip, .idefics3, .llama4, .step].contains(kind)
        let size = hasPositions ? values.count("image_size") / edge * edge : edge
        (picture.height, picture.width) = (max(edge, size), max(edge, size))
        picture.bias =
            [.siglip, .idefics3, .qwen3].contains(kind) || kind == .kimi && values.flag("patch_embed_proj_bias", true)
        picture.classToken = kind == .clip || kind == .llama4
        model.embeddingNorm = [.clip, .llama4, .pixtral, .step].contains(kind)
        model.hasFinalNorm = hasPositions && kind != .step || kind == .kimi
        if isQwen {
            picture.frames = values.count("temporal_patch_size")
            picture.patch = [picture.frames, edge, edge]
            model.video = picture
            model.biases = Bias.ofGPT.sorted()
        } else {
            model.image = picture
        }
        switch kind {
        case .clip, .idefics3, .llama4, .pixtral: break
        case .siglip: model.otherParameters = hasPoolingHead ? poolingHead(ffn) : 0
        case .qwen2, .qwen25: model.positionKind = Positions.none
        case .qwen3: model.positionEntries = values.count("num_position_embeddings")
        case .gemma4:
            model.positionKind = .learned
            model.positionEntries = product(2, values.count("position_embedding_size"))
            model.block.norms = .both
            model.block.qkNorm = .head
            model.block.headSize = values.count("head_dim")
            model.block.mlp = .geglu
        case .kimi:
            model.positionEntries = product(values.count("pos_emb_height"), values.count("pos_emb_width"))
            if values.text("norm_type") == "rmsnorm" { model.norm = .rmsNorm }
            let (attention, rest) = (values.flag("attn_bias", true), values.flag("linear_bias", true))
            model.biases = Bias.ofGPT.filter { $0 == .feedForward ? rest : attention }.sorted()
            if let rows = values.optional("qkv_hidden_size", from: 1) {
                model.block.headSize = rows / max(1, model.heads)
            }
        case .step: model.otherParameters = scalesAndConvolutions(layers: model.layers)
        }
        model.settlePicture()
        return model
    }

    private var hasPoolingHead: Bool { values.flag("vision_use_head", true) }

    /// SigLIP's head: a learned query, an attention, a norm and a network.
    private func poolingHead(_ ffn: Int) -> Int {
        let h = hidden
        return h + product(4, h, h) + 4 * h + 2 * h + product(2, h, ffn) + ffn + h
    }

    /// A scale for each half of a block, and the two convolutions that halve the picture's edges and double its channels.
    private func scalesAndConvolutions(layers: Int) -> Int {
        let h = hidden
        return product(2, layers, h) + product(9, h, 2 * h) + 2 * h + product(9, 2 * h, 4 * h) + 4 * h
    }

    /// Parameters of the layers between the tower and a language model of `text` numbers a row.
    func projector(of outer: String, _ root: [String: JSONValue], hidden text: Int) -> Int {
        let h = hidden
        let hasBias = root["multimodal_projector_bias"]?.flag ?? (outer != "mistral3")
        func layer(_ inputs: Int, _ outputs: Int, bias: Bool = true) -> Int {
            product(inputs, outputs) + (bias ? outputs : 0)
        }
        func squared(_ key: String, _ standard: Int) -> Int {
            let merge = values.optional(key, from: 1) ?? root[key]?.count ?? standard
            return product(merge, merge)
        }
        switch (outer, kind) {
        case ("llava", _): return layer(h, text, bias: hasBias) + layer(text, text, bias: hasBias)
        case ("llava_next", _), ("llava_onevision", _):
            // With the row that ends a line of an image.
            return layer(h, text, bias: hasBias) + layer(text, text, bias: hasBias) + text
        case ("mistral3", _):
            return h + product(h, h, squared("spatial_merge_size", 2)) + layer(h, text, bias: hasBias)
                + layer(text, text, bias: hasBias)
        case ("gemma3", _): return product(h, text) + h
        case ("paligemma", _): return layer(h, values.optional("projection_dim", from: 1) ?? text)
        case (_, .qwen2):
            let merged = product(h, squared("spatial_merge_size", 2))
            return 2 * h + layer(merged, merged) + layer(merged, values.count("hidden_size"))
        case (_, .qwen25):
            let merged = product(h, squared("spatial_merge_size", 2))
            return h + layer(merged, merged) + layer(merged, values.count("out_hidden_size"))
        case (_, .qwen3):
            let merged = product(h, squared("spatial_merge_size", 2))
            let one = layer(merged, merged) + layer(merged, values.count("out_hidden_size"))
            // Mergers of inner layers have a norm over the merged rows.
            let deep = values.counts("deepstack_visual_indexes")?.count ?? 0
            return 2 * h + one + product(deep, one + 2 * merged)
        case (_, .llama4):
            let (inner, output) = (values.count("projector_input_dim"), values.count("projector_output_dim"))
            return product(values.count("intermediate_size"), inner) + product(inner, output)
                + product(values.count("vision_output_dim"), text)
        case (_, .gemma4): return product(h, text)
        case (_, .kimi):
            guard values.text("mm_projector_type") ?? "patchmerger" == "patchmerger" else { return 0 }
            let merged = product(h, (values.counts("merge_kernel_size") ?? [2, 2]).reduce(1) { product($0, $1) })
            return 2 * h + layer(merged, merged) + layer(merged, text)
        case (_, .step): return layer(product(4, h), text, bias: root["projector_bias"]?.flag ?? false)
        case (_, .idefics3): return product(h, squared("scale_factor", 2), text)
        default: return 0
        }
    }
}
