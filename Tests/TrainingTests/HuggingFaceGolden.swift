import Foundation
import TestSupport
import Testing
import Training

/// What transformers computes from tiny models (`bench/pytorch/huggingface_golden.py`).
struct HuggingFaceGolden {
    struct Case {
        /// The text of `config.json`.
        var configuration: [String: Any]
        var tensors: [(name: String, shape: [Int])]
        var loss: Double
        var logits: [[Float]]

        /// Writes the model's folder, with the formula's weights.
        /// - Parameters:
        ///   - changes: keys of the configuration with other values.
        ///   - change: makes other tensors of the model's.
        func write(
            to folder: TemporaryFolder, scale: Float, _ changes: [String: Any] = [:],
            tensors change: ([(name: String, shape: [Int])]) -> [(name: String, shape: [Int])] = { $0 }
        ) throws {
            let keys = configuration.merging(changes) { $1 }
            try folder.write(JSONSerialization.data(withJSONObject: keys), as: "config.json")
            try FormulaModel.write(
                change(tensors), scale: scale, to: URL(filePath: folder["model.safetensors"]))
        }
    }

    let scale: Float
    let sequence: Int
    let every: Int
    let models: [String: Case]

    static let names = [
        "gpt2", "gpt2-untied", "llama3", "llama-linear", "mistral", "qwen2", "qwen3", "mixtral", "qwen3-moe",
    ]

    init() throws {
        let data = try Data(contentsOf: URL(filePath: Checkout.root + "/Tests/Goldens/huggingface_logits.json"))
        let all = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        scale = try #require((all["scale"] as? NSNumber)?.floatValue)
        sequence = try #require(all["sequence"] as? Int)
        every = try #require(all["every"] as? Int)
        models = try #require(all["models"] as? [String: [String: Any]]).mapValues { one in
            Case(
                configuration: try #require(one["config"] as? [String: Any]),
                tensors: try #require(one["tensors"] as? [[Any]]).map { pair in
                    (try #require(pair[0] as? String), try #require(pair[1] as? [Int]))
                },
                loss: try #require((one["loss"] as? NSNumber)?.doubleValue),
                logits: try #require(one["logits"] as? [[NSNumber]]).map { $0.map(\.floatValue) })
        }
    }

    func model(_ name: String) throws -> Case { try #require(models[name]) }

    /// The first sequence of the formula's text.
    var tokens: [Int32] { formulaText(count: sequence).map(Int32.init) }

    /// The rows of all logits that the golden file has.
    func chosen(_ logits: [[Float]]) -> [[Float]] {
        stride(from: every - 1, to: sequence, by: every).map { logits[$0] }
    }

    /// The largest distance between two lists of logits.
    static func distance(_ one: [[Float]], _ other: [[Float]]) -> Float {
        zip(one, other).flatMap { zip($0, $1).map { abs($0 - $1) } }.max() ?? .infinity
    }
}
