import Models
internal import Plans
internal import Schedules

/// One layout, the model it trains, and how close it must come to one process.
struct LayoutCase {
    /// The models of the table.
    enum Shape: String {
        case untied, tied
        /// Llama with as many key heads as heads, and with two heads to a key head.
        case llama, grouped
        /// Llama with four experts in all blocks but the first, and a shared one in `shared`.
        case experts, shared
        /// Norms of the heads of queries and keys: GPT, llama with two heads to a key head.
        case normedGPT, normed
        /// GPT with tied tables and adapters, and llama with grouped queries and adapters.
        case adaptedGPT, adapted
        /// Llama whose embedding, first block and attention are frozen, and GPT whose documents are packed.
        case frozen, packed
        /// Llama with adapters and packed documents.
        case adaptedPacked
        /// Llama whose sequences hold one document each, and padding.
        case apart
        /// GPT and llama with rates and start values that follow the width, at four times the base.
        case mupGPT, mup

        var model: Model {
            func tuned(_ shape: Shape, _ tuning: Tuning) -> Model {
                var model = shape.model
                model.tune(tuning)
                return model
            }
            let lora = LoRA(rank: 4, alpha: 8, targetModules: [LoRA.allLinear])
            switch self {
            case .adaptedGPT: return tuned(.tied, Tuning(lora: lora))
            case .adapted: return tuned(.grouped, Tuning(lora: lora))
            case .frozen:
                return tuned(.llama, Tuning(frozen: [.embedding, .layers(first: 0, last: 0), .attention]))
            case .packed, .adaptedPacked:
                var model = self == .packed ? Shape.tied.model : Shape.adapted.model
                model.documents = Documents(lengths: [Documents.Length(tokens: 5)])
                return model
            case .apart: return Self.grouped.model
            case .mupGPT: return Self.untied.model
            case .mup: return Self.grouped.model
            case .normedGPT: return Self.untied.model.normingHeads
            case .normed: return Self.grouped.model.normingHeads
            default: break
            }
            return switch self {
            case .untied, .tied:
                Model(
                    family: .gpt, layers: 8, hidden: 32, heads: 4, vocab: 128, sequence: 16,
                    tiedEmbeddings: self == .tied)
            case .experts, .shared:
                Model(
                    family: .llama, layers: 4, hidden: 32, heads: 4, kvHeads: 2, ffn: 48, vocab: 128, sequence: 16,
                    moe: Model.Mixture(
                        experts: 4, topK: 2, ffn: 24, shared: self == .shared ? 1 : 0, firstDense: 1))
            case .llama, .grouped:
                Model(
                    family: .llama, layers: 4, hidden: 32, heads: 4, kvHeads: self == .llama ? 4 : 2, ffn: 48,
                    mlp: self == .llama ? .swiglu : .geglu, vocab: 128, sequence: 16)
            case .adaptedGPT, .adapted, .frozen, .packed, .adaptedPacked, .normedGPT, .normed, .apart,
                .mupGPT, .mup:
                preconditionFailure("\(self) is made of another shape")
            }
        }

        /// How rates and start values follow the width.
        var mup: MaximalUpdate? { self == .mup || self == .mupGPT ? MaximalUpdate(baseWidth: 8) : nil }

        /// The token that ends a document of a packed shape.
        var endOfDocument: Int? { [.packed, .adaptedPacked, .apart].contains(self) ? 40 : nil }
    }

    let name: String
    let shape: Shape
    let layout: Layout
    /// Whether only the order of actions differs from a reference, not the order of any sum.
    let isBitIdentical: Bool
    /// Whether shared memory is left out, as between nodes.
    let sharesMemory: Bool
    /// bf16 is compared with bf16 on one process: a rounding that tips over weighs more there.
    let precision: Precision
    let optimizer: Optimizer

    init(
        _ name: String, _ shape: Shape = .untied, _ layout: Layout, bits: Bool = false, sharesMemory: Bool = true,
        precision: Precision = .fp32, optimizer: Optimizer = Optimizer()
    ) {
        self.name = name + (shape == .untied ? "" : " " + shape.rawValue)
        self.shape = shape
        self.layout = layout
        isBitIdentical = bits
        self.sharesMemory = sharesMemory
        self.precision = precision
        self.optimizer = optimizer
    }

    static let all =
        schedules + emptyStages + tensor + data + recompute + partlyRecomputed + combined + llama + context + experts
        + cutExperts + mixedPrecision + headNorms + optimizers + tuned + apart + mup

    /// Every schedule; stages of whole blocks change no sum, so the weights are those of one process to the bit.
    static let schedules: [LayoutCase] = ScheduleName.allCases.flatMap { schedule in
        [2, 4].flatMap { ranks -> [LayoutCase] in
            let stages = schedule.fixedVirtualStages ?? 2
            let layout = Layout(pipeline: ranks, virtualStages: stages, schedule: schedule)
            return [
                // Two copies of a stage add their micro-batches in another order; so does looped BFS, which goes back
                // through them from the last to the first.
                LayoutCase(
                    "\(schedule.rawValue) on \(ranks)", .untied, layout,
                    bits: !schedule.isBidirectional && schedule != .loopedBFS),
                LayoutCase("\(schedule.rawValue) on \(ranks)", .tied, layout),
            ].dropLast(ranks == 2 ? 1 : 0)
        }
    }

    /// Ends on stages of their own, and stages that only pass on what comes in.
    static let emptyStages: [LayoutCase] = [
        LayoutCase("ends alone 1f1b", .untied, Layout(pipeline: 4, layersPerStage: [0, 4, 4, 0]), bits: true),
        LayoutCase("ends alone 1f1b", .tied, Layout(pipeline: 4, layersPerStage: [0, 4, 4, 0])),
        LayoutCase(
            "head alone data 2", .tied, Layout(data: 2, pipeline: 2, sharding: .gradients, layersPerStage: [8, 0])),
        LayoutCase(
            "ends alone data 2 parameters", .untied,
            Layout(data: 2, pipeline: 2, sharding: .parameters, layersPerStage: [0, 8])),
        LayoutCase(
            "nothing in the middle zb-h1", .untied,
            Layout(pipeline: 4, schedule: .zeroBubbleH1, layersPerStage: [4, 0, 4, 0]), bits: true),
        LayoutCase(
            "ends alone interleaved", .tied,
            Layout(
                pipeline: 2, virtualStages: 2, schedule: .interleaved, recompute: .full, layersPerStage: [0, 4, 4, 0])),
        LayoutCase(
            "ends alone zbv", .untied,
            Layout(
                pipeline: 2, virtualStages: 2, schedule: .zeroBubbleV, recompute: .full, layersPerStage: [0, 8, 0, 0]),
            bits: true),
        LayoutCase(
            "ends alone tensor sequence", .tied,
            Layout(tensor: 2, pipeline: 2, sequenceParallel: true, layersPerStage: [8, 0])),
        LayoutCase(
            "ends alone dualpipe", .untied,
            Layout(pipeline: 4, virtualStages: 2, schedule: .dualPipe, layersPerStage: [0, 4, 4, 0])),
        LayoutCase("head alone", .shared, Layout(data: 2, pipeline: 2, expert: 2, layersPerStage: [4, 0])),
        LayoutCase(
            "head alone", .llama, Layout(pipeline: 2, context: 2, layersPerStage: [4, 0])),
    ]

    static let tensor: [LayoutCase] = [2, 4].flatMap { degree in
        [false, true].flatMap { sequence in
            [LayoutCase.Shape.untied, .tied].map { shape in
                LayoutCase(
                    "tensor \(degree)" + (sequence ? " sequence" : ""), shape,
                    Layout(tensor: degree, sequenceParallel: sequence))
            }
        }
    }

    static let data: [LayoutCase] = Layout.Sharding.allCases.flatMap { sharding in
        [
            LayoutCase("data 2 \(sharding.rawValue)", .untied, Layout(data: 2, sharding: sharding)),
            LayoutCase("data 4 \(sharding.rawValue)", .tied, Layout(data: 4, sharding: sharding)),
            LayoutCase(
                "data 2 pipeline 2 \(sharding.rawValue)", .tied, Layout(data: 2, pipeline: 2, sharding: sharding)),
            LayoutCase(
                "data 2 \(sharding.rawValue) by messages", .untied, Layout(data: 2, sharding: sharding),
                sharesMemory: false),
        ]
    }

    static let recompute: [LayoutCase] = [Layout.Recompute.selective, .full].flatMap { recompute in
        [
            LayoutCase("recompute \(recompute.rawValue)", .untied, Layout(recompute: recompute), bits: true),
            LayoutCase(
                "recompute \(recompute.rawValue) 1f1b", .untied, Layout(pipeline: 2, recompute: recompute), bits: true),
            LayoutCase(
                "recompute \(recompute.rawValue) zbv", .untied,
                Layout(pipeline: 2, virtualStages: 2, schedule: .zeroBubbleV, recompute: recompute), bits: true),
            LayoutCase(
                "recompute \(recompute.rawValue) tensor sequence", .tied,
                Layout(tensor: 2, recompute: recompute, sequenceParallel: true)),
        ]
    }

    /// The first blocks of every stage computed again, the others kept.
    static let partlyRecomputed: [LayoutCase] = [
        LayoutCase("recompute 1 of 8", .untied, Layout(recompute: .full, recomputeLayers: 1), bits: true),
        LayoutCase(
            "recompute 1 a stage interleaved", .tied,
            Layout(pipeline: 2, virtualStages: 2, schedule: .interleaved, recompute: .full, recomputeLayers: 1)),
        LayoutCase(
            "recompute 1 a stage zbv", .untied,
            Layout(pipeline: 2, virtualStages: 2, schedule: .zeroBubbleV, recompute: .full, recomputeLayers: 1),
            bits: true),
        LayoutCase(
            "recompute 1 a stage zb-h1", .shared,
            Layout(pipeline: 2, schedule: .zeroBubbleH1, recompute: .full, recomputeLayers: 1), bits: true),
        LayoutCase("recompute 3 of 4", .shared, Layout(recompute: .full, recomputeLayers: 3), bits: true),
        LayoutCase("recompute every second", .untied, Layout(recompute: .full).every(2), bits: true),
        LayoutCase(
            "recompute every third zb-h1", .untied,
            Layout(pipeline: 2, schedule: .zeroBubbleH1, recompute: .full).every(3), bits: true),
        LayoutCase(
            "recompute by stage interleaved", .tied,
            Layout(pipeline: 2, virtualStages: 2, schedule: .interleaved, recompute: .full).byStage([2, 1, 0, 1])),
        LayoutCase(
            "recompute every second zbv", .shared,
            Layout(pipeline: 2, virtualStages: 2, schedule: .zeroBubbleV, recompute: .full).every(2), bits: true),
        LayoutCase("recompute 9 of 4", .llama, Layout(recompute: .full, recomputeLayers: 9), bits: true),
    ]

    static let combined: [LayoutCase] = [
        LayoutCase("tensor 2 pipeline 2", .tied, Layout(tensor: 2, pipeline: 2)),
        LayoutCase("tensor 2 pipeline 2 data 2", .tied, Layout(data: 2, tensor: 2, pipeline: 2)),
        LayoutCase(
            "tensor 2 pipeline 2 data 2 sequence zb-h1 optimizer", .untied,
            Layout(
                data: 2, tensor: 2, pipeline: 2, schedule: .zeroBubbleH1, sharding: .optimizer, sequenceParallel: true)),
        LayoutCase(
            "tensor 2 dualpipev data 2 parameters", .tied,
            Layout(data: 2, tensor: 2, pipeline: 2, virtualStages: 2, schedule: .dualPipeV, sharding: .parameters)),
        LayoutCase(
            "chimera data 2 optimizer", .tied,
            Layout(data: 2, pipeline: 2, virtualStages: 2, schedule: .chimera, sharding: .optimizer)),
        LayoutCase(
            "dualpipe tensor 2 sequence full", .tied,
            Layout(
                tensor: 2, pipeline: 2, virtualStages: 2, schedule: .dualPipe, recompute: .full, sequenceParallel: true)
        ),
        LayoutCase(
            "dualpipe gradients", .tied,
            Layout(pipeline: 4, virtualStages: 2, schedule: .dualPipe, sharding: .gradients)),
        LayoutCase(
            "dualpipe data 2 parameters", .untied,
            Layout(data: 2, pipeline: 2, virtualStages: 2, schedule: .dualPipe, sharding: .parameters)),
        LayoutCase(
            "chimera data 2 gradients by messages", .tied,
            Layout(data: 2, pipeline: 4, virtualStages: 2, schedule: .chimera, sharding: .gradients),
            sharesMemory: false
        ),
        LayoutCase(
            "chimera tensor 2 sequence full parameters", .tied,
            Layout(
                tensor: 2, pipeline: 4, virtualStages: 2, schedule: .chimera, recompute: .full, sharding: .parameters,
                sequenceParallel: true)),
        LayoutCase(
            "uneven stages", .tied, Layout(pipeline: 3, layersPerStage: [1, 5, 2])),
        LayoutCase(
            "tensor 2 pipeline 4 sequence by messages", .tied,
            Layout(tensor: 2, pipeline: 4, sequenceParallel: true), sharesMemory: false),
        LayoutCase(
            "interleaved-zb data 2 gradients", .tied,
            Layout(
                data: 2, pipeline: 2, virtualStages: 2, schedule: .interleavedZeroBubble, sharding: .gradients)),
    ]

    static let llama: [LayoutCase] = [
        LayoutCase("pipeline 2", .llama, Layout(pipeline: 2), bits: true),
        LayoutCase("zbv", .grouped, Layout(pipeline: 2, virtualStages: 2, schedule: .zeroBubbleV), bits: true),
        LayoutCase("tensor 4", .llama, Layout(tensor: 4)),
        LayoutCase("tensor 2 sequence", .grouped, Layout(tensor: 2, sequenceParallel: true)),
        LayoutCase("data 2 parameters", .grouped, Layout(data: 2, sharding: .parameters)),
        LayoutCase("recompute full", .grouped, Layout(recompute: .full), bits: true),
        LayoutCase("recompute selective", .llama, Layout(recompute: .selective), bits: true),
        LayoutCase(
            "tensor 2 pipeline 2 data 2 sequence dualpipev gradients", .grouped,
            Layout(
                data: 2, tensor: 2, pipeline: 2, virtualStages: 2, schedule: .dualPipeV, sharding: .gradients,
                sequenceParallel: true)),
    ]

    static let context: [LayoutCase] = [
        LayoutCase("context 2", .untied, Layout(context: 2)),
        LayoutCase("context 4", .tied, Layout(context: 4)),
        LayoutCase("context 8", .llama, Layout(context: 8)),
        LayoutCase("context 2", .grouped, Layout(context: 2)),
        LayoutCase("context 2 data 2 parameters", .tied, Layout(data: 2, context: 2, sharding: .parameters)),
        LayoutCase(
            "context 2 pipeline 2 tensor 2 sequence", .tied,
            Layout(tensor: 2, pipeline: 2, context: 2, sequenceParallel: true)),
        LayoutCase(
            "context 2 zb-h1 selective", .grouped,
            Layout(pipeline: 2, context: 2, schedule: .zeroBubbleH1, recompute: .selective)),
        LayoutCase("context 4 full", .untied, Layout(context: 4, recompute: .full)),
    ]

    static let experts: [LayoutCase] = [
        LayoutCase("pipeline 2", .experts, Layout(pipeline: 2), bits: true),
        LayoutCase("data 2", .experts, Layout(data: 2)),
        LayoutCase("data 2 expert 2", .experts, Layout(data: 2, expert: 2)),
        LayoutCase("data 4 expert 4", .shared, Layout(data: 4, expert: 4)),
        LayoutCase("data 4 expert 2", .shared, Layout(data: 4, expert: 2)),
        LayoutCase("data 2 expert 2 by messages", .shared, Layout(data: 2, expert: 2), sharesMemory: false),
        LayoutCase("context 2 expert 2", .shared, Layout(context: 2, expert: 2)),
        LayoutCase("data 4 expert 2 optimizer", .experts, Layout(data: 4, expert: 2, sharding: .optimizer)),
        LayoutCase("data 4 expert 2 parameters", .shared, Layout(data: 4, expert: 2, sharding: .parameters)),
        LayoutCase("recompute full", .shared, Layout(recompute: .full), bits: true),
        LayoutCase(
            "pipeline 2 data 2 expert 2 zb-h1 selective", .shared,
            Layout(data: 2, pipeline: 2, expert: 2, schedule: .zeroBubbleH1, recompute: .selective)),
        LayoutCase(
            "chimera data 2 expert 2", .shared,
            Layout(data: 2, pipeline: 2, virtualStages: 2, expert: 2, schedule: .chimera)),
        LayoutCase(
            "zbv context 2 data 2 expert 4 full gradients", .shared,
            Layout(
                data: 2, pipeline: 2, virtualStages: 2, context: 2, expert: 4, schedule: .zeroBubbleV, recompute: .full,
                sharding: .gradients)),
    ]

    /// Experts whole on every tensor rank, shared out among them, and cut.
    static let cutExperts: [LayoutCase] = [
        LayoutCase("tensor 2", .experts, Layout(tensor: 2)),
        LayoutCase("tensor 2 sequence", .shared, Layout(tensor: 2, sequenceParallel: true)),
        LayoutCase("tensor 2 expert 2", .shared, Layout(tensor: 2, expert: 2)),
        LayoutCase("tensor 2 sequence expert 2", .experts, Layout(tensor: 2, expert: 2, sequenceParallel: true)),
        LayoutCase("tensor 2 optimizer", .experts, Layout(tensor: 2, sharding: .optimizer)),
        LayoutCase(
            "tensor 2 sequence gradients", .shared, Layout(tensor: 2, sharding: .gradients, sequenceParallel: true)),
        LayoutCase("tensor 2 parameters", .shared, Layout(tensor: 2, sharding: .parameters)),
        LayoutCase(
            "tensor 2 pipeline 2 parameters by messages", .experts,
            Layout(tensor: 2, pipeline: 2, sharding: .parameters), sharesMemory: false),
        LayoutCase("tensor 2 cut 2", .experts, Layout(tensor: 2, expertTensor: 2)),
        LayoutCase("tensor 2 cut 2", .shared, Layout(tensor: 2, expertTensor: 2)),
        LayoutCase("tensor 2 sequence cut 2", .shared, Layout(tensor: 2, expertTensor: 2, sequenceParallel: true)),
        LayoutCase("data 4 expert 2 cut 2", .shared, Layout(data: 4, expert: 2, expertTensor: 2)),
        LayoutCase(
            "tensor 2 data 4 expert 2 cut 4 by messages", .shared,
            Layout(data: 4, tensor: 2, expert: 2, expertTensor: 4), sharesMemory: false),
        LayoutCase(
            "tensor 2 data 4 sequence expert 2 cut 2 optimizer", .shared,
            Layout(
                data: 4, tensor: 2, expert: 2, expertTensor: 2, sharding: .optimizer, sequenceParallel: true)),
        LayoutCase(
            "tensor 2 pipeline 2 data 2 sequence expert 4 zb-h1", .shared,
            Layout(
                data: 2, tensor: 2, pipeline: 2, expert: 4, schedule: .zeroBubbleH1, sequenceParallel: true)),
        LayoutCase(
            "tensor 2 pipeline 2 data 2 expert 2 cut 2 interleaved optimizer", .shared,
            Layout(
                data: 2, tensor: 2, pipeline: 2, virtualStages: 2, expert: 2, expertTensor: 2,
                schedule: .interleaved, sharding: .optimizer)),
        LayoutCase(
            "tensor 2 context 2 data 2 sequence expert 2 cut 2 full gradients", .shared,
            Layout(
                data: 2, tensor: 2, context: 2, expert: 2, expertTensor: 2, recompute: .full, sharding: .gradients,
                sequenceParallel: true)),
        LayoutCase(
            "tensor 2 zbv data 2 cut 2 parameters", .shared,
            Layout(
                data: 2, tensor: 2, pipeline: 2, virtualStages: 2, expertTensor: 2, schedule: .zeroBubbleV,
                sharding: .parameters)),
        LayoutCase(
            "tensor 2 dualpipe sequence expert 2", .shared,
            Layout(
                tensor: 2, pipeline: 2, virtualStages: 2, expert: 2, schedule: .dualPipe, sequenceParallel: true)),
        LayoutCase(
            "dualpipe data 2 tensor 2 cut 2 selective parameters", .shared,
            Layout(
                data: 2, tensor: 2, pipeline: 2, virtualStages: 2, expertTensor: 2, schedule: .dualPipe,
                recompute: .selective, sharding: .parameters)),
    ]

    /// Rates and start values by the width of the whole model, whichever part of a matrix a rank holds or steps.
    static let mup: [LayoutCase] = [
        LayoutCase("1f1b", .mupGPT, Layout(pipeline: 2), bits: true),
        LayoutCase("data 2 optimizer", .mupGPT, Layout(data: 2, sharding: .optimizer)),
        LayoutCase("data 4 parameters", .mup, Layout(data: 4, sharding: .parameters)),
        LayoutCase("tensor 2", .mup, Layout(tensor: 2)),
        LayoutCase("tensor 4 sequence", .mupGPT, Layout(tensor: 4, sequenceParallel: true)),
        LayoutCase(
            "data 2 tensor 2 zbv gradients", .mupGPT,
            Layout(data: 2, tensor: 2, pipeline: 2, virtualStages: 2, schedule: .zeroBubbleV, sharding: .gradients)),
    ]

    /// Norms of heads: the ranks of a tensor group each have some of the heads and add up the gradients of their weights.
    static let headNorms: [LayoutCase] = [
        LayoutCase("pipeline 2", .normed, Layout(pipeline: 2), bits: true),
        LayoutCase("zbv", .normedGPT, Layout(pipeline: 2, virtualStages: 2, schedule: .zeroBubbleV), bits: true),
        LayoutCase("recompute full", .normed, Layout(recompute: .full), bits: true),
        LayoutCase("recompute selective", .normedGPT, Layout(recompute: .selective), bits: true),
        LayoutCase("tensor 2", .normed, Layout(tensor: 2)),
        LayoutCase("tensor 4 sequence", .normedGPT, Layout(tensor: 4, sequenceParallel: true)),
        LayoutCase("tensor 2 by messages", .normedGPT, Layout(tensor: 2), sharesMemory: false),
        LayoutCase("data 2 parameters", .normed, Layout(data: 2, sharding: .parameters)),
        LayoutCase("context 2", .normed, Layout(context: 2)),
        LayoutCase(
            "tensor 2 pipeline 2 context 2 sequence zb-h1 full gradients", .normed,
            Layout(
                tensor: 2, pipeline: 2, context: 2, schedule: .zeroBubbleH1, recompute: .full, sharding: .gradients,
                sequenceParallel: true)),
        LayoutCase(
            "tensor 2 data 2 dualpipe parameters", .normed,
            Layout(data: 2, tensor: 2, pipeline: 2, virtualStages: 2, schedule: .dualPipe, sharding: .parameters)),
        LayoutCase("bf16 tensor 2 sequence", .normed, Layout(tensor: 2, sequenceParallel: true), precision: .bf16),
    ]
}
