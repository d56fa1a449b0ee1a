/// The names that papers and other tools give to the schedules.
extension ScheduleName {
    /// The schedule of a name: its own, or one of the field's (`zb1p`, `ZBVZeroBubble`, `Schedule1F1B`, `DualPipeV` …).
    /// Capitals, hyphens, underscores and spaces do not matter; neither does PyTorch's `Schedule` in front.
    package init?(named name: String) {
        if let exact = ScheduleName(rawValue: name) {
            self = exact
            return
        }
        var key = String(name.lowercased().filter { $0 != "-" && $0 != "_" && $0 != " " })
        if key.hasPrefix("schedule") { key.removeFirst("schedule".count) }
        guard let known = ScheduleName.allCases.first(where: { $0.keys.contains(key) }) else { return nil }
        self = known
    }

    /// Other names in use, as they are written there.
    package var aliases: [String] {
        switch self {
        // PyTorch; PaddlePaddle.
        case .gpipe: ["GPipe", "FThenB"]
        // PyTorch; Megatron-LM's paper and DeepSpeed's; Fan et al. 2021.
        case .oneForwardOneBackward: ["1F1B", "OneForwardOneBackward", "PipeDream-Flush", "DAPPLE"]
        // PyTorch; Megatron-LM; PaddlePaddle.
        case .interleaved: ["Interleaved1F1B", "Interleaved", "1F1B-Interleaved", "Interleaving", "VPP"]
        // PyTorch; Lamy-Poirier 2022.
        case .loopedBFS: ["LoopedBFS", "BFS", "Breadth-First", "BreadthFirstPP"]
        // Qi et al. 2023 and their code; DeepSeek-V3.
        case .zeroBubbleH1: ["ZBH1", "ZB1P", "ZeroBubbleH1"]
        case .zeroBubbleH2: ["ZBH2", "ZB2P", "ZeroBubbleH2"]
        // PyTorch.
        case .interleavedZeroBubble: ["InterleavedZeroBubble", "Interleaved-ZB1P"]
        // PyTorch; the paper.
        case .zeroBubbleV: ["ZBVZeroBubble", "ZB-V", "ZeroBubbleV"]
        case .vHalf: ["V-Half", "ZBV-Half"]
        case .vMin: ["V-Min", "ZBV-Min"]
        case .dualPipe: ["DualPipe"]
        case .dualPipeV: ["DualPipeV", "Cut-in-half"]
        case .chimera: ["Chimera"]
        }
    }

    /// The names with all that does not matter left out.
    private var keys: [String] {
        ([rawValue] + aliases).map { $0.lowercased().filter { $0 != "-" && $0 != "_" && $0 != " " } }
    }
}
