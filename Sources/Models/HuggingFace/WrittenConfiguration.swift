internal import Foundation
internal import Numbers
package import Reading

/// The `config.json` of a model that the runtime computes.
package struct WrittenConfiguration: Hashable, Sendable {
    package var modelType: String
    /// The keys with their values as JSON text.
    private var entries: [String: String] = [:]

    /// The file's text, the keys in alphabetical order.
    package var text: String {
        "{\n" + entries.sorted { $0.key < $1.key }.map { "  \"\($0.key)\": \($0.value)" }.joined(separator: ",\n")
            + "\n}\n"
    }

    /// The classes of transformers by model type.
    private static let classes = [
        "gpt2": "GPT2LMHeadModel", "llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM",
        "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM", "mixtral": "MixtralForCausalLM",
        "qwen3_moe": "Qwen3MoeForCausalLM",
    ]

    /// The configuration of the type that computes exactly what the runtime does.
    /// - Parameters:
    ///   - format: the word of PyTorch for the stored numbers.
    ///   - endOfDocument: the token that ends a document; nil: there is none.
    /// - Throws: the property that no type has, with its key in a plan.
    package init(_ model: Model, format: String, endOfDocument: Int? = nil) throws(PlanProblems) {
        func refuse(_ key: String, _ value: String, _ rule: String) -> PlanProblems {
            PlanProblems([PlanProblem(field: "model.\(key)", value: value, rule: rule)])
        }
        modelType = try Self.type(of: model)
        guard let word = ComputedType.word(for: model.mlp), let name = Self.classes[modelType],
            let type = ComputedType.all[modelType]
        else { throw refuse("mlp", model.mlp.rawValue, "no model type of transformers computes it") }
        set("architectures", "[\"\(name)\"]")
        set("model_type", "\"\(modelType)\"")
        set("dtype", "\"\(format)\"")
        set("torch_dtype", "\"\(format)\"")
        set("vocab_size", "\(model.vocab)")
        set("tie_word_embeddings", "\(model.tiedEmbeddings)")
        set("bos_token_id", "null")
        set("pad_token_id", "null")
        set("eos_token_id", endOfDocument.map(String.init) ?? "null")
        set("use_cache", "true")
        set(type.epsilonKey, "\(model.epsilonOfNorms)")
        set(type.activationKey, "\"\(word)\"")
        modelType == "gpt2" ? setGPT(model) : setLlama(model)
    }

    private mutating func set(_ key: String, _ value: String) { entries[key] = value }

    private mutating func setGPT(_ model: Model) {
        set("n_embd", "\(model.hidden)")
        set("n_layer", "\(model.layers)")
        set("n_head", "\(model.heads)")
        set("n_inner", "\(model.ffn)")
        set("n_positions", "\(model.positionEntries ?? model.sequence)")
        set("scale_attn_weights", "true")
        set("scale_attn_by_inverse_layer_idx", "false")
        // Training had no dropout.
        for key in ["attn_pdrop", "embd_pdrop", "resid_pdrop"] { set(key, "0.0") }
    }

    private mutating func setLlama(_ model: Model) {
        set("hidden_size", "\(model.hidden)")
        set("num_hidden_layers", "\(model.layers)")
        set("num_attention_heads", "\(model.heads)")
        set("num_key_value_heads", "\(model.kvHeads)")
        set("head_dim", "\(model.headSize)")
        set("intermediate_size", "\(modelType == "mixtral" ? model.moe?.ffn ?? model.ffn : model.ffn)")
        set("max_position_embeddings", "\(model.sequence)")
        set("attention_dropout", "0.0")
        set("rope_theta", "\(model.baseOfRotation)")
        set("rope_scaling", model.rotaryScaling.map(Self.scaling) ?? "null")
        let window = model.block.window
        switch modelType {
        case "llama":
            set("attention_bias", "false")
            set("mlp_bias", "false")
        case "mistral": set("sliding_window", window.map(String.init) ?? "null")
        case "mixtral":
            set("sliding_window", window.map(String.init) ?? "null")
            set("num_local_experts", "\(model.moe?.experts ?? 0)")
        default:
            if modelType != "qwen2" { set("attention_bias", "false") }
            set("use_sliding_window", "\(window != nil)")
            set("sliding_window", window.map(String.init) ?? "null")
            // Every block has the window.
            set("max_window_layers", "\(window == nil ? model.layers : 0)")
        }
        guard let moe = model.moe else { return }
        set("num_experts_per_tok", "\(moe.topK)")
        guard modelType == "qwen3_moe" else { return }
        set("num_experts", "\(moe.experts)")
        set("moe_intermediate_size", "\(moe.ffn)")
        set("norm_topk_prob", "true")
        set("decoder_sparse_step", "1")
        let dense = (0..<model.layers).filter { !model.hasExperts($0) }
        set("mlp_only_layers", "[\(dense.map(String.init).joined(separator: ", "))]")
    }

    private static func scaling(_ scaling: Model.RotaryScaling) -> String {
        var values = ["\"rope_type\": \"\(scaling.kind.rawValue)\"", "\"factor\": \(scaling.factor)"]
        func add(_ key: String, _ value: Double?) { if let value { values.append("\"\(key)\": \(value)") } }
        if let length = scaling.originalLength { values.append("\"original_max_position_embeddings\": \(length)") }
        switch scaling.kind {
        case .llama3:
            add("low_freq_factor", scaling.lowFrequencyFactor ?? 1)
            add("high_freq_factor", scaling.highFrequencyFactor ?? 4)
        case .yarn:
            add("beta_fast", scaling.betaFast ?? 32)
            add("beta_slow", scaling.betaSlow ?? 1)
            add("attention_factor", scaling.attentionFactor)
            values.append("\"truncate\": \(scaling.truncate)")
        case .linear, .dynamic, .longrope: break
        }
        return "{\(values.joined(separator: ", "))}"
    }

    /// The type whose computation is the model's.
    private static func type(of model: Model) throws(PlanProblems) -> String {
        func refuse(_ key: String, _ value: String, _ rule: String) -> PlanProblems {
            PlanProblems([PlanProblem(field: "model.\(key)", value: value, rule: rule)])
        }
        let block = model.block
        if model.family == .gpt {
            guard block.heads * block.headSize == model.hidden else {
                throw refuse("headSize", "\(block.headSize)", "GPT-2's heads have hidden / heads numbers")
            }
            guard block.qkNorm == .none else {
                throw refuse("qkNorm", block.qkNorm.rawValue, "no model type with GPT-2's blocks has norms of heads")
            }
            guard block.window == nil else {
                throw refuse("window", block.window.map(String.init) ?? "", "GPT-2 has no window")
            }
            return "gpt2"
        }
        let (hasBiases, hasNorms) = (!model.conventions.biases.isEmpty, block.qkNorm != .none)
        guard let moe = model.moe else {
            switch (hasBiases, hasNorms) {
            case (true, true):
                throw refuse("biases", "[attentionInput]", "no model type has them together with norms of heads")
            case (true, false): return "qwen2"
            case (false, true): return "qwen3"
            case (false, false): return block.window == nil ? "llama" : "mistral"
            }
        }
        if moe.shared > 0 {
            throw refuse(
                "moe.shared", "\(moe.shared)", "no model type has such shared experts beside grouped-query attention")
        }
        if hasBiases { throw refuse("biases", "[attentionInput]", "no model type has them beside experts alone") }
        if hasNorms { return "qwen3_moe" }
        if model.denseLayers > 0 {
            throw refuse(
                "moe.firstDense", "\(moe.firstDense)",
                "every block of a Mixtral has experts; with qkNorm: head the model is a Qwen 3 MoE, which may have others"
            )
        }
        return "mixtral"
    }
}
