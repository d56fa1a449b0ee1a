internal import Reading

/// All model types that an entry describes.
enum ModelTypes {
    static let all: [String: @Sendable (Configuration) -> Draft] = [
        DenseTypes.all, GPTTypes.all, MixtureTypes.all, GatedTypes.all, LatentTypes.all, GemmaTypes.all,
        MultimodalTypes.all, HybridTypes.all, DeltaTypes.all, PublishedTypes.all,
    ].reduce(into: [:]) { all, some in all.merge(some) { first, _ in first } }

    /// Types whose configurations have the keys of another type's.
    static let factsOf = [
        "mimo": "qwen2", "kimi_k2": "deepseek_v3", "minimax_m3": "minimax_m3_vl_text", "gpt-sw3": "gpt2",
        "deepseek": "deepseek_v2", "llava_llama": "llama", "llava_mistral": "mistral", "llava_qwen": "qwen2",
        "dots_ocr": "qwen2", "stablelm_epoch": "stablelm", "RefinedWeb": "falcon", "RefinedWebModel": "falcon",
        "minimax_m1": "minimax", "minimax_text_01": "minimax", "MiniMaxText01": "minimax", "MiniMaxM1": "minimax",
        "phi3_v": "phi3", "phi4mm": "phi3", "ernie4_5_moe_vl": "ernie4_5_vl_moe_text",
    ]

    /// Why no decoder of text can be read from a configuration, and what to do; nil: it can.
    static func refusal(
        of c: Configuration, root: JSONValue, table: TypeFactsTable
    ) -> (rule: String, fix: String)? {
        if c.flag("is_encoder_decoder") || root.map?["is_encoder_decoder"]?.flag == true {
            return ("is an encoder and a decoder, and decoders of text are planned", "")
        }
        guard all[c.type] == nil else { return nil }
        let classes = (root.map?["architectures"]?.list ?? []).compactMap(\.text)
        if let kind = kind(of: c.type, classes: classes) {
            return ("is \(kind), and decoders of text are planned", "")
        }
        if table[c.type] != nil {
            return ("is not described", "state its sizes in a plan under model:")
        }
        if c.has("block_configs") {
            return ("has blocks of its own shapes under block_configs", "state its sizes in a plan under model:")
        }
        return nil
    }

    /// The sort of model, by its name and its classes, of a type that no entry describes; nil for a decoder.
    private static func kind(of type: String, classes: [String]) -> String? {
        let name = type.lowercased()
        func has(_ parts: [String]) -> Bool { parts.contains { name.contains($0) } }
        if has(["t5", "bart", "pegasus", "marian", "whisper", "blenderbot", "prophetnet", "nllb", "m2m_100", "m2m100"])
        {
            return "an encoder and a decoder"
        }
        if has(["wav2vec", "hubert", "wavlm", "speecht5", "encodec", "mimi", "clap", "seamless"]) {
            return "a model of sound"
        }
        if has(["clip", "siglip", "blip"]) { return "a model of images and text" }
        if has(["vit", "dinov", "swin", "convnext", "resnet", "detr", "sam", "beit"]), !has(["llm"]) {
            return "a model of images"
        }
        if has(["bert", "electra", "xlm", "xlnet", "longformer", "funnel", "esm", "mpnet"])
            || !classes.isEmpty && classes.allSatisfy(isEncoder)
        {
            return "an encoder"
        }
        return nil
    }

    /// Whether a class of transformers is that of an encoder.
    private static func isEncoder(_ name: String) -> Bool {
        ["ForMaskedLM", "ForPreTraining", "ForTokenClassification", "ForMultipleChoice"].contains { name.hasSuffix($0) }
    }
}
