import Models
import Numbers
import Plans
import TestSupport

/// Draws the choices of a training run beside model and layout: its optimizer and its loss. Most plans have the
/// standard ones.
///
/// Numbers of its own, so that a new choice leaves all plans as they were.
struct RandomTraining {
    private var numbers: SplitMix64

    init(seed: UInt64) { numbers = SplitMix64(seed: SplitMix64.mixed(seed ^ 0x0c7)) }

    mutating func add(to plan: inout Plan) {
        if numbers.chance(0.4) { plan.optimizer = optimizer(plan) }
        recipe(&plan)
        if numbers.chance(0.2) {
            plan.loss = LossComputation(numbers.pick([.fused, .chunked]))
            if plan.loss.kind == .chunked { plan.loss.chunks = numbers.pick([1, 2, 8, 8, 64]) }
        }
    }

    /// Two of three runs in fp8 have a recipe; MXFP8 and NVFP4 are ones.
    private mutating func recipe(_ plan: inout Plan) {
        guard [.fp8, .mxfp8, .nvfp4].contains(plan.precision) else { return }
        guard
            var recipe = plan.recipe
                ?? numbers.pick([nil] + [.delayed, .tensorwise, .blockwise].map { Optional(Recipe($0)) })
        else { return }
        // Delayed scaling takes neither of these modules.
        if recipe.scaling == .delayed { plan.layout?.recomputeModules.subtract([.norms, .expertActivation]) }
        recipe.parameterGather = numbers.chance(0.3)
        let shapes = plan.model.kinds.isEmpty ? [plan.model.block] : plan.model.kinds.map(\.shape)
        if shapes.allSatisfy({ $0.mlp == .swiglu || !$0.halves.hasFeedForward }) {
            // No draw of its own, so that the other choices of a plan stay as they are.
            recipe.activationFuncFP8InputStore = plan.batch.isMultiple(of: 2)
        }
        if numbers.chance(0.3) {
            recipe.bf16LayersAtStart = min(numbers.pick([0, 1, 2]), plan.model.layers)
            recipe.bf16LayersAtEnd = min(numbers.pick([0, 1, 4]), plan.model.layers - recipe.bf16LayersAtStart)
        }
        plan.statedRecipe = recipe
    }

    private mutating func optimizer(_ plan: Plan) -> Optimizer {
        let layout = plan.layout ?? Layout()
        let whole = layout.shardRanks == layout.data * layout.context || layout.sharding == .none
        let names = Optimizer.Name.allCases.filter {
            Optimizer($0).sharding.contains(layout.sharding) && ($0 != .muon || whole)
        }
        // Those that only some kinds of sharding hold are drawn more often where they can be.
        var optimizer = Optimizer(numbers.pick(names + names.filter { $0 == .muon || $0 == .adafactor }))
        if optimizer.name == .sgd || optimizer.name == .adafactor { optimizer.momentum = numbers.chance(0.5) }
        if optimizer.keepsFirst { optimizer.firstMoment = numbers.pick(Optimizer.Moment.allCases) }
        if optimizer.keepsSecond { optimizer.secondMoment = numbers.pick(Optimizer.Moment.allCases) }
        switch plan.precision {
        case .fp32: break
        case .fp16: optimizer.master = numbers.pick([.fp32, .fp32, .fp16, .none])
        case .bf16, .fp8, .mxfp8, .nvfp4: optimizer.master = numbers.pick(Optimizer.Master.allCases)
        }
        if optimizer.name == .muon {
            optimizer.newtonSchulzSteps = numbers.pick([5, 5, 3])
            optimizer.tensorMode = numbers.pick(Optimizer.TensorMode.allCases)
        }
        return optimizer
    }
}
