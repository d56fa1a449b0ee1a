import Models
import Reading
import TestSupport
import Testing

/// Configurations whose keys contradict each other: every contradiction is named at its key.
@Suite struct ContradictionTests {
    private func problems(_ json: String) throws -> [String] {
        let folder = try TemporaryFolder()
        let path = try folder.write(json, as: "config.json")
        var files = ReadFiles()
        do throws(PlanProblems) {
            _ = try HuggingFaceModel.read(path, library: Checkout.library, files: &files)
            return []
        } catch {
            return error.problems.map { "\($0.line ?? 0): \($0.field): \($0.rule)" }
        }
    }

    @Test func twoSpellingsOfASize() throws {
        let text = """
            {"model_type": "gpt2", "n_head": 12, "n_layer": 2, "vocab_size": 1000,
            "n_embd": 768,
            "hidden_size": SIZE}
            """
        #expect(try problems(text.replacing("SIZE", with: "768")) == [])
        let found = try problems(text.replacing("SIZE", with: "1024"))
        #expect(found == ["2: n_embd: hidden_size is the same size and says 1024"], "\(found)")
    }

    @Test func moreDenseLayersThanLayers() throws {
        let found = try problems(
            """
            {"model_type": "glm4_moe", "hidden_size": 256, "num_attention_heads": 4, "num_hidden_layers": 4,
            "intermediate_size": 512, "vocab_size": 1000, "moe_intermediate_size": 64, "num_experts_per_tok": 2,
            "n_routed_experts": 8, "n_shared_experts": 1, "num_key_value_heads": 2,
            "first_k_dense_replace": 9}
            """)
        #expect(found.contains("4: first_k_dense_replace: must be at most the 4 layers of num_hidden_layers"))
    }

    @Test func typesOfLayersThatDoNotExist() throws {
        let found = try problems(
            """
            {"model_type": "gemma3_text", "hidden_size": 256, "num_attention_heads": 4, "num_key_value_heads": 2,
            "num_hidden_layers": 2, "intermediate_size": 512, "vocab_size": 1000,
            "layer_types": ["sliding_attention", "x"]}
            """)
        #expect(found == ["3: layer_types: is not a type of layer"])
    }

    @Test func patternsOfOtherLettersAndLengths() throws {
        let found = try problems(
            """
            {"model_type": "nemotron_h", "hidden_size": 256, "num_attention_heads": 4, "num_key_value_heads": 2,
            "num_hidden_layers": 4, "intermediate_size": 512, "vocab_size": 1000,
            "hybrid_override_pattern": "M-M*X"}
            """)
        #expect(found.contains("3: hybrid_override_pattern: must be of the letters M, *, - and E, one a layer"))
        #expect(found.contains("3: hybrid_override_pattern: must have a letter for each of the 4 layers"))
    }

    private static let mixture = """
        {"model_type": "qwen3_moe", "hidden_size": 256, "num_attention_heads": 4, "num_hidden_layers": 4,
        "head_dim": 64, "intermediate_size": 512, "vocab_size": 1000, "moe_intermediate_size": 64,
        "num_experts_per_tok": 2, "num_key_value_heads": 2, "decoder_sparse_step": 1,
        "num_experts": 8, "mlp_only_layers": []}
        """

    private func mixture(_ old: String, _ new: String) throws -> [String] {
        #expect(Self.mixture.contains(old))
        return try problems(Self.mixture.replacing(old, with: new))
    }

    @Test(arguments: ["[4]", "[0, 9]"])
    func denseLayersThatAreNotThere(_ list: String) throws {
        #expect(try mixture("[]", "[3]") == [])
        let found = try mixture("[]", list)
        #expect(
            found.count == 1 && found[0].hasPrefix("4: mlp_only_layers: names a layer that is not there"), "\(found)")
    }

    @Test(arguments: ["-1", "1.5", "NaN", "\"3\""])
    func numbersOfLayersThatAreNone(_ value: String) throws {
        #expect(try mixture("[]", "[\(value)]").first?.hasPrefix("4: mlp_only_layers: must be a list of whole") == true)
    }

    /// Of two spellings of the number of experts a type reads one; the other may say no other number.
    @Test(arguments: ["num_local_experts", "n_routed_experts", "moe_num_experts"])
    func twoNumbersOfExperts(_ key: String) throws {
        #expect(try mixture("\"num_experts\": 8", "\"num_experts\": 8, \"\(key)\": 8") == [])
        #expect(
            try mixture("\"num_experts\": 8", "\"num_experts\": 8, \"\(key)\": 16")
                == ["4: \(key): num_experts is the same size and says 8"])
        for wrong in ["-8", "8.5", "NaN"] {
            let found = try mixture("\"num_experts\": 8", "\"num_experts\": 8, \"\(key)\": \(wrong)")
            #expect(found.count == 1 && found[0].hasPrefix("4: \(key): "), "\(found)")
        }
    }

    private static let dense = """
        {"model_type": "llama", "hidden_size": 256,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_hidden_layers": 4, "intermediate_size": 512, "vocab_size": 1000}
        """

    @Test func headsThatDoNotDivideTheHiddenSize() throws {
        let odd = Self.dense.replacing("256", with: "250")
        #expect(
            try problems(odd)
                == ["2: num_attention_heads: must divide the hidden size 250 where no head_dim is given"])
        #expect(try problems(odd.replacing("1000}", with: "1000, \"head_dim\": 64}")) == [])
    }

    /// A Llama reads no types of layers, and yet states a contradiction. Entries for modules of multi-token prediction may follow.
    @Test(arguments: [("llama", 2), ("llama", 5), ("qwen3", 5), ("olmo3", 3), ("gemma3_text", 6)])
    func typesOfMoreOrFewerLayers(_ type: String, _ entries: Int) throws {
        func found(_ entries: Int, _ more: String = "") throws -> [String] {
            let types = Array(repeating: "\"full_attention\"", count: entries).joined(separator: ", ")
            return try problems(
                Self.dense.replacing("\"llama\"", with: "\"\(type)\"")
                    .replacing("1000}", with: "1000,\n\"layer_types\": [\(types)]\(more)}"))
        }
        #expect(try found(4) == [])
        #expect(try found(entries) == ["5: layer_types: must have an entry for each of the 4 layers"])
        #expect(try found(5, ", \"num_nextn_predict_layers\": 1") == [])
    }

    /// Scores of experts are taken by groups.
    @Test func groupsThatDoNotDivideTheExperts() throws {
        let text = """
            {"model_type": "deepseek_v3", "hidden_size": 256, "num_attention_heads": 4, "num_hidden_layers": 4,
            "intermediate_size": 512, "vocab_size": 1000, "moe_intermediate_size": 64, "num_experts_per_tok": 2,
            "n_routed_experts": 8, "n_shared_experts": 1, "q_lora_rank": 64, "kv_lora_rank": 32,
            "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 32, "first_k_dense_replace": 1,
            "n_group": GROUPS,
            "topk_group": REACHED}
            """
        func found(_ groups: String, _ reached: String) throws -> [String] {
            try problems(text.replacing("GROUPS", with: groups).replacing("REACHED", with: reached))
        }
        #expect(try found("4", "2") == [])
        #expect(try found("3", "2") == ["5: n_group: must divide the 8 experts of n_routed_experts"])
        #expect(try found("4", "5") == ["6: topk_group: must be at most the 4 groups of n_group"])
        #expect(try found("3", "4").count == 2)
    }

    /// Each is named at its own key, all at once.
    @Test func severalContradictions() throws {
        let text = Self.mixture.replacing("\"num_key_value_heads\": 2", with: "\"num_key_value_heads\": 3")
            .replacing("\"num_experts_per_tok\": 2", with: "\"num_experts_per_tok\": 9")
            .replacing("[]", with: "[7]").replacing("\"vocab_size\": 1000", with: "\"vocab_size\": -1")
        let found = try problems(text)
        for said in [
            "3: num_experts_per_tok: must be at most the 8 experts", "3: num_key_value_heads: must divide heads 4",
            "4: mlp_only_layers: names a layer that is not there", "2: vocab_size: must be a whole number",
        ] {
            #expect(found.contains { $0.hasPrefix(said) }, "\(said) of \(found)")
        }
        #expect(found.count == 4, "\(found)")
    }

    @Test func stepsOfNoLayers() throws {
        let text = """
            {"model_type": "llama4_text", "hidden_size": 256, "num_attention_heads": 4, "num_key_value_heads": 2,
            "num_hidden_layers": 4, "intermediate_size": 512, "intermediate_size_mlp": 512, "vocab_size": 1000,
            "num_local_experts": 4, "num_experts_per_tok": 1, "head_dim": 64,
            "interleave_moe_layer_step": 1}
            """
        #expect(try problems(text) == [])
        for step in ["0", "-1", "1.5", "NaN"] {
            let found = try problems(text.replacing("step\": 1", with: "step\": \(step)"))
            #expect(
                found.contains { $0.hasPrefix("4: interleave_moe_layer_step: must be a whole number from 1") },
                "\(found)")
        }
    }

    /// JSON lets a key stand twice; whoever reads it takes one of them.
    @Test func repeatedKeys() throws {
        let twice = Self.dense.replacing(
            "\"num_hidden_layers\": 4", with: "\"hidden_size\": 512, \"num_hidden_layers\": 4")
        #expect(try problems(twice) == ["4: hidden_size: is given twice, first on line 1"])
        let deep = Self.dense.replacing(
            "1000}", with: "1000, \"rope_scaling\": {\"a\": [{\"b\": 1, \"b\": 2}], \"c\": \"\\\"c\", \"c\": 2}}")
        let found = try problems(deep)
        #expect(
            found.count == 2 && found.allSatisfy { $0.hasPrefix("4: ") && $0.contains("is given twice") }, "\(found)")
    }
}
