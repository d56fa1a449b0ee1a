internal import Costs
internal import Interchange
internal import Plans

/// The line that ends an answer: how the layout goes to the software that runs it.
enum ExportHint {
    /// The command that exports the plan of `file`, or the one that writes it first.
    /// - Parameter file: the plan that is the answer; nil: the command must be run again to write it.
    static func line(_ estimate: Estimate, file: String?) -> String {
        let export = " --to \(target(estimate).rawValue) --out run"
        if let file { return "To run it: trainyard export \(ShellQuoting.quoted(file))" + export }
        let again = CommandLine.arguments.dropFirst().map(ShellQuoting.quoted).joined(separator: " ")
        return "To run it: trainyard \(again) --write-plan answer.yaml && trainyard export answer.yaml" + export
    }

    /// The target of the plan's software.
    static func target(_ estimate: Estimate) -> ExportTarget {
        let plan = estimate.plan
        if plan.train != nil { return .slurm }
        let names = [plan.frameworks.product?.text ?? "", plan.framework(for: estimate.layout).name]
        let targets: [(String, ExportTarget)] = [
            ("torchtitan", .torchtitan), ("torch-fsdp", .torchtitan), ("fms-fsdp", .torchtitan),
            ("deepspeed", .deepspeed),
            ("nanotron", .nanotron), ("gpt-neox", .gptNeoX), ("megatron-bridge", .megatronBridge), ("nemo", .nemo),
        ]
        let match = targets.first { prefix, _ in names.contains { $0.hasPrefix(prefix) } }?.1
        return match ?? .megatronLM
    }
}
