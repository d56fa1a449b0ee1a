internal import ArgumentParser
internal import Options

/// `trainyard export-weights`: a folder that transformers opens, written by `trainyard-train`.
struct ExportWeightsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export-weights",
        abstract: "Write trained weights as a Hugging Face folder.",
        discussion: """
            The folder holds config.json, model.safetensors and the run's tokenizer (of bytes, where it had none). The model type \
            is the one that computes what the run did: GPT-2, Llama, Mistral, Qwen 2, Qwen 3, Mixtral or Qwen 3 MoE. Adapters \
            are added to their matrices.

              trainyard export-weights runs/tiny-gpt --to tiny-gpt-hf
              python3 -c 'from transformers import AutoModelForCausalLM as M; M.from_pretrained("tiny-gpt-hf")'

            A plan starts from such a folder, from here or from the Hub:

              model: {hf: tiny-gpt-hf, sequence: 128}
              train: {init: tiny-gpt-hf, …}
            """)

    @OptionGroup var options: ExportWeightsOptions

    func run() throws {
        let ended = try Launcher.run([Launcher.trainProgram(), "export-weights"] + options.arguments)
        if ended.code != 0 { throw ExitCode(ended.code) }
    }
}
