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
        #expect(
            try problems(text.replacing("SIZE", with: "1024"))
                == ["2: n_embd: hidden_size is the same size and says 1024"])
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
}
