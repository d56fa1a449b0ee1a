package import Plans

extension ExportTarget {
    /// What writes the target's files.
    private var exporter: any Exporter.Type {
        switch self {
        case .megatronLM: MegatronExport.self
        case .torchtitan: TorchtitanExport.self
        case .deepspeed: DeepspeedExport.self
        case .accelerate: AccelerateExport.self
        case .transformers: TransformersExport.self
        case .megatronBridge: BridgeExport.self
        case .nemo: NeMoExport.self
        case .nanotron: NanotronExport.self
        case .gptNeoX: NeoXExport.self
        case .torchSchedule: TorchScheduleExport.self
        case .trainyard: TrainyardExport.self
        case .slurm: SlurmExport.self
        case .pbs: PBSExport.self
        case .lsf: LSFExport.self
        case .mpijob: MPIJobExport.self
        case .jobset: JobSetExport.self
        case .trainjob: TrainJobExport.self
        case .skypilot: SkyPilotExport.self
        case .hostfile: HostfileExport.self
        }
    }

    /// The software that runs the files of `plan`, as `framework` of a plan names it; nil: the plan's own, or whichever.
    package func software(_ plan: Plan) -> String? { exporter.software(plan) }

    /// The files of a plan with a layout.
    package func export(_ plan: Plan, context: ExportContext) -> Export {
        exporter.export(plan, context: context)
    }
}
