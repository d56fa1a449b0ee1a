package import Plans

extension ExportTarget {
    /// What writes the target's files; nil: nothing does yet.
    private var exporter: (any Exporter.Type)? {
        switch self {
        case .megatronLM: MegatronExport.self
        case .megatronBridge: BridgeExport.self
        case .nemo: NeMoExport.self
        case .nanotron: NanotronExport.self
        case .gptNeoX: NeoXExport.self
        case .torchSchedule: TorchScheduleExport.self
        case .trainyard: TrainyardExport.self
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
