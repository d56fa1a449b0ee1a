import Reading

/// Settings of a tool on Megatron-Core under the names of Megatron-LM's arguments, so that one reading serves all of them.
struct MegatronTranslation {
    /// Settings of the file by name.
    private var settings: [String: Setting] = [:]
    private var order: [String] = []
    private var used: Set<String> = []
    /// Settings that were dropped unread.
    private var dropped: Set<String> = []
    /// The arguments so far.
    private(set) var arguments: [Setting] = []
    private var given: Set<String> = []

    init(_ settings: [Setting]) {
        for setting in settings where self.settings[setting.name] == nil {
            self.settings[setting.name] = setting
            order.append(setting.name)
        }
        unwrap()
    }

    /// Whether a value says nothing.
    static func isNothing(_ value: Setting.Value) -> Bool {
        guard case .word(let word) = value else { return false }
        return ["null", "None", "~", ""].contains(word)
    }

    /// Values that are objects of Python, `{_target_: torch.float32, _call_: false}`, become words.
    private mutating func unwrap() {
        for name in order where name.hasSuffix("._target_") {
            guard let setting = settings[name], case .word(let target) = setting.value else { continue }
            let owner = String(name.dropLast("._target_".count))
            let own = owner.split(separator: ".").last.map(String.init) ?? ""
            var word = target
            if own == "attention_backend", case .list(let arguments)? = settings[owner + "._args_"]?.value {
                // Megatron-Core's AttnBackend, megatron/core/transformer/enums.py.
                let names = ["1": "flash", "2": "fused", "3": "unfused", "4": "local", "5": "auto"]
                word = arguments.first.flatMap { names[$0] } ?? "auto"
            } else if own != "activation_func", !target.hasPrefix("torch.") {
                continue
            }
            var whole = setting
            (whole.name, whole.written, whole.value) = (owner, owner, .word(word))
            if settings[owner] == nil {
                settings[owner] = whole
                order.append(owner)
            }
            used.formUnion([name, owner + "._call_", owner + "._args_"])
        }
    }

    /// The setting of that name, which stays unused; nil: it says nothing.
    func peek(_ name: String) -> Setting? {
        settings[name].flatMap { Self.isNothing($0.value) ? nil : $0 }
    }

    func isUnused(_ name: String) -> Bool { !used.contains(name) }

    /// Whether a setting's name begins so.
    func hasSection(_ section: String) -> Bool { order.contains { $0.hasPrefix(section) } }

    /// The names of settings that end so, in the order of the file.
    func names(endingIn suffix: String) -> [String] { order.filter { $0.hasSuffix(suffix) } }

    func word(_ name: String) -> String? {
        guard case .word(let word)? = peek(name)?.value else { return nil }
        return word
    }

    func isTrue(_ name: String) -> Bool {
        word(name).map { ["true", "1", "yes", "on"].contains($0.lowercased()) } ?? false
    }
    func isFalse(_ name: String) -> Bool {
        word(name).map { ["false", "0", "no", "off"].contains($0.lowercased()) } ?? false
    }

    /// The first of the settings that says something. All of them are used.
    mutating func take(_ names: String...) -> Setting? {
        used.formUnion(names)
        return names.lazy.compactMap(peek).first
    }

    /// Gives an argument a value, unless it has one.
    mutating func say(_ destination: String, _ value: Setting.Value, at place: Setting) {
        guard given.insert(destination).inserted else { return }
        arguments.append(
            // A field states what it says, unlike a log, which prints what the program has made of it.
            Setting(
                name: destination, written: place.written, value: value, line: place.line, column: place.column,
                isSwitch: destination == "overlap_p2p_comm"))
    }

    mutating func say(_ destination: String, _ word: String, at place: Setting) {
        say(destination, .word(word), at: place)
    }

    /// Hands a list of two betas on.
    mutating func passBetas(_ name: String) {
        guard let betas = take(name), case .list(let words) = betas.value, words.count == 2 else { return }
        say("adam_beta1", words[0], at: betas)
        say("adam_beta2", words[1], at: betas)
    }

    /// Hands the course of the learning rate on, which a class of that name brings.
    mutating func passSchedule(_ name: String) {
        guard let word = word(name)?.lowercased(), let place = peek(name) else { return }
        let kinds = [
            ("cosine", "cosine"), ("squareroot", "inverse-square-root"), ("warmuppolicy", "constant"),
            ("warmupannealing", "linear"),
        ]
        guard let kind = kinds.first(where: { word.contains($0.0) })?.1 else { return }
        used.insert(name)
        say("lr_decay_style", kind, at: place)
    }

    /// The argument that was given, which is thereby taken back.
    mutating func withdraw(_ destination: String) -> Setting? {
        guard given.remove(destination) != nil, let index = arguments.firstIndex(where: { $0.name == destination })
        else {
            return nil
        }
        return arguments.remove(at: index)
    }

    /// The argument of that name so far.
    func argument(_ destination: String) -> Setting? { arguments.first { $0.name == destination } }

    func isArgumentTrue(_ destination: String) -> Bool {
        guard case .word(let word)? = argument(destination)?.value else { return false }
        return ["true", "1"].contains(word.lowercased())
    }

    /// Hands the first of `names` that says something on as an argument.
    mutating func pass(_ destination: String, _ names: String...) {
        used.formUnion(names)
        guard let setting = names.lazy.compactMap(peek).first else { return }
        say(destination, setting.value, at: setting)
    }

    /// Hands the opposite of a flag on.
    mutating func oppose(_ destination: String, _ name: String) {
        used.insert(name)
        guard let setting = peek(name) else { return }
        // What is no flag is reported when it is read.
        if isTrue(name) {
            say(destination, "false", at: setting)
        } else if isFalse(name) {
            say(destination, "true", at: setting)
        } else {
            say(destination, setting.value, at: setting)
        }
    }

    /// Hands on all settings of a section whose own names are arguments.
    mutating func passSection(_ section: String, _ destinations: Set<String>) {
        for name in order where name.hasPrefix(section) && !used.contains(name) {
            let own = String(name.dropFirst(section.count))
            guard destinations.contains(own), let setting = settings[name] else { continue }
            used.insert(name)
            if !Self.isNothing(setting.value) { say(own, setting.value, at: setting) }
        }
    }

    /// Takes every setting whose name begins so.
    mutating func drop(_ sections: [String]) {
        for name in order where sections.contains(where: { name == $0 || name.hasPrefix($0 + ".") }) {
            if used.insert(name).inserted { dropped.insert(name) }
        }
    }

    /// Whether each setting of the file was used, in its order: one that was handed on is used if the reader has asked for it.
    func fates(_ reader: SettingsReader) -> [(Setting, SettingFate)] {
        var read: [String: SettingFate] = [:]
        for setting in reader.stated {
            let fate = reader.fate(setting)
            if fate == .read || read[setting.written] == nil { read[setting.written] = fate }
        }
        return order.compactMap { name in
            guard let setting = settings[name], setting.earlier == nil else { return nil }
            if let fate = read[setting.written] { return (setting, fate) }
            // The names of classes choose what else is read.
            if SettingAccount.isClass(name) { return (setting, .idle) }
            // What follows from the precision.
            if ["params_dtype", "pipeline_dtype", "autocast_dtype"].contains(where: name.hasSuffix) {
                return (setting, .idle)
            }
            return (setting, used.contains(name) && !dropped.contains(name) ? .read : .unread)
        }
    }

    /// The arguments, and behind them what nobody used and says something, under its own name.
    var all: [Setting] {
        arguments
            + order.compactMap { name in
                guard !used.contains(name), !name.hasSuffix("_target_"), !name.hasSuffix("_call_"),
                    !name.hasSuffix("_partial_"), let setting = settings[name], !Self.isNothing(setting.value),
                    ![.word("false"), .word("False"), .word("0"), .list([])].contains(setting.value)
                else { return nil }
                var own = setting
                // A name of the file must not pass for an argument.
                if !own.name.contains(".") { own.name = "." + own.name }
                return own
            }
    }
}

extension MegatronTranslation {
    /// Reports sections and keys at the root that are a slip of the pen away from one of `known`.
    static func reportMisspeltRoots(
        _ settings: [Setting], known: [String], request: ImportRequest, _ collector: ProblemCollector
    ) {
        guard !request.ignoresUnknown else { return }
        let tree = NameTree(known)
        var reported: Set<String> = []
        for setting in settings where setting.earlier == nil {
            let slip = tree.slip(setting.name, isThere: { _ in false })
            guard let slip, reported.insert(slip.path).inserted else { continue }
            collector.report(
                setting.written, line: setting.line, column: setting.column, rule: slip.rule, fix: slip.fix)
        }
    }

    /// Takes settings of a whole configuration that act only beside others which the run does not have.
    /// - Parameters:
    ///   - destinations: names of Megatron-LM's own, which are no slips of the pen.
    ///   - stated: the settings of the file itself, where those of a model file lie beneath them; nil: all.
    static func expectIdle(
        _ reader: SettingsReader, _ destinations: Set<String>, stated: Set<String>? = nil, request: ImportRequest
    ) {
        if !request.ignoresUnknown { reader.reportMisspeltParts(stated: stated) { destinations.contains($0) } }
        let hasExperts = reader.has("num_experts")
        let latent = ["q_lora_rank", "kv_lora_rank", "qk_head_dim", "qk_pos_emb_head_dim", "v_head_dim"]
        reader.expect(
            reader.ignored.map(\.name).filter { name in
                name.hasPrefix("moe_") && !hasExperts || latent.contains(name) || name.hasPrefix("fp8")
                    || name.hasPrefix("fp4") || name.hasPrefix("muon_") || name.hasPrefix("mamba_")
            })
    }

    /// The shape as fields of Megatron-Core's `TransformerConfig` and of the tools' model classes.
    /// - Parameters:
    ///   - section: what stands before the fields, with its dot.
    mutating func passModel(_ section: String, _ destinations: Set<String>, collector: ProblemCollector) {
        pass("num_experts", section + "num_moe_experts")
        oppose("untie_embeddings_and_output_weights", section + "share_embeddings_and_output_weights")
        if let groups = take(section + "num_query_groups") {
            say("num_query_groups", groups.value, at: groups)
            say("group_query_attention", "true", at: groups)
        }
        passActivation(section, collector: collector)
        if let width = peek(section + "hidden_size"), peek(section + "ffn_hidden_size") == nil,
            case .word(let word) = width.value, let hidden = Int(word), hidden > 0, hidden < 1 << 40
        {
            // TransformerConfig's own default, with and without a gate.
            say("ffn_hidden_size", "\(4 * hidden)", at: width)
        }
        for name in ["mtp_num_layers", "moe_shared_expert_intermediate_size", "q_lora_rank", "moe_ffn_hidden_size"]
        where word(section + name) == "0" {
            _ = take(section + name)
        }
        pass(
            "num_virtual_stages_per_pipeline_rank", section + "virtual_pipeline_model_parallel_size",
            "trainer.strategy.virtual_pipeline_model_parallel_size")
        // It acts with virtual stages alone, and is false by default.
        if argument("num_virtual_stages_per_pipeline_rank") == nil, argument("pipeline_model_parallel_layout") == nil,
            peek(section + "pipeline_model_parallel_layout") == nil
        {
            _ = take(section + "overlap_p2p_comm")
        }
        pass("decoder_first_pipeline_num_layers", section + "num_layers_in_first_pipeline_stage")
        pass("decoder_last_pipeline_num_layers", section + "num_layers_in_last_pipeline_stage")
        if isTrue(section + "moe_enable_deepep"), word(section + "moe_token_dispatcher_type") == "flex",
            let place = take(section + "moe_enable_deepep")
        {
            say("moe_flex_dispatcher_backend", "deepep", at: place)
        }
        passSection(section, destinations)
    }

    private mutating func passActivation(_ section: String, collector: ProblemCollector) {
        let gate = take(section + "gated_linear_unit")
        let isGated = isTrue(section + "gated_linear_unit")
        guard let activation = take(section + "activation_func"), case .word(let path) = activation.value else {
            if isGated, let gate { say("quick_geglu", "true", at: gate) }
            return
        }
        let name = path.split(separator: ".").last.map(String.init) ?? path
        switch (name.lowercased(), isGated) {
        case ("silu", true), ("swish", true), ("swiglu", _): say("swiglu", "true", at: activation)
        case ("gelu", true), ("openai_gelu", true), ("fast_gelu", true), ("quick_gelu", true), ("geglu", _):
            say("quick_geglu", "true", at: activation)
        case ("gelu", false), ("openai_gelu", false), ("fast_gelu", false), ("quick_gelu", false): break
        case ("squared_relu", false): say("squared_relu", "true", at: activation)
        default:
            collector.report(
                activation.written, line: activation.line, column: activation.column, value: "'\(path)'",
                rule: isGated ? "is no gated activation that is known here" : "is no activation that is known here",
                fix: "silu with a gate, gelu, or squared_relu without one")
        }
    }

    /// Precision as a word of Lightning: `bf16-mixed`, `16`, `32-true`.
    mutating func passPrecision(_ setting: Setting, collector: ProblemCollector) {
        guard case .word(let text) = setting.value else { return }
        switch text.lowercased() {
        case "bf16", "bf16-mixed", "bf16-true", "bfloat16": say("bf16", "true", at: setting)
        case "16", "fp16", "16-mixed", "fp16-mixed", "16-true", "float16": say("fp16", "true", at: setting)
        case "32", "fp32", "32-true", "float32", "32.0": break
        default:
            collector.report(
                setting.written, line: setting.line, column: setting.column, value: "'\(text)'",
                rule: "is no precision that is known here", fix: "bf16, bf16-mixed, 16-mixed or 32")
        }
    }

    /// A precision by the name that Megatron-Bridge and NeMo give it: `bf16_with_fp8_current_scaling_mixed`.
    /// - Returns: whether the name is known.
    mutating func passNamedPrecision(_ name: String, at place: Setting) -> Bool {
        let word = name.replacing("-", with: "_")
        guard word.hasSuffix("_mixed") else { return false }
        let recipes: [(part: String, recipe: String, format: String, gathers: Bool, ends: Int)] = [
            ("with_fp8_current_scaling", "tensorwise", "hybrid", true, 1),
            ("with_fp8_delayed_scaling", "delayed", "hybrid", true, 0),
            ("with_fp8_subchannel_scaling", "blockwise", "hybrid", false, 0),
            ("with_mxfp8", "mxfp8", "e4m3", true, 0), ("with_fp8_mixed", "delayed", "hybrid", true, 0),
        ]
        let isHalf = word.contains("fp16_with") || word == "fp16_mixed"
        guard isHalf || word.contains("bf16") else { return false }
        say(isHalf ? "fp16" : "bf16", "true", at: place)
        if !isHalf { say("grad_reduce_in_fp32", "true", at: place) }
        if word.contains("with_nvfp4") {
            say("fp4", "e2m1", at: place)
        } else if let recipe = recipes.first(where: { word.contains($0.part) }) {
            say("fp8", recipe.format, at: place)
            say("fp8_recipe", recipe.recipe, at: place)
            say("fp8_param_gather", "\(recipe.gathers)", at: place)
            // Nemotron's recipes keep two blocks at each end.
            let ends = word.hasPrefix("nemotron_h") || word.hasPrefix("nanov2") ? 2 : recipe.ends
            if ends > 0 {
                say("first_last_layers_bf16", "true", at: place)
                say("num_layers_at_start_in_bf16", "\(ends)", at: place)
                say("num_layers_at_end_in_bf16", "\(ends)", at: place)
            }
        } else if word.contains("_with_") {
            return false
        }
        return true
    }
}
