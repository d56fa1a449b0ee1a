/// What a plan can be written for.
package enum ExportTarget: String, CaseIterable, Sendable {
    case megatronLM = "megatron-lm"
    case megatronBridge = "megatron-bridge"
    case nemo, torchtitan, deepspeed, nanotron
    case gptNeoX = "gpt-neox"
    case accelerate, transformers
    case torchSchedule = "torch-schedule"
    case trainyard, slurm, pbs, lsf, mpijob, jobset, trainjob, skypilot, hostfile

    /// The release of the tool that the files are for.
    package var version: String {
        switch self {
        case .megatronLM: "Megatron-LM core_r0.16 and later"
        case .megatronBridge: "Megatron-Bridge 0.3"
        case .nemo: "NeMo 25.09"
        case .torchtitan: "torchtitan 0.3"
        case .deepspeed: "DeepSpeed 0.19"
        case .nanotron: "nanotron 0.4"
        case .gptNeoX: "GPT-NeoX 2.0"
        case .accelerate: "accelerate 1.15"
        case .transformers: "transformers 5.24"
        case .torchSchedule: "PyTorch 2.13"
        case .trainyard: "Trainyard"
        case .slurm: "Slurm 22.05 and later"
        case .pbs: "OpenPBS 23"
        case .lsf: "IBM Spectrum LSF 10.1"
        case .mpijob: "Kubeflow MPI Operator v2beta1"
        case .jobset: "JobSet v1alpha2"
        case .trainjob: "Kubeflow Trainer v1alpha1"
        case .skypilot: "SkyPilot 0.14"
        case .hostfile: "Open MPI 4.1 and 5"
        }
    }
    /// Whether files are for a release that is named by its number, `0.19`, as `version` has it.
    package func isFor(_ release: some StringProtocol) -> Bool {
        let words = version.split(separator: " ").map(String.init)
        return words.contains { $0 == release || $0.hasSuffix("_r" + release) }
    }
}
