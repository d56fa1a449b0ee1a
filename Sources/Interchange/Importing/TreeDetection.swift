import Reading

/// Tells configurations that are trees of keys by the keys that only one tool has.
enum TreeDetection {
    /// Whether a file is called a tree of keys, or begins like one: with the brace of JSON, a key of YAML, or tables of TOML.
    static func isTree(_ text: String, name: String) -> Bool {
        if [".yaml", ".yml", ".json"].contains(where: { name.lowercased().hasSuffix($0) }) { return true }
        let lines = text.split(whereSeparator: \.isNewline).lazy.map { $0.drop(while: \.isWhitespace) }
        guard let first = lines.first(where: { !$0.isEmpty && !$0.hasPrefix("#") }),
            !first.hasPrefix("--") || first == "---"
        else { return false }
        // The lines of a log may begin like keys.
        if text.contains("- arguments -") || text.hasPrefix("#!") { return false }
        return first.hasPrefix("{") || first == "---"
            || first.prefixMatch(of: #/["']?[A-Za-z_][\w.-]*["']?:(\s|$)/#) != nil
            || TOMLSettings.looks(text)
    }

    /// The format of a tree with a mistake in its syntax, which the reading of the format then reports.
    static func damaged(_ text: String) -> ImportFormat? {
        let marks: [(String, ImportFormat)] = [
            ("_target_: megatron.bridge", .megatronBridge), ("_target_: nemo.", .nemo), ("pre_trainer:", .primus),
            ("pp_engine:", .nanotron), ("is_llama_config:", .nanotron), ("pipe_parallel_size", .gptNeoX),
            ("pipe-parallel-size", .gptNeoX), ("base_emb_dim:", .maxText), ("per_device_batch_size:", .maxText),
            ("tensor_model_parallel_size:", .nemo),
        ]
        return marks.first { text.contains($0.0) }?.1
    }

    /// The format of a tree with these settings; nil: it looks like none that is told here.
    static func format(_ settings: [Setting]) -> ImportFormat? {
        let names = Set(settings.map { $0.name.replacing("-", with: "_") })
        func has(_ keys: String...) -> Bool { keys.allSatisfy(names.contains) }
        func hasSection(_ section: String) -> Bool { names.contains { $0.hasPrefix(section + ".") } }
        let targets = settings.filter { $0.name.hasSuffix("_target_") }.compactMap { setting -> String? in
            guard case .word(let word) = setting.value else { return nil }
            return word
        }
        if targets.contains(where: { $0.hasPrefix("megatron.bridge.") }) { return .megatronBridge }
        if targets.contains(where: { $0.hasPrefix("nemo.") }) { return .nemo }
        if names.contains(where: { $0.hasPrefix("modules.") && $0.contains(".framework") }) { return .primus }
        if has("parallelism.dp", "parallelism.tp") || has("parallelism.pp_engine") || hasSection("model.model_config") {
            return .nanotron
        }
        if has("pipe_parallel_size") || has("model_parallel_size")
            || has("train_micro_batch_size_per_gpu", "num_layers")
        {
            return .gptNeoX
        }
        let isMaxText = [
            "base_emb_dim", "base_num_decoder_layers", "per_device_batch_size", "ici_fsdp_parallelism", "remat_policy",
            "dcn_data_parallelism",
        ].contains(where: names.contains)
        if isMaxText || has("base_config", "model_name") { return .maxText }
        if hasSection("trainer"), hasSection("model") { return .nemo }
        if hasSection("model"), hasSection("train") || has("mixed_precision") || hasSection("ddp") {
            return .megatronBridge
        }
        return nil
    }
}
