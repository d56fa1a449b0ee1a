internal import Foundation
internal import Models

/// A folder with the adapters of a run, as PEFT writes and reads it: `adapter_model.safetensors` and
/// `adapter_config.json`.
package enum AdapterFile {
    package static let weights = "adapter_model.safetensors"
    package static let configuration = "adapter_config.json"
    package static let names = [weights, configuration]

    /// The folder beside a file of weights: `NAME-adapter` for `NAME.safetensors`.
    package static func folder(beside path: String) -> String {
        let stem = path.hasSuffix(".safetensors") ? String(path.dropLast(12)) : path
        return stem + "-adapter"
    }

    /// Prefix that PEFT gives to the names of the base model's tensors.
    static let prefix = "base_model.model."

    /// Whether a tensor belongs to an adapter.
    static func isAdapter(_ name: String) -> Bool { name.contains(".lora_A.") || name.contains(".lora_B.") }

    /// The configuration of a model's adapters. GPT-2's matrices are stored with their inputs first (`fan_in_fan_out`).
    static func configuration(of model: Model, _ lora: LoRA) throws -> Data {
        let isGPT = model.conventions.joinsProjections
        // PEFT's own word for every matrix; else the ends of their names.
        let targets: Any = lora.targetModules == [LoRA.allLinear] ? LoRA.allLinear : lora.targetModules
        return try JSONSerialization.data(
            withJSONObject: [
                "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": lora.rank, "lora_alpha": lora.alpha,
                "target_modules": targets, "lora_dropout": 0, "bias": "none", "fan_in_fan_out": isGPT,
                "inference_mode": true, "base_model_name_or_path": model.name ?? "",
            ], options: [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes])
    }
}
