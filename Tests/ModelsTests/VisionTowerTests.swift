import Models
import Reading
import TestSupport
import Testing

/// Vision towers beside language models, against the sums of tensors of transformers 5.24's modules on weightless tensors.
@Suite struct VisionTowerTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var outer: String
        /// The language model's type and the tower's configuration.
        var text = "llama"
        var more = ""
        var tower: String
        var parameters: Int
        var projector: Int

        var testDescription: String { name }

        var json: String {
            """
            {"model_type": "\(outer)", \(more)"vision_config": {\(tower)},
             "text_config": {"model_type": "\(text)", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1,
              "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 128}}
            """
        }
    }

    private static func sizes(_ hidden: Int, _ ffn: Int, _ layers: Int, _ image: Int, _ patch: Int) -> String {
        "\"hidden_size\": \(hidden), \"intermediate_size\": \(ffn), \"num_hidden_layers\": \(layers), "
            + "\"num_attention_heads\": 16, \"image_size\": \(image), \"patch_size\": \(patch)"
    }
    private static func qwen(_ type: String, _ more: String) -> String {
        "\"model_type\": \"\(type)\", \"num_heads\": 16, \"spatial_merge_size\": 2, \"temporal_patch_size\": 2, \(more)"
    }
    private static let siglip = "\"model_type\": \"siglip_vision_model\", \"vision_use_head\": false, "

    static let rows: [Row] = [
        Row(
            name: "LLaVA 1.5", outer: "llava",
            tower: "\"model_type\": \"clip_vision_model\", \(sizes(1024, 4096, 24, 336, 14))",
            parameters: 303_507_456, projector: 69_760),
        Row(
            name: "Pixtral 12B", outer: "llava", text: "mistral",
            tower: "\"model_type\": \"pixtral\", \(sizes(1024, 4096, 24, 1024, 16))",
            parameters: 403_489_792, projector: 69_760),
        Row(
            name: "Mistral Small 3.1", outer: "mistral3", text: "mistral",
            tower: "\"model_type\": \"pixtral\", \(sizes(1024, 4096, 24, 1540, 14))",
            parameters: 403_305_472, projector: 4_264_960),
        Row(
            name: "Gemma 3", outer: "gemma3", text: "gemma3_text", tower: siglip + sizes(1152, 4304, 27, 896, 14),
            parameters: 416_866_032, projector: 74_880),
        Row(
            name: "SigLIP with its head", outer: "gemma3", text: "gemma3_text",
            tower: "\"model_type\": \"siglip_vision_model\", \(sizes(1152, 4304, 27, 896, 14))",
            parameters: 416_866_032 + 15_238_352, projector: 74_880),
        Row(
            name: "Qwen2-VL", outer: "qwen2_vl", text: "qwen2_vl_text",
            tower: qwen("qwen2_vl", "\"depth\": 32, \"embed_dim\": 1280, \"hidden_size\": 3584, \"mlp_ratio\": 4"),
            parameters: 675_759_104 - 44_575_744, projector: 44_575_744),
        Row(
            name: "Qwen2.5-VL", outer: "qwen2_5_vl", text: "qwen2_5_vl_text",
            tower: qwen(
                "qwen2_5_vl",
                "\"depth\": 32, \"hidden_size\": 1280, \"intermediate_size\": 3420, \"out_hidden_size\": 3584"),
            parameters: 676_550_144 - 44_574_464, projector: 44_574_464),
        Row(
            name: "Qwen3-VL", outer: "qwen3_vl", text: "qwen3_vl_text",
            tower: qwen(
                "qwen3_vl",
                "\"depth\": 27, \"hidden_size\": 1152, \"intermediate_size\": 4304, \"out_hidden_size\": 4096, "
                    + "\"patch_size\": 16, \"num_position_embeddings\": 2304, \"deepstack_visual_indexes\": [8, 16, 24]"
            ),
            parameters: 576_388_336 - 160_496_896, projector: 160_496_896),
        Row(
            name: "Llama 4", outer: "llama4", text: "llama4_text",
            tower: "\"model_type\": \"llama4_vision_model\", \"vision_output_dim\": 4096, "
                + sizes(1408, 5632, 34, 336, 14),
            parameters: 850_960_896 - 39_845_888, projector: 39_845_888 + 262_144),
        Row(
            name: "Idefics 3", outer: "idefics3", more: "\"scale_factor\": 2, ",
            tower: "\"model_type\": \"idefics3_vision\", \(sizes(1152, 4304, 27, 364, 14))",
            parameters: 412_926_192, projector: 294_912),
        Row(
            name: "Kimi K2.5", outer: "kimi_k25", text: "llama",
            tower: "\"vt_hidden_size\": 1152, \"vt_intermediate_size\": 4304, \"vt_num_hidden_layers\": 27, "
                + "\"vt_num_attention_heads\": 16, \"patch_size\": 14, \"init_pos_emb_height\": 64, "
                + "\"init_pos_emb_width\": 64, \"merge_kernel_size\": [2, 2], \"mm_projector_type\": \"patchmerger\"",
            parameters: 416_866_032, projector: 21_535_552),
        Row(
            name: "Step 3.7", outer: "step3p7", text: "llama",
            tower: "\"model_type\": \"step3p5_vision\", \"width\": 1536, \"layers\": 47, \"heads\": 16",
            parameters: 1_955_848_960, projector: 393_216),
    ]

    private func read(_ json: String) throws -> HuggingFaceModel {
        let file = try TemporaryFolder()
        let path = try file.write(json, as: "config.json")
        var files = ReadFiles()
        return try HuggingFaceModel.read(path, library: Checkout.library, files: &files)
    }

    @Test(arguments: rows) func countsAreThoseOfTransformers(_ row: Row) throws {
        let reading = try read(row.json)
        let tower = try #require(reading.visionTowers.first)
        #expect(reading.towers == ["vision_config"] && reading.visionTowers.count == 1)
        #expect(tower.parameters == row.parameters && tower.projector == row.projector, "\(tower.words)")
        #expect(reading.remarks(isSequenceStated: true).contains { $0.text.contains(tower.words) })
    }

    /// A tower of another type is named, not counted; one with impossible sizes does not keep the language model away.
    @Test(arguments: ["\"model_type\": \"swin\"", "\"model_type\": \"clip_vision_model\", \"hidden_size\": -1"])
    func otherTowersAreNamedAlone(_ tower: String) throws {
        let reading = try read(
            Row(name: "", outer: "llava", tower: tower, parameters: 0, projector: 0).json)
        #expect(reading.towers == ["vision_config"] && reading.visionTowers.isEmpty)
    }
}
