import Foundation
import Models
import Reading
import TestSupport
import Testing

/// A Hugging Face configuration with a mistake: the line in place of that of the same key, and what is said.
struct BrokenConfiguration: Sendable, CustomTestStringConvertible {
    var key: String
    /// The JSON value; nil: the line is left out.
    var value: String?
    /// The whole message behind the path of the file.
    var message: String

    var testDescription: String { "\(key): \(value ?? "left out")" }

    static let all = [
        BrokenConfiguration(
            key: "hidden_size", value: "null",
            message: ":3:18: hidden_size: is missing; a llama configuration needs it"),
        BrokenConfiguration(
            key: "hidden_size", value: "\"64\"",
            message: ":3:18: hidden_size: must be a whole number from 1 to 100,000,000 (found '64')"),
        BrokenConfiguration(
            key: "hidden_size", value: "-64",
            message: ":3:18: hidden_size: must be a whole number from 1 to 100,000,000 (found -64)"),
        BrokenConfiguration(
            key: "num_hidden_layers", value: "100000000000000000000000",
            message: ":4:24: num_hidden_layers: must be a whole number from 1 to 100,000,000 (found 1e+23)"),
        BrokenConfiguration(
            key: "num_hidden_layers", value: "20000",
            message: ":4:24: num_hidden_layers: must be a whole number from 1 to 10000 (found 20000)"),
        BrokenConfiguration(
            key: "intermediate_size", value: "[128]",
            message: ":7:24: intermediate_size: must be a whole number from 1 to 100,000,000 (found a list)"),
        BrokenConfiguration(
            key: "intermediate_size", value: "1.5",
            message: ":7:24: intermediate_size: must be a whole number from 1 to 100,000,000 (found 1.5)"),
        BrokenConfiguration(
            key: "attention_bias", value: "\"yes\"",
            message: ":9:21: attention_bias: must be true or false (found 'yes')"),
        BrokenConfiguration(
            key: "model_type", value: nil,
            message: ":1:1: model_type: is missing; it names the architecture, e.g. \"llama\""),
        BrokenConfiguration(
            key: "frobnication_size", value: "12",
            message: ":10:24: frobnication_size: is not known, and its name is that of a size; "
                + "remove it if it changes no shape"),
        BrokenConfiguration(
            key: "num_key_value_heads", value: "3",
            message:
                ":6:26: num_key_value_heads: must divide heads 4 (found 3); every key/value head serves the same number of "
                + "heads"
        ),
    ]
}

@Suite struct HuggingFaceInputTests {
    /// Attention that is priced with other keys than queries read is said to be.
    /// The blocks of keys of MiniMax-M3, and the compressed keys of DeepSeek-V4, with the indexers that choose them.
    @Test func sparseAttentionIsRead() throws {
        let folder = try TemporaryFolder()
        func shapes(_ json: String) throws -> [BlockShape] {
            var files = ReadFiles()
            let path = try folder.write(json, as: "config.json")
            let read = try HuggingFaceModel.read(path, library: Checkout.library, files: &files)
            #expect(!read.notes.contains { $0.contains("keys of every query") || $0.contains("attention") })
            return (0..<4).map { read.model.shape(ofBlock: $0) }
        }
        let sizes = """
            "hidden_size": 256, "num_attention_heads": 4, "num_key_value_heads": KV, "num_hidden_layers": 4, "head_dim": 64,
            "vocab_size": 1000, "num_experts_per_tok": 2
            """
        let blocks = try shapes(
            """
            {"model_type": "minimax_m3", \(sizes.replacing("KV", with: "2")), "intermediate_size": 64, "num_local_experts": 8,
             "sparse_attention_config": {"sparse_attention_freq": [0, 1, 1, 1], "sparse_num_index_heads": 4,
              "sparse_index_dim": 32, "sparse_topk_blocks": 16, "sparse_block_size": 128}}
            """)
        let chosen = Model.KeyBlocks(size: 128, topK: 16, heads: 4, headSize: 32)
        #expect(blocks.map(\.keyBlocks) == [nil, chosen, chosen, chosen])
        let compressed = try shapes(
            """
            {"model_type": "deepseek_v4", \(sizes.replacing("KV", with: "1")), "moe_intermediate_size": 64,
             "n_routed_experts": 8, "q_lora_rank": 64, "o_groups": 2, "o_lora_rank": 32, "hc_mult": 2, "index_n_heads": 4,
             "index_head_dim": 32, "index_topk": 512, "sliding_window": 128, "compress_ratios": [0, 4, 128, 4]}
            """)
        let best = Model.KeyCompression(
            ratio: 4, overlap: true, indexer: Model.Indexer(heads: 4, headSize: 32, topK: 512))
        #expect(compressed.map(\.keyCompression) == [nil, best, Model.KeyCompression(ratio: 128), best])
        #expect(compressed.allSatisfy { $0.window == 128 })
    }

    private static func text(_ broken: BrokenConfiguration?) -> String {
        var lines = [
            ("model_type", "\"llama\""), ("hidden_size", "64"), ("num_hidden_layers", "2"),
            ("num_attention_heads", "4"),
            ("num_key_value_heads", "2"), ("intermediate_size", "128"), ("vocab_size", "100"),
            ("attention_bias", "false"),
        ]
        if let broken {
            if let place = lines.firstIndex(where: { $0.0 == broken.key }) {
                if let value = broken.value { lines[place].1 = value } else { lines.remove(at: place) }
            } else {
                lines.append((broken.key, broken.value ?? "null"))
            }
        }
        return "{\n" + lines.map { "  \"\($0.0)\": \($0.1)" }.joined(separator: ",\n") + "\n}\n"
    }

    private static func message(_ path: String) -> String {
        var files = ReadFiles()
        do {
            _ = try HuggingFaceModel.read(path, library: Checkout.library, files: &files)
            return "read"
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: BrokenConfiguration.all) func mistakesAreNamedWithTheirPlaces(_ broken: BrokenConfiguration) throws
    {
        let folder = try TemporaryFolder()
        let path = try folder.write(Self.text(broken), as: "config.json")
        #expect(Self.message(path) == path + broken.message)
    }

    @Test func theConfigurationWithoutMistakesIsRead() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Self.text(nil), as: "config.json")
        #expect(Self.message(path) == "read")
        #expect(Self.message(folder.path) == "read")
    }

    @Test func aFileThatIsCutOffHasOneProblem() throws {
        let folder = try TemporaryFolder()
        let text = Self.text(nil)
        for length in [0, 1, 20, 60, text.count - 3] {
            let path = try folder.write(String(text.prefix(length)), as: "cut.json")
            let message = Self.message(path)
            #expect(message.hasPrefix(path) && !message.contains("\n"), "\(length): \(message)")
        }
    }

    @Test func listsShorterThanTheLayersAreReported() throws {
        let folder = try TemporaryFolder()
        let text = """
            {"model_type": "gemma3_text", "hidden_size": 64, "num_hidden_layers": 6, "num_attention_heads": 4,
             "layer_types": ["full_attention"]}
            """
        let path = try folder.write(text, as: "config.json")
        #expect(
            Self.message(path)
                == path + ":2:17: layer_types: must have an entry for each of the 6 layers (found 1 entries); "
                + "or correct num_hidden_layers")
    }

    @Test func aPlaceWithoutAConfigurationIsNamed() throws {
        let folder = try TemporaryFolder()
        #expect(
            Self.message(folder.path)
                == "no Hugging Face configuration there (found '\(folder.path)'); "
                + "name a config.json, a directory with one, or a model in the local cache of the Hub")
    }

    /// Escaped pairs of surrogates and slashes are JSON.
    @Test func jsonThatIsNoYAMLIsRead() throws {
        let folder = try TemporaryFolder()
        let text = Self.text(nil).replacing("\n}", with: ",\n\"note\": \"\\ud83d\\ude00\", \"slash\": \"\\/\"\n}")
        #expect(Self.message(try folder.write(text, as: "config.json")) == "read")
    }
}
