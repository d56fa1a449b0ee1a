import Reading
import Testing

import Plans

/// Words of other tools lead to ours.
@Suite struct SynonymTests {
    @Test(arguments: [
        ("tp", "tensor"), ("pp", "pipeline"), ("dp", "data"), ("cp", "context"), ("ep", "expert"),
        ("tensor_model_parallel_size", "tensor"), ("zero3", "sharding"), ("fsdp", "sharding"), ("zero", "sharding"),
        ("micro-batch-size", "microbatch"), ("vpp", "virtualStages"),
    ])
    func layoutKeys(_ word: String, _ ours: String) {
        let lines = PlanText.problems(BadPlan.good.replacing("  tensor: 2", with: "  \(word): 2"))
        #expect(lines.contains { $0.contains("layout.\(word): unknown key; did you mean '\(ours)'?") }, "\(lines)")
    }

    /// The keys of `config.json` of gpt2, Llama, Mixtral and DeepSeek-V3 on the Hugging Face hub.
    @Test(arguments: [
        ("num_hidden_layers", "layers"), ("hidden_size", "hidden"), ("num_attention_heads", "heads"),
        ("num_key_value_heads", "kvHeads"), ("intermediate_size", "ffn"), ("vocab_size", "vocab"),
        ("max_position_embeddings", "sequence"), ("tie_word_embeddings", "tiedEmbeddings"), ("head_dim", "headSize"),
        ("hidden_act", "mlp"), ("model_type", "family"), ("n_layer", "layers"), ("n_embd", "hidden"),
        ("n_head", "heads"), ("n_positions", "sequence"), ("num_local_experts", "moe.experts"),
        ("n_routed_experts", "moe.experts"), ("num_experts_per_tok", "moe.topK"),
        ("moe_intermediate_size", "moe.ffn"), ("n_shared_experts", "moe.shared"),
        ("first_k_dense_replace", "moe.firstDense"), ("kv_lora_rank", "mla.kvRank"), ("q_lora_rank", "mla.queryRank"),
        ("qk_nope_head_dim", "mla.nopeSize"), ("qk_rope_head_dim", "mla.ropeSize"), ("v_head_dim", "mla.valueSize"),
    ])
    func modelKeys(_ word: String, _ ours: String) {
        let lines = PlanText.problems(BadPlan.good.replacing("  layers: 12", with: "  layers: 12\n  \(word): 2"))
        #expect(lines.contains { $0.contains("model.\(word): unknown key; did you mean '\(ours)'?") }, "\(lines)")
    }

    @Test(arguments: [
        ("tp: 8", "'layout.tensor'"), ("gpus: 8", "'devices'"), ("global_batch_size: 8", "'batch'"),
        ("num_layers: 8", "'model.layers'"), ("dtype: bf16", "'precision'"), ("lr: 1", "'train.learningRate'"),
        ("gpu: a100", "'cluster'"),
    ])
    func keysOfThePlan(_ line: String, _ ours: String) {
        let lines = PlanText.problems(BadPlan.good + "\n" + line)
        #expect(lines.contains { $0.contains("unknown key; did you mean \(ours)?") }, "\(lines)")
    }

    @Test func shardingByItsOtherNames() {
        for (word, ours) in [("zero3", "parameters"), ("fsdp", "parameters"), ("zero-1", "optimizer"), ("ddp", "none")]
        {
            let lines = PlanText.problems(
                BadPlan.good.replacing("  tensor: 2", with: "  tensor: 2\n  sharding: \(word)"))
            #expect(lines.contains { $0.contains("did you mean '\(ours)'?") }, "\(lines)")
        }
        #expect(Wording.didYouMean("zero3", among: ["data", "zero-1", "zero-2", "zero-3"]) == "did you mean 'zero-3'?")
        let help = "Error: Unknown option '--tp'\nUsage: a [--tensor <tensor>]\n  See 'a --help' for more information."
        #expect(Wording.usage("Unknown option '--tp'", help: help).contains("did you mean '--tensor'?"))
    }

    /// A suggestion is a word that is known, or lies under one.
    @Test func nothingUnknownIsSuggested() {
        #expect(Synonyms.ours("tp", among: ["data"]) == nil)
        #expect(Synonyms.ours("num_experts", among: ["experts"]) == "experts")
        #expect(Synonyms.names(like: "", among: ["a"]).isEmpty && Synonyms.names(like: "---", among: ["a"]).isEmpty)
    }
}
