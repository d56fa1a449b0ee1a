internal import Reading

extension Configuration {
    /// The keys of this configuration that nobody has asked for: they change no shape. A key that no type has, and whose
    /// name is that of a size, is reported.
    func unasked(table: TypeFactsTable) -> [String] {
        let others = keys.filter { !asked.contains($0) }
        for key in others where isSize(key) && !Self.harmless.contains(key) && !table.isKnown(key) {
            report(
                key, rule: "is not known, and its name is that of a size", fix: "remove it if it changes no shape")
        }
        return others
    }

    /// Whether a key has the name and the value of a size.
    private func isSize(_ key: String) -> Bool {
        guard let count = value(key)?.count, count > 1 else { return false }
        return key.split(separator: "_").contains { Self.wordsOfSizes.contains($0) }
    }

    private static let wordsOfSizes: Set<Substring> = [
        "size", "sizes", "dim", "dims", "rank", "head", "heads", "layer", "layers", "expert", "experts", "width",
        "depth",
        "groups", "channels", "kernel", "streams",
    ]

    /// Keys with names of sizes that change no tensor: those of published files whose code is not in transformers.
    private static let harmless: Set<String> = [
        "ep_size", "pretraining_tp", "num_mtp_modules", "tp_size", "expert_parallel_size", "attn_window_size",
        "mtp_num_layers", "mtp_num_hidden_layers", "max_batch_size", "num_fp8_layers", "logits_chunk_size",
        "experts_per_token", "mtp_transformer_layers", "num_mtp_layers", "num_dense_layers", "cla_share_factor",
        "num_shared_expert", "mlp_ffn_hidden_size", "group_size", "micro_batch_size", "global_batch_size",
        "dp_size", "pp_size", "kv_cache_size", "kv_layer", "initial_context_length", "seq_length",
        "model_parallel_size",
        "tensor_parallel_size", "pipeline_parallel_size", "num_hidden_layers_mtp", "quant_group_size", "mm_hidden_size",
        "mm_vision_select_layer", "mm_resampler_depth", "image_size", "patch_size", "num_image_layers",
        "linear_attn_kernel_size", "softmax_head_size", "original_num_hidden_layers", "padded_layers",
        "num_layers_to_finetune", "dim_model_base", "max_draft_layers", "draft_num_hidden_layers", "num_medusa_heads",
        "num_eagle_layers", "early_exit_layer", "exit_layer",
    ]
}
