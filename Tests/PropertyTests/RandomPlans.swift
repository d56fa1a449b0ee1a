import Models
import Numbers
import Plans
import Schedules
import TestSupport

/// Draws plans over the whole width of what a plan file can say.
///
/// Degrees come first and the shape is drawn to suit them, so that most plans obey the rules; whether one does is asked
/// of the rules themselves.
struct RandomPlans {
    private var numbers: SplitMix64
    private var features: RandomFeatures
    private var choices: RandomChoices
    private var parts: RandomParts
    private var training: RandomTraining
    private var exchanges: RandomExchanges
    private var pictures: RandomPictures
    private var vocabulary: RandomVocabulary

    init(seed: UInt64) {
        numbers = SplitMix64(seed: seed)
        exchanges = RandomExchanges(seed: seed)
        features = RandomFeatures(seed: seed)
        choices = RandomChoices(seed: seed)
        parts = RandomParts(seed: seed)
        training = RandomTraining(seed: seed)
        pictures = RandomPictures(seed: seed)
        vocabulary = RandomVocabulary(seed: seed)
    }

    /// Clusters that plans train on: a phone only answers.
    static let clusters = Checkout.clusters.filter { $0.name != "phone-4g" }

    /// Plans that were drawn, and those of them that obey every rule.
    struct Drawn: Sendable {
        var legal: [Plan] = []
        var drawn = 0
    }

    /// Draws until `count` plans obey the rules, or many times as many do not.
    static func legal(_ count: Int, seed: UInt64) -> Drawn {
        var source = RandomPlans(seed: seed)
        var result = Drawn()
        while result.legal.count < count, result.drawn < 20 * count {
            result.drawn += 1
            let plan = source.next()
            if plan.isLegal { result.legal.append(plan) }
        }
        return result
    }

    mutating func next() -> Plan {
        let (name, cluster) = numbers.pick(named: Self.clusters.map { ($0.name, $0.cluster) })
        var layout = degrees(node: cluster.devicesPerNode)
        var model = self.model(&layout)
        features.add(to: &model, layout)
        parts.add(to: &model, layout)
        pictures.add(to: &model, layout)
        options(&layout, model: model, cluster: cluster)
        choices.change(&layout, model: model)
        let microbatches = self.microbatches(layout)
        let precision = numbers.pick(Precision.allCases.filter { cluster.device.peakFLOPs[$0] != nil })
        var frameworks = Checkout.frameworks
        frameworks.named = numbers.chance(0.4) ? nil : numbers.pick(named: frameworks.known.map { ($0.key, ()) }).name
        var plan = Plan(
            name: "random", model: model, tokens: numbers.chance(0.5) ? 1e12 : nil, cluster: cluster,
            devices: layout.devices, batch: layout.data * layout.microbatch * microbatches, precision: precision,
            layout: layout, frameworks: frameworks)
        plan.cluster.name = name
        training.add(to: &plan)
        // What is drawn last breaks no rule, so that the same plans are legal with it and without.
        guard plan.isLegal else { return plan }
        var exchanged = plan
        exchanges.add(to: &layout, model)
        exchanged.layout = layout
        let last = exchanged.isLegal ? exchanged : plan
        return vocabulary.changed(last) ?? last
    }

    // MARK: - Degrees

    private mutating func degrees(node: Int) -> Layout {
        var layout = Layout()
        layout.tensor = numbers.pick([1, 1, 1, 2, 2, 4, 8, 3, 5, 6, 7, 16])
        layout.pipeline = numbers.pick([1, 1, 1, 2, 2, 3, 4, 4, 6, 8])
        layout.context = numbers.pick([1, 1, 1, 1, 2, 4, 3])
        layout.data = numbers.pick([1, 2, 2, 3, 4, 8, 12, 16, 64])
        layout.schedule =
            layout.pipeline == 1
            ? numbers.pick([.oneForwardOneBackward, .gpipe])
            : numbers.pick(named: ScheduleName.allCases.map { ($0.rawValue, $0) }).value
        layout.virtualStages = layout.schedule.fixedVirtualStages ?? numbers.pick([1, 2, 2, 3])
        layout.microbatch = numbers.pick([1, 1, 2, 3, 4])
        return layout
    }

    /// A number of micro-batches that the schedule takes, where a few tries find one.
    private mutating func microbatches(_ layout: Layout) -> Int {
        for _ in 0..<12 {
            let rounds = numbers.pick([1, 2, 2, 3, 4, 6])
            let count = numbers.chance(0.3) ? rounds : rounds * layout.pipeline
            if layout.scheduleProblem(microbatches: count) == nil { return count }
        }
        return 2 * layout.pipeline
    }

    // MARK: - Shape

    private mutating func model(_ layout: inout Layout) -> Model {
        let family = numbers.pick(Model.Family.allCases)
        let groups = numbers.pick([1, 1, 2, 4])
        let heads = layout.tensor * groups * numbers.pick([1, 2, 3, 4])
        let headSize = numbers.pick([32, 64, 80, 128])
        let hidden = numbers.chance(0.8) ? heads * headSize : heads * headSize + layout.tensor * 64
        let kvHeads = numbers.chance(0.5) ? heads : layout.tensor * groups
        let pieces = 2 * layout.tensor * layout.context
        let sequence = pieces * max(1, numbers.pick([128, 512, 2048, 4096, 8192]) / pieces)
        let layers = layout.stages * numbers.pick([1, 2, 3]) + numbers.pick([0, 0, 1, 2])
        var model = Model(
            family: family, layers: layers, hidden: hidden, heads: heads, kvHeads: heads % kvHeads == 0 ? kvHeads : nil,
            headSize: headSize, ffn: layout.tensor * numbers.pick([64, 192, 512, 1376, 4096]),
            mlp: numbers.chance(0.6) ? nil : numbers.pick(Model.MLP.allCases),
            vocab: numbers.pick([256, 5000, 32000, 50257, 128_256]), sequence: sequence,
            tiedEmbeddings: numbers.chance(0.6) ? nil : numbers.chance(0.5))
        // Latent attention is DeepSeek's, whose blocks are the llama family's.
        if family == .llama, numbers.chance(0.2) {
            model.mla = Model.LatentAttention(
                queryRank: numbers.pick([0, 96, 512]), kvRank: numbers.pick([64, 256]), nopeSize: headSize,
                ropeSize: 32, valueSize: numbers.pick([headSize, 64]))
            model.kvHeads = heads
        }
        if numbers.chance(0.4) { model.moe = mixture(layers: layers, &layout) }
        return model
    }

    private mutating func mixture(layers: Int, _ layout: inout Layout) -> Model.Mixture {
        let ranks = layout.tensor * layout.context * layout.data
        let degrees = Divisors.of(ranks).filter { $0 <= 64 }
        layout.expert = numbers.chance(0.3) ? 1 : numbers.pick(degrees)
        let rest = Divisors.of(ranks / layout.expert).filter { $0 <= 8 }
        layout.expertTensor = numbers.chance(0.6) ? 1 : numbers.pick(rest)
        let experts = layout.expert * numbers.pick([1, 2, 4])
        let topK = min(experts, numbers.pick([1, 2, 4, 8]))
        let shared = numbers.pick([0, 0, 1, 2])
        return Model.Mixture(
            experts: experts, topK: topK, ffn: layout.expertTensor * numbers.pick([48, 256, 1024]), shared: shared,
            sharedFfn: numbers.chance(0.5) ? nil : layout.tensor * numbers.pick([128, 512]),
            firstDense: numbers.pick([0, 0, 1, 2, layers / 2]), every: numbers.pick([1, 1, 1, 2, 3]),
            imbalance: numbers.pick([1, 1, 1, 1.5]))
    }

    // MARK: - Options

    private mutating func options(_ layout: inout Layout, model: Model, cluster: Cluster) {
        layout.sequenceParallel = layout.tensor > 1 && numbers.chance(0.6)
        layout.recompute = numbers.pick(Layout.Recompute.allCases)
        if layout.recompute == .full, numbers.chance(0.4) { layout.recomputeLayers = numbers.pick([1, 2, 3]) }
        layout.sharding = numbers.pick(Layout.Sharding.allCases)
        let ranks = layout.data * layout.context
        if layout.sharding != .none, layout.expert == 1, numbers.chance(0.3) {
            layout.shardGroup = numbers.pick(Divisors.of(ranks))
        }
        layout.flashAttention = numbers.chance(0.7)
        layout.gradients = numbers.chance(0.6) ? nil : numbers.pick([.fp32, .fp16, .bf16, .fp8])
        layout.overlap = Layout.Overlap(
            data: numbers.chance(0.7), tensor: numbers.chance(0.4), pipeline: numbers.chance(0.6),
            expert: numbers.chance(0.3))
        if layout.stages <= model.layers, numbers.chance(0.3) {
            layout.layersPerStage = split(model.layers, over: layout.stages)
        }
    }

    /// At least one block a stage, the others anywhere.
    private mutating func split(_ layers: Int, over stages: Int) -> [Int] {
        var sizes = [Int](repeating: 1, count: stages)
        for _ in stages..<max(stages, layers) { sizes[Int.random(in: 0..<stages, using: &numbers)] += 1 }
        return sizes
    }
}

extension Plan {
    /// Whether the plan's layout obeys every rule, and the file format could hold the plan.
    var isLegal: Bool {
        guard let layout, model.problems.isEmpty, model.pattern.count == (model.kinds.isEmpty ? 0 : model.layers),
            model.moe == nil || !model.kinds.isEmpty || model.mixtureLayers > 0,
            cluster.device.peakFLOPs[precision] != nil
        else { return false }
        return layout.problems(for: model, batch: batch, devices: devices).isEmpty
            && optimizer.problems(precision: precision, layout: layout).isEmpty && combinationProblems(layout).isEmpty
    }
}
