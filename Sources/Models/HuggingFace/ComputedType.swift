internal import Foundation
internal import Reading

/// A model type whose computation the runtime has: what its configurations say beside sizes, and the values that count where
/// they leave a key out (transformers 5.24).
struct ComputedType: Sendable {
    var epsilonKey = "rms_norm_eps"
    var epsilon = 1e-6
    var activationKey = "hidden_act"
    var activation = "silu"
    var base = 10_000.0
    /// Keys whose other value would be another computation, with the value that is computed and the one that counts where
    /// the key is left out.
    var flags: [(key: String, computed: Bool, standard: Bool)] = []

    static let all: [String: ComputedType] = [
        "gpt2": ComputedType(
            epsilonKey: "layer_norm_epsilon", epsilon: 1e-5, activationKey: "activation_function",
            activation: "gelu_new",
            flags: [
                ("scale_attn_weights", true, true), ("scale_attn_by_inverse_layer_idx", false, false),
                ("add_cross_attention", false, false),
            ]),
        "llama": ComputedType(), "mistral": ComputedType(), "qwen2": ComputedType(), "qwen3": ComputedType(),
        "mixtral": ComputedType(epsilon: 1e-5, base: 1_000_000),
        "qwen3_moe": ComputedType(flags: [("norm_topk_prob", true, false)]),
    ]

    /// The activations that the runtime computes, by the words of transformers. `gelu` there is the exact function, which the
    /// runtime's tanh form is not.
    static let activations: [String: (plain: Model.MLP?, gated: Model.MLP?)] = [
        "gelu_new": (.gelu, .geglu), "gelu_pytorch_tanh": (.gelu, .geglu), "relu": (.relu, nil),
        "relu2": (.squaredRelu, nil), "silu": (nil, .swiglu), "swish": (nil, .swiglu),
    ]

    /// The word of transformers for an activation; nil: there is none for what the runtime computes.
    static func word(for mlp: Model.MLP) -> String? {
        switch mlp {
        case .gelu: "gelu_new"
        case .relu: "relu"
        case .squaredRelu: "relu2"
        case .swiglu: "silu"
        case .geglu: "gelu_pytorch_tanh"
        case .silu, .reglu: nil
        }
    }
}

extension Configuration {
    /// Counts the keys that `readComputation` reads as known.
    func expectComputation() {
        guard let type = ComputedType.all[type] else { return }
        ignore(
            type.epsilonKey, type.activationKey, "rope_parameters", "rope_scaling", "rope_theta",
            "partial_rotary_factor",
            "quantization_config")
        for (key, _, _) in type.flags { ignore(key) }
    }

    /// Gives the model the numbers of its computation: the norms' epsilon, and base and scaling of rotary positions.
    /// - Returns: keys that say another computation than the runtime's.
    func readComputation(_ file: String, longest: Int, into model: inout Model) -> [PlanProblem] {
        var problems: [PlanProblem] = []
        func refuse(_ key: String, _ value: String, _ rule: String) {
            problems.append(PlanProblem(file: file, field: path + key, value: value, rule: rule))
        }
        guard let type = ComputedType.all[type] else {
            let known = ComputedType.all.keys.sorted().joined(separator: ", ")
            refuse("model_type", "'\(type)'", "the runtime reads weights of \(known)")
            return problems
        }
        for key in ["rope_parameters", "rope_scaling"] { reportUnless(map(key) != nil, key, "must be a map, or null") }
        reportUnless(text(type.activationKey) != nil, type.activationKey, "must be a word, e.g. '\(type.activation)'")
        reportUnless(number("partial_rotary_factor") != nil, "partial_rotary_factor", "must be a number")
        if let epsilon = real(type.epsilonKey, in: 1e-15...1) ?? Optional(type.epsilon),
            epsilon != Model.usualNormEpsilon
        {
            model.normEpsilon = epsilon
        }
        if model.conventions.isRotary {
            // Newer files keep base and scaling in one map, older ones apart.
            let joined = map("rope_parameters")
            let base = joined?.real("rope_theta", in: 1.001...1e15) ?? real("rope_theta", in: 1.001...1e15) ?? type.base
            if base != Model.usualRotaryBase { model.rotaryBase = base }
            if let joined, !joined.keys.isEmpty, !joined.states("rope_theta"), !joined.states("rope_type") {
                refuse("rope_parameters", "", "the runtime turns all layers alike")
            }
            let share = joined?.number("partial_rotary_factor") ?? number("partial_rotary_factor") ?? 1
            if share != 1 { refuse("partial_rotary_factor", "\(share)", "the runtime turns whole heads") }
            let named = joined?.states("rope_type") ?? false ? "rope_parameters" : "rope_scaling"
            if let scaling = named == "rope_parameters" ? joined : map("rope_scaling") {
                if let word = scaling.readScaling(longest: longest, into: &model) {
                    refuse("\(named).rope_type", "'\(word)'", "the runtime scales by linear, llama3 and yarn")
                }
            }
        }
        let word = text(type.activationKey) ?? type.activation
        let known = ComputedType.activations[word]
        if (model.mlp.isGated ? known?.gated : known?.plain) != model.mlp {
            let fit = ComputedType.activations.filter { (model.mlp.isGated ? $0.value.gated : $0.value.plain) != nil }
            refuse(
                type.activationKey, "'\(word)'",
                "the runtime computes \(Wording.alternatives(fit.keys.sorted()))"
                    + (word == "gelu" ? "; 'gelu' is the exact function" : ""))
        }
        for (key, computed, standard) in type.flags where flag(key, standard) != computed {
            refuse(key, "\(!computed)", "the runtime computes \(computed)")
        }
        if states("quantization_config") {
            refuse("quantization_config", "", "the runtime reads weights in fp32, bf16 and fp16")
        }
        return problems
    }

    /// Reports a key that has a value of a wrong form.
    private func reportUnless(_ isRight: Bool, _ key: String, _ rule: String) {
        guard let value = value(key), !isRight else { return }
        report(key, value: describe(value), rule: rule)
    }

    /// A number in bounds; nil if there is none, after a report if there is something else.
    private func real(_ key: String, in bounds: ClosedRange<Double>) -> Double? {
        guard let value = value(key) else { return nil }
        guard let number = number(key), bounds.contains(number) else {
            report(
                key, value: describe(value), rule: "must be a number from \(bounds.lowerBound) to \(bounds.upperBound)")
            return nil
        }
        return number
    }

    /// Reads a map of scaled rotary positions.
    /// - Returns: a kind of scaling that has no key in a plan, or that the runtime does not have.
    fileprivate func readScaling(longest: Int, into model: inout Model) -> String? {
        for key in ["rope_type", "type"] { reportUnless(text(key) != nil, key, "must be a word, e.g. 'linear'") }
        for key in ["mscale", "mscale_all_dim", "factor", "partial_rotary_factor"] {
            reportUnless(number(key) != nil, key, "must be a number")
        }
        let word = text("rope_type") ?? text("type") ?? "default"
        if word == "default" { return nil }
        guard let kind = Model.RotaryScaling.Kind(rawValue: word == "su" ? "longrope" : word) else { return word }
        let factor = real("factor", in: 1...10_000)
        let original = optional("original_max_position_embeddings", from: 1)
        var scaling = Model.RotaryScaling(kind: kind, factor: factor ?? 1)
        switch kind {
        case .dynamic, .longrope:
            model.rotaryScaling = scaling
            return word
        case .linear: break
        case .llama3:
            scaling.originalLength = original ?? longest
            for (key, path) in [
                ("low_freq_factor", \Model.RotaryScaling.lowFrequencyFactor),
                ("high_freq_factor", \.highFrequencyFactor),
            ] {
                scaling[keyPath: path] = real(key, in: 1e-6...1e6)
                if value(key) == nil { report(key, rule: "is missing", fix: "llama3 scaling needs it") }
            }
        case .yarn:
            scaling.originalLength = original ?? longest
            if factor == nil, value("factor") == nil { scaling.factor = Double(longest) / Double(original ?? longest) }
            scaling.betaFast = real("beta_fast", in: 1e-6...1e6)
            scaling.betaSlow = real("beta_slow", in: 1e-6...1e6)
            scaling.truncate = flag("truncate", true)
            scaling.attentionFactor = real("attention_factor", in: 1e-3...1000) ?? yarnAmplitude(scaling.factor)
        }
        if factor == nil, kind != .yarn, value("factor") == nil {
            report("factor", rule: "is missing", fix: "\(word) scaling needs it")
        }
        model.rotaryScaling = scaling
        return nil
    }

    /// The factor of cosines and sines that DeepSeek's two keys give; nil without them.
    private func yarnAmplitude(_ factor: Double) -> Double? {
        guard let one = number("mscale"), let all = number("mscale_all_dim"), one != 0, all != 0, factor > 1 else {
            return nil
        }
        func amplitude(_ scale: Double) -> Double { 0.1 * scale * log(factor) + 1 }
        return amplitude(one) / amplitude(all)
    }
}
