import Models
internal import Plans
internal import Schedules

extension LayoutCase {
    /// Muon orthogonalises whole matrices, however ranks cut them; bf16 moments, Lion and SGD go by single numbers.
    static let optimizers: [LayoutCase] = {
        var half = Optimizer()
        (half.firstMoment, half.secondMoment) = (.bf16, .bf16)
        let layouts: [(String, Shape, Layout)] = [
            ("tensor 2 sequence", .untied, Layout(tensor: 2, sequenceParallel: true)),
            ("tensor 2 data 2", .grouped, Layout(data: 2, tensor: 2)),
            ("pipeline 2", .tied, Layout(pipeline: 2)),
            ("experts 2 cut 2", .experts, Layout(data: 2, tensor: 2, expert: 2, expertTensor: 2)),
            ("context 2", .llama, Layout(context: 2)),
        ]
        let sharded: [(String, Shape, Layout)] = [
            ("data 4 optimizer", .untied, Layout(data: 4, sharding: .optimizer)),
            ("data 2 parameters", .tied, Layout(data: 2, sharding: .parameters)),
        ]
        return [
            ("muon", Optimizer(.muon)), ("lion", Optimizer(.lion)), ("sgd", Optimizer(.sgd)), ("bf16 moments", half),
        ]
        .flatMap { name, optimizer in
            (layouts + (optimizer.name == .muon ? [] : sharded)).map { layout in
                LayoutCase("\(name) \(layout.0)", layout.1, layout.2, optimizer: optimizer)
            }
        }
    }()

    /// Adapters, frozen parts and packed documents, in every way that a run is split.
    static let tuned: [LayoutCase] =
        [
            LayoutCase("pipeline 2", .adapted, Layout(pipeline: 2), bits: true),
            LayoutCase("pipeline 4 zb-h1", .adaptedGPT, Layout(pipeline: 4, schedule: .zeroBubbleH1)),
            LayoutCase("tensor 2", .adapted, Layout(tensor: 2)),
            LayoutCase("tensor 4", .adaptedGPT, Layout(tensor: 4)),
            LayoutCase("tensor 2 sequence", .adapted, Layout(tensor: 2, sequenceParallel: true)),
            LayoutCase("tensor 2 sequence", .adaptedGPT, Layout(tensor: 2, sequenceParallel: true)),
            LayoutCase("context 2", .adapted, Layout(context: 2)),
            LayoutCase("recompute full", .adapted, Layout(recompute: .full), bits: true),
            LayoutCase("recompute selective", .adaptedGPT, Layout(recompute: .selective), bits: true),
            LayoutCase(
                "tensor 2 pipeline 2 data 2 sequence zbv parameters", .adapted,
                Layout(
                    data: 2, tensor: 2, pipeline: 2, virtualStages: 2, schedule: .zeroBubbleV, sharding: .parameters,
                    sequenceParallel: true)),
            LayoutCase("pipeline 2", .frozen, Layout(pipeline: 2), bits: true),
            LayoutCase("pipeline 4", .frozen, Layout(pipeline: 4), bits: true),
            LayoutCase("tensor 2 sequence", .frozen, Layout(tensor: 2, sequenceParallel: true)),
            LayoutCase(
                "dualpipe data 2 parameters", .frozen,
                Layout(data: 2, pipeline: 2, virtualStages: 2, schedule: .dualPipe, sharding: .parameters)),
            LayoutCase("pipeline 4", .packed, Layout(pipeline: 4), bits: false),
            LayoutCase("tensor 2 sequence", .packed, Layout(tensor: 2, sequenceParallel: true)),
            LayoutCase("data 2 gradients", .packed, Layout(data: 2, sharding: .gradients)),
            LayoutCase(
                "tensor 2 pipeline 2 data 2 zb-h1 optimizer full", .adaptedPacked,
                Layout(
                    data: 2, tensor: 2, pipeline: 2, schedule: .zeroBubbleH1, recompute: .full, sharding: .optimizer)),
        ]
        + Layout.Sharding.allCases.flatMap { sharding in
            [
                LayoutCase("data 2 \(sharding.rawValue)", .adapted, Layout(data: 2, sharding: sharding)),
                LayoutCase("data 2 \(sharding.rawValue)", .frozen, Layout(data: 2, sharding: sharding)),
                LayoutCase(
                    "data 2 \(sharding.rawValue) by messages", .adaptedGPT, Layout(data: 2, sharding: sharding),
                    sharesMemory: false),
            ]
        }

    static let mixedPrecision: [LayoutCase] = [
        LayoutCase("pipeline 2", .adapted, Layout(pipeline: 2), precision: .bf16),
        LayoutCase("bf16 pipeline 2", .untied, Layout(pipeline: 2), bits: true, precision: .bf16),
        LayoutCase(
            "bf16 zbv", .grouped, Layout(pipeline: 2, virtualStages: 2, schedule: .zeroBubbleV), bits: true,
            precision: .bf16),
        LayoutCase("bf16 tensor 2 sequence", .tied, Layout(tensor: 2, sequenceParallel: true), precision: .bf16),
        LayoutCase("bf16 data 2 parameters", .shared, Layout(data: 2, sharding: .parameters), precision: .bf16),
    ]

    /// The mean is over the tokens of all ranks that another follows, however many of them a rank has.
    static let apart: [LayoutCase] = [
        LayoutCase("pipeline 2", .apart, Layout(pipeline: 2), bits: true),
        LayoutCase("data 4 parameters", .apart, Layout(data: 4, sharding: .parameters)),
        LayoutCase("tensor 2 sequence", .apart, Layout(tensor: 2, sequenceParallel: true)),
        LayoutCase("context 2 zb-h1", .apart, Layout(pipeline: 2, context: 2, schedule: .zeroBubbleH1)),
        LayoutCase(
            "tensor 2 data 2 dualpipe", .apart,
            Layout(data: 2, tensor: 2, pipeline: 2, virtualStages: 2, schedule: .dualPipe)),
    ]
}
