import Foundation
import Models
import Numbers
import Plans
import Reading
import TestSupport
import Testing
import Training

/// Folders with a model as Hugging Face's tools keep it, in and out.
@Suite struct HuggingFaceTests {
    let golden: HuggingFaceGolden
    init() throws { golden = try HuggingFaceGolden() }

    private func logits(_ path: String) throws -> [[Float]] {
        try WholeModel(weights: path).logits(of: [golden.tokens])[0]
    }

    @Test(arguments: HuggingFaceGolden.names) func logitsAreTransformers(_ name: String) throws {
        let (folder, model) = (try TemporaryFolder(), try golden.model(name))
        try model.write(to: folder, scale: golden.scale)
        let ours = golden.chosen(try logits(folder.path))
        #expect(ours.count == model.logits.count)
        #expect(HuggingFaceGolden.distance(ours, model.logits) < 1e-4)
    }

    /// Each of these values shows in the logits: a reader that ignored it would fail the test above.
    @Test(
        arguments: [
            ("gpt2", "layer_norm_epsilon", 1e-5), ("llama3", "rms_norm_eps", 1e-5), ("llama3", "rope_theta", 10_000.0),
            ("llama3", "rope_scaling", nil), ("llama-linear", "rope_parameters", nil), ("qwen3", "rope_scaling", nil),
            ("mistral", "sliding_window", nil), ("mixtral", "num_experts_per_tok", 1.0),
        ] as [(String, String, Double?)]) func everyValueCounts(_ name: String, _ key: String, _ other: Double?) throws
    {
        let (folder, model) = (try TemporaryFolder(), try golden.model(name))
        let whole = other.flatMap { Int(exactly: $0) }.map { $0 as Any }
        try model.write(to: folder, scale: golden.scale, [key: whole ?? other.map { $0 as Any } ?? NSNull()])
        let ours = golden.chosen(try logits(folder.path))
        #expect(HuggingFaceGolden.distance(ours, model.logits) > 1e-3)
    }

    /// A model that is written again and read again is the same, number for number.
    @Test(arguments: HuggingFaceGolden.names) func exportedModelsAreReadAgain(_ name: String) throws {
        let (folder, model) = (try TemporaryFolder(), try golden.model(name))
        try model.write(to: folder, scale: golden.scale)
        let written = try HuggingFaceExport.write(folder.path, to: folder["out"])
        #expect(written.modelType == model.configuration["model_type"] as? String)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder["out"]).sorted() == written.files.sorted())
        let (before, after) = (
            try SafeTensorsFile(path: folder["model.safetensors"]),
            try SafeTensorsFile(path: folder["out/model.safetensors"])
        )
        #expect(after.metadata == ["format": "pt"])
        #expect(before.entries.mapValues(\.shape) == after.entries.mapValues(\.shape))
        #expect(try logits(folder["out"]) == logits(folder.path))
        // Again, of the export, byte for byte.
        _ = try HuggingFaceExport.write(folder["out"], to: folder["again"])
        for file in written.files {
            #expect(
                try Data(contentsOf: URL(filePath: folder["out/\(file)"]))
                    == Data(contentsOf: URL(filePath: folder["again/\(file)"])))
        }
    }

    /// bf16 halves the weights, and a folder of them is read.
    @Test func roundedWeightsAreReadAgain() throws {
        let (folder, model) = (try TemporaryFolder(), try golden.model("qwen2"))
        try model.write(to: folder, scale: golden.scale)
        let written = try HuggingFaceExport.write(folder.path, to: folder["out"], format: .bf16)
        let whole = try HuggingFaceExport.write(folder.path, to: folder["whole"])
        #expect(written.parameters == whole.parameters && written.bytes < whole.bytes - written.parameters)
        let distance = HuggingFaceGolden.distance(try logits(folder["out"]), try logits(folder.path))
        #expect(distance > 0 && distance < 0.1)
    }

    /// Tensors in several files, which an index lists; and all experts of a block in one tensor.
    @Test func shardsAndJoinedExpertsAreRead() throws {
        let (folder, model) = (try TemporaryFolder(), try golden.model("qwen3-moe"))
        try model.write(to: folder, scale: golden.scale)
        let expected = try logits(folder.path)
        let names = model.tensors.map(\.name).sorted()
        let (first, second) = (names.prefix(9), names.dropFirst(9))
        for (part, file) in [(Array(first), "one.safetensors"), (Array(second), "two.safetensors")] {
            try FormulaModel.write(
                model.tensors.filter { part.contains($0.name) }, scale: golden.scale, to: URL(filePath: folder[file]))
        }
        let map = Dictionary(
            uniqueKeysWithValues: names.map { ($0, first.contains($0) ? "one.safetensors" : "two.safetensors") })
        func index(_ map: [String: String]) throws {
            try folder.write(
                JSONSerialization.data(withJSONObject: ["metadata": [:], "weight_map": map]),
                as: "model.safetensors.index.json")
        }
        try FileManager.default.removeItem(atPath: folder["model.safetensors"])
        try index(map)
        #expect(try logits(folder.path) == expected)

        for (file, words) in [
            ("three.safetensors", "there is no file three.safetensors"),
            ("../one.safetensors", "must name a .safetensors file in the same folder"),
            ("one.bin", "must name a .safetensors file in the same folder"),
            ("two.safetensors", "is not in two.safetensors, where it is listed"),
        ] {
            var other = map
            other["lm_head.weight"] = file
            try index(other)
            #expect("\(Self.problem { _ = try logits(folder.path) })".contains(words), "\(file)")
        }
    }

    @Test func folderOfTheHubsCacheIsRead() throws {
        let (folder, model) = (try TemporaryFolder(), try golden.model("gpt2"))
        try model.write(to: folder, scale: golden.scale)
        let snapshot = folder["models--a--b/snapshots/0123"]
        try FileManager.default.createDirectory(atPath: snapshot, withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: folder["models--a--b/refs"], withIntermediateDirectories: true)
        try folder.write("0123", as: "models--a--b/refs/main")
        for name in ["config.json", "model.safetensors"] {
            try FileManager.default.createSymbolicLink(atPath: snapshot + "/" + name, withDestinationPath: folder[name])
        }
        #expect(try logits(folder["models--a--b"]) == logits(folder.path))
    }

    // MARK: refusals

    private static func problem(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "nothing"
        } catch {
            return "\(error)"
        }
    }

    /// A folder that is not what its configuration says, and what is said.
    struct Wrong: Sendable, CustomTestStringConvertible {
        var model = "llama-linear"
        var key = ""
        /// JSON of the value.
        var value = "null"
        var words: String
        var testDescription: String { "\(model) \(key): \(value)" }

        static let all = [
            Wrong(key: "hidden_act", value: "\"gelu\"", words: "hidden_act: the runtime computes"),
            Wrong(
                model: "gpt2", key: "activation_function", value: "\"gelu\"",
                words: "activation_function: the runtime computes gelu_new"),
            Wrong(
                key: "rope_parameters", value: "{\"rope_type\": \"dynamic\", \"factor\": 2.0, \"rope_theta\": 1e4}",
                words: "rope_parameters.rope_type: the runtime scales by linear, llama3 and yarn (found 'dynamic')"),
            Wrong(
                key: "rope_parameters", value: "{\"rope_type\": \"linear\", \"rope_theta\": 1e4}",
                words: "rope_parameters.factor: is missing"),
            Wrong(
                key: "rope_parameters", value: "{\"rope_type\": \"default\", \"rope_theta\": \"big\"}",
                words: "rope_parameters.rope_theta: must be a number"),
            Wrong(
                key: "rope_parameters", value: "{\"full_attention\": {\"rope_theta\": 1e4}}",
                words: "rope_parameters: the runtime turns all layers alike"),
            Wrong(key: "rms_norm_eps", value: "-1", words: "rms_norm_eps: must be a number"),
            Wrong(
                key: "partial_rotary_factor", value: "0.5",
                words: "partial_rotary_factor: the runtime turns whole heads"),
            Wrong(key: "attention_bias", value: "true", words: "model.biases"),
            Wrong(key: "num_key_value_heads", value: "4", words: "k_proj.weight has shape [64, 64]"),
            Wrong(key: "num_hidden_layers", value: "3", words: "model.layers.2."),
            Wrong(key: "num_hidden_layers", value: "1", words: "is no part of the llama"),
            Wrong(key: "model_type", value: "\"qwen3\"", words: "q_norm.weight is missing"),
            Wrong(key: "model_type", value: "\"phi3\"", words: "model_type: the runtime reads weights of gpt2"),
            Wrong(key: "tie_word_embeddings", value: "true", words: "lm_head.weight is not the table of tokens"),
            Wrong(key: "quantization_config", value: "{\"bits\": 4}", words: "quantization_config"),
            Wrong(model: "gpt2", key: "scale_attn_weights", value: "false", words: "scale_attn_weights"),
            Wrong(model: "qwen3-moe", key: "norm_topk_prob", value: "false", words: "norm_topk_prob"),
            Wrong(model: "llama3", key: "hidden_size", value: "32", words: "has shape"),
        ]
    }

    @Test(arguments: Wrong.all) func foldersThatLieAreRefused(_ wrong: Wrong) throws {
        let (folder, model) = (try TemporaryFolder(), try golden.model(wrong.model))
        let value = try JSONSerialization.jsonObject(with: Data(wrong.value.utf8), options: .fragmentsAllowed)
        try model.write(to: folder, scale: golden.scale, [wrong.key: value])
        let said = Self.problem { _ = try logits(folder.path) }
        #expect(said.contains(wrong.words), "\(said)")
        #expect(!said.contains("\n"))
    }

    /// Any value under any key is read or refused in one line, and stops nothing.
    @Test func wrongValuesStopNothing() throws {
        var random = SplitMix64(seed: 5)
        let values: [Any] = [
            -1, 0, 1, 3, 1 << 40, Int.max, 1e308, -0.5, 1e-300, "", "yarn", "gelu", true, false, NSNull(), [1, 2],
            [Any](),
            ["rope_type": "yarn", "factor": 1e9], ["rope_type": "llama3", "factor": -1], [String: Any](),
        ]
        var refused = 0
        for _ in 0..<300 {
            let model = try golden.model(
                HuggingFaceGolden.names[Int(random.next() % UInt64(HuggingFaceGolden.names.count))])
            let keys = model.configuration.keys.sorted()
            let key = keys[Int(random.next() % UInt64(keys.count))]
            let value = values[Int(random.next() % UInt64(values.count))]
            let folder = try TemporaryFolder()
            try model.write(to: folder, scale: golden.scale, [key: value])
            let said = Self.problem {
                let source = try HuggingFaceFolder(path: folder.path)
                try source.check(source.model())
            }
            if said != "nothing" { refused += 1 }
            #expect(!said.contains("\n"), "\(key): \(value)")
        }
        #expect(refused > 100 && refused < 300)
    }

    @Test func missingFilesAreNamed() throws {
        let (folder, model) = (try TemporaryFolder(), try golden.model("qwen2"))
        try model.write(to: folder, scale: golden.scale)
        try FileManager.default.moveItem(atPath: folder["config.json"], toPath: folder["other.json"])
        #expect(Self.problem { _ = try logits(folder.path) } != "nothing")
        try FileManager.default.moveItem(atPath: folder["other.json"], toPath: folder["config.json"])
        try model.write(to: folder, scale: golden.scale) { $0.filter { !$0.name.hasSuffix("1.self_attn.q_proj.bias") } }
        #expect(
            Self.problem { _ = try logits(folder.path) }.contains("model.layers.1.self_attn.q_proj.bias is missing"))
        try FileManager.default.removeItem(atPath: folder["model.safetensors"])
        #expect(Self.problem { _ = try logits(folder.path) }.contains("holds neither model.safetensors nor"))
    }

    /// An export goes nowhere but into a new folder, or over an earlier export.
    @Test func exportsReplaceNothingElse() throws {
        let (folder, model) = (try TemporaryFolder(), try golden.model("gpt2"))
        try model.write(to: folder, scale: golden.scale)
        func said(_ target: String, overwrites: Bool = false) -> String {
            Self.problem { _ = try HuggingFaceExport.write(folder.path, to: target, overwrites: overwrites) }
        }
        #expect(said(folder["out"]) == "nothing")
        #expect(said(folder["out"]).contains("is there already and not empty"))
        #expect(said(folder["out"], overwrites: true) == "nothing")
        try folder.write("mine", as: "out/notes.txt")
        #expect(said(folder["out"], overwrites: true).contains("holds notes.txt, which no export wrote"))
        #expect(try folder.read("out/notes.txt") == "mine")
        #expect(said(folder["config.json"]).contains("no folder"))
        #expect(said(folder.path, overwrites: true).contains("is a run, a checkpoint or what is read"))
        try FileManager.default.createDirectory(atPath: folder["empty"], withIntermediateDirectories: true)
        #expect(said(folder["empty"]) == "nothing")
        // Nothing half-written stays.
        #expect(try folder.names.allSatisfy { !$0.hasPrefix(".") })
    }

    /// A shape that no model type computes is refused with the property, not written as something else.
    @Test(arguments: ["model.moe.shared", "model.moe.firstDense", "model.biases", "model.mlp"])
    func shapesOfNoTypeAreRefused(_ field: String) throws {
        var model = Model(family: .llama, layers: 2, hidden: 16, heads: 2, ffn: 16, vocab: 256, sequence: 8)
        _ = try WrittenConfiguration(model, format: "float32")
        switch field {
        case "model.moe.shared": model.moe = Model.Mixture(experts: 2, topK: 1, ffn: 8, shared: 1)
        case "model.moe.firstDense": model.moe = Model.Mixture(experts: 2, topK: 1, ffn: 8, firstDense: 1)
        case "model.biases":
            model.biases = [.attentionInput]
            model.block.qkNorm = .head
        default: model.mlp = .reglu
        }
        #expect(Self.problem { _ = try WrittenConfiguration(model, format: "float32") }.contains(field))
    }

    /// A byte's character in a tokenizer file is GPT-2's.
    @Test func bytesHaveGPT2sCharacters() throws {
        let (folder, model) = (try TemporaryFolder(), try golden.model("gpt2"))
        try model.write(to: folder, scale: golden.scale)
        _ = try HuggingFaceExport.write(folder.path, to: folder["out"])
        let file = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: folder["out/tokenizer.json"])))
        let vocab = try #require(((file as? [String: Any])?["model"] as? [String: Any])?["vocab"] as? [String: Int])
        // A model of 96 entries has no tokens for the other bytes.
        #expect(vocab.count == 96 && vocab["!"] == 33 && vocab["Ġ"] == 32 && vocab["Ċ"] == 10 && vocab["Ā"] == 0)
    }
}
