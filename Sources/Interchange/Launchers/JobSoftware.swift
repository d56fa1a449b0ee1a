internal import Models
internal import Plans

/// The software that a job runs. The command of every launcher is chosen here and nowhere else.
enum JobSoftware: Hashable {
    /// Our own runtime, a process a device under MPI.
    case trainyard
    /// Megatron-LM's `pretrain_gpt.py`, a process a device under torchrun or MPI.
    case megatronLM

    static func of(_ plan: Plan) -> JobSoftware { plan.train == nil ? .megatronLM : .trainyard }

    /// The software as `framework` of a plan names it; nil: the plan's own.
    var framework: String? { self == .megatronLM ? "megatron-core" : nil }

    /// Takes out of the plan what the software cannot say, and notes each change.
    func fit(_ plan: inout Plan, _ gaps: inout [ExportGap]) {
        guard self == .megatronLM else { return }
        let before = gaps.count
        MegatronExport.fit(&plan, &gaps)
        if let other = Self.other(plan) {
            for index in gaps.indices.dropFirst(before) {
                gaps[index].reason = "the job runs Megatron-LM in place of \(other): \(gaps[index].reason)"
            }
        }
        if (plan.cluster.device.peakFLOPs.values.max() ?? 0) < Device.slowestAccelerator {
            gaps.append(
                ExportGap(
                    "cluster", plan.cluster.name,
                    "its devices are processor cores, which Megatron-LM does not train on; with train: the job runs "
                        + "trainyard-train"))
        } else if let maker = Self.otherMakers.first(where: { plan.cluster.device.name.hasPrefix($0) }) {
            gaps.append(
                ExportGap("cluster", plan.cluster.name, "Megatron-LM trains on GPUs, not on devices of \(maker)"))
        }
    }

    /// Makers of devices that Megatron-LM does not run on.
    private static let otherMakers = ["Google", "Huawei", "Intel", "AWS", "Amazon"]

    /// The software that the plan names, where it is another than Megatron-LM.
    static func other(_ plan: Plan) -> String? {
        guard let named = plan.frameworks.named, !named.hasPrefix("megatron-"), of(plan) == .megatronLM else {
            return nil
        }
        return plan.frameworks.product?.text ?? named
    }
}
