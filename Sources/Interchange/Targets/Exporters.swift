package import Plans

extension ExportTarget {
    /// What writes the target's files; nil: nothing does yet.
    private var exporter: (any Exporter.Type)? {
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
        default: nil
        }
    }

    /// The targets that can be written.
    package static var written: [ExportTarget] { allCases.filter { $0.exporter != nil } }

    /// The files of a plan with a layout.
    package func export(_ plan: Plan, context: ExportContext) -> Export {
        exporter?.export(plan, context: context) ?? Export(files: [], gaps: [], plan: plan)
    }
}
