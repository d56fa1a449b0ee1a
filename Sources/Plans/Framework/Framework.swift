internal import Schedules

/// One generation of training software: its costs beyond those of the device and the network.
///
/// The defaults describe software without costs: every elementwise chain is one kernel, and there is no host work. Real
/// software is described by the files in `frameworks/`, which state the source of each constant; `validate --refit`
/// fits the marked constants again.
package struct Framework: Hashable, Codable, Sendable {
    package var name: String
    /// The frameworks whose constants this one inherits, the nearest first: the one that its file extends, the one that
    /// that file extends, and so on.
    package var bases: [Base] = []
    /// Constants that the framework's own file states; the others are inherited from the first base.
    package var own: Set<Constant> = []
    /// Constants of the framework's own file that are fitted to published runs, with the values at which a fit starts: what
    /// is expected without any run.
    package var fitted: [Constant: Double] = [:]
    /// Constants of the framework's own file that the runs of fewer than two publications fix.
    package var assumed: Set<Constant> = []
    /// The products that run this generation. A file inherits none from the one it extends.
    package var products: [Product] = []
    /// Publications with runs of this generation in `plans/published`, by the family of their devices. A file inherits
    /// none from the one it extends.
    package var sources: [String: Int] = [:]
    /// Months since the year 0 until the first of this generation; nil if the file does not say.
    package var since: Int?
    /// Memory traffic of elementwise work, as a multiple of that of fused kernels, which read and write each tensor
    /// once.
    package var elementwise = 1.0
    /// Rate of fused attention, as a multiple of the device's curve.
    package var attention = 1.0
    /// Whether fused attention uses one portable kernel for all devices rather than a kernel written for the device.
    package var portableAttention = false
    /// Rate of experts' products, as a multiple of single products of the same shape.
    package var experts = 1.0
    /// Compute lost to a collective that runs at the same time, as a fraction of the collective's time.
    package var contention = 0.0
    /// Compute lost while sharded parameters are gathered or their gradients scattered, as a fraction of that time.
    package var gatherContention = 0.0
    /// Fraction of the network's rate reached by gathering and scattering sharded parameters.
    package var gatherEfficiency = 1.0
    /// Fraction of the time of gathering and scattering sharded parameters that can overlap with compute.
    package var gathersHidden = 1.0
    /// Standard deviation of one node's step time, as a fraction of the step time.
    package var nodeVariation = 0.0
    /// Whether the host waits for every kernel (`CUDA_LAUNCH_BLOCKING=1`), so that host time adds to the device's time.
    package var blockingLaunches = false
    /// Seconds the host takes to launch one block's forward. The device waits if it would be faster.
    package var hostForward = 0.0
    /// Seconds the host takes to launch one block's backward. The device waits if it would be faster.
    package var hostBackward = 0.0
    /// Seconds that a pass through a block with experts waits for the host, even on a slow device: the host must read
    /// back how many tokens each expert gets before it can launch the rest.
    package var hostExperts = 0.0
    /// Seconds the host takes to launch what a block with experts has beyond a dense one, in a forward: router, exchange
    /// of rows, experts. The device waits if it would be faster.
    package var hostExpertForward = 0.0
    /// Seconds the host takes to launch what a block with experts has beyond a dense one, in a backward.
    package var hostExpertBackward = 0.0
    /// Fraction of the network's rate that collectives among tensor ranks reach inside a step.
    package var tensorEfficiency = 1.0
    /// Seconds the host takes to start one tensor-parallel collective.
    package var hostCollective = 0.0
    /// Seconds of host work around one micro-batch on one rank.
    package var hostMicrobatch = 0.0
    /// Seconds of host work around one step.
    package var hostStep = 0.0
    /// Parameters in one bucket, which one collective reduces or gathers. A step needs as many collectives as it has
    /// buckets.
    package var bucketParameters = 40e6
    /// Parameters of a bucket for each replica: with many replicas a bucket has this times their number, if that is more
    /// than `bucketParameters` (Megatron-Core).
    package var bucketParametersPerReplica = 0.0
    /// Whether all gradients form one bucket if their reduction does not overlap with the backward.
    package var oneBucketWithoutOverlap = false
    /// Collectives that gather the sharded parameters of one block: 1, or one for each tensor.
    package var gathersPerBlock = 1.0
    /// Whether weight-gradient products add to the accumulated gradient themselves. If not, a separate kernel adds.
    package var fusedAccumulation = true
    /// Whether a token is sent only once to each node that holds experts for it, and is distributed inside the node. If
    /// not, one copy is sent to each expert.
    package var dispatchOncePerNode = false
    /// The way by which rows reach their experts if a layout does not say.
    package var dispatcher = Layout.Dispatcher.alltoall
    /// Whether tokens are sent to their experts in 8 bits if products are in 8 bits. The results are never sent in 8
    /// bits.
    package var eightBitDispatch = false
    /// Whether the gradients for a sharded optimizer are reduce-scattered. If not, they are all-reduced.
    package var scattersGradients = true
    /// Memory traffic of the optimizer step, as a multiple of one fused kernel's.
    package var optimizer = 1.0
    /// Whether gradients are also held in the weights' format, in addition to the fp32 gradients they are added to.
    package var twoGradients = false
    /// Whether fully sharded weights are kept only as the fp32 values that the optimizer steps, with half-precision
    /// copies that exist only while gathered. If not, a sharded half-precision copy is kept too.
    package var shardsMasterWeights = false
    /// Whether gradients are added up among replicas in the weights' 16 bits if the plan states no format of them, though
    /// shards of fp32 weights keep fp32 sums (PyTorch FSDP, `MixedPrecision.reduce_dtype`).
    package var reducesInHalf = false
    /// Whether gradients and weights of parameters that the host steps are copied in fp32, whatever their formats on the
    /// device, which casts them.
    package var copiesFP32ToHost = false
    /// Whether fp32 main weights stay on the device beside the copies that the host steps.
    package var keepsOffloadedMaster = false
    /// Whether the device adds the gradients of later micro-batches to those on the host: they come back for it, and go
    /// again. If not, the host adds.
    package var addsOffloadedGradients = false
    /// Whether the experts' results are kept for the backward. They are needed if the router's weights multiply the
    /// results, and not if these weights multiply values inside the experts.
    package var keepsCombinedRows = true
    /// Whether a norm runs inside the one product that reads it (Transformer Engine's LayerNormLinear), so that its result
    /// cannot be given up by itself. Norms that several products or a router read stand alone in every software.
    package var fusesNorms = false
    /// Whether norms and activations write their results in 8 bits where a recipe lets them, and one kernel makes the copies
    /// along rows and columns (Transformer Engine). If not, each copy is a kernel of its own that reads the tensor.
    package var fusedCasts = true
    /// Whether selective recomputation keeps the results of attention and of every second product and recomputes the
    /// rest, as PyTorch's selective activation checkpointing does. If not, it recomputes core attention only.
    package var selectiveOperations = false
    /// Bytes per logit of the micro-batch whose loss is computed: the logit's copies in half and full precision, and
    /// its gradient.
    package var logitBytes = 6.0
    /// Whether every tensor rank holds the logits of the whole vocabulary while it computes the loss. If not, each holds its
    /// part.
    package var gathersLogits = false
    /// Bytes that the software itself takes on a device: contexts, workspaces, buffers of communicators. nil: the
    /// device file's `reserved`.
    package var reservedBytes: Double?
    /// 90 % band: 95 % of steps take at least (1 − `bandLow`) and 95 % at most (1 + `bandHigh`) times the prediction. They
    /// hold where a file states them; elsewhere the band follows from the published runs of the software.
    package var bandLow = 0.2
    package var bandHigh = 0.5
    /// Memory lost by the allocator, as a fraction of activations and temporary buffers.
    package var fragmentation = 0.05
    /// Differences in memory use from Megatron-Core.
    package var memory = Memory()
    /// Layouts that the software can run.
    package var abilities = Abilities()
    package var properties = Properties()

    package init(name: String) { self.name = name }

    /// Bytes of a rank's own logit in all copies of logits that the rank holds.
    package func logitBytes(tensor ranks: Int) -> Double { logitBytes * (gathersLogits ? Double(ranks) : 1) }

    /// Parameters in one bucket if `replicas` ranks hold the same weights.
    package func bucket(replicas: Int) -> Double {
        max(bucketParameters, bucketParametersPerReplica * Double(replicas))
    }

    /// A framework from which another one inherits constants.
    package struct Base: Hashable, Codable, Sendable {
        package var name: String
        /// Constants that the base's own file states, and those among them that fewer than two publications fix.
        package var own: Set<Constant>
        package var assumed: Set<Constant> = []
    }

    /// The constants of a framework that are numbers, by their keys in files.
    package enum Constant: String, Hashable, Codable, CaseIterable, Sendable {
        case elementwise, attention, experts, contention, gatherContention, gathersHidden, nodeVariation, hostForward
        case hostBackward, hostExperts, hostExpertForward, hostExpertBackward, tensorEfficiency, hostCollective,
            hostMicrobatch, hostStep, optimizer, fragmentation
        case bucketParameters, bucketParametersPerReplica, gathersPerBlock, gatherEfficiency, logitBytes, bandLow
        case bandHigh
    }

    /// Whether the value of `constant` is that of the framework `name`, which is this framework or one of its bases.
    package func takes(_ constant: Constant, from name: String) -> Bool {
        for base in [Base(name: self.name, own: own)] + bases {
            if base.name == name { return true }
            if base.own.contains(constant) { return false }
        }
        return false
    }

    /// Whether the framework's own file or one that it extends states `constant`.
    package func states(_ constant: Constant) -> Bool { origin(of: constant) != nil }

    /// Name of the framework whose file states the value of `constant`: this one or one of its bases; nil if none does.
    package func origin(of constant: Constant) -> String? {
        own.contains(constant) ? name : bases.first { $0.own.contains(constant) }?.name
    }

    /// Constants, own or inherited, that the runs of fewer than two publications fix, in the order of `Constant`.
    package var assumedConstants: [Constant] {
        Constant.allCases.filter { constant in
            if own.contains(constant) { return assumed.contains(constant) }
            return bases.first { $0.own.contains(constant) }?.assumed.contains(constant) == true
        }
    }

    package subscript(constant: Constant) -> Double {
        get { self[keyPath: constant.path] }
        set { self[keyPath: constant.path] = newValue }
    }
}

extension Framework.Constant {
    var path: WritableKeyPath<Framework, Double> {
        switch self {
        case .elementwise: \.elementwise
        case .attention: \.attention
        case .experts: \.experts
        case .contention: \.contention
        case .gatherContention: \.gatherContention
        case .gathersHidden: \.gathersHidden
        case .nodeVariation: \.nodeVariation
        case .hostForward: \.hostForward
        case .hostBackward: \.hostBackward
        case .hostExperts: \.hostExperts
        case .hostExpertForward: \.hostExpertForward
        case .hostExpertBackward: \.hostExpertBackward
        case .tensorEfficiency: \.tensorEfficiency
        case .hostCollective: \.hostCollective
        case .hostMicrobatch: \.hostMicrobatch
        case .hostStep: \.hostStep
        case .optimizer: \.optimizer
        case .fragmentation: \.fragmentation
        case .bucketParameters: \.bucketParameters
        case .bucketParametersPerReplica: \.bucketParametersPerReplica
        case .gathersPerBlock: \.gathersPerBlock
        case .gatherEfficiency: \.gatherEfficiency
        case .logitBytes: \.logitBytes
        case .bandLow: \.bandLow
        case .bandHigh: \.bandHigh
        }
    }

    /// Whether the value is in seconds; all others are plain numbers or counts.
    package var isSeconds: Bool {
        switch self {
        case .hostForward, .hostBackward, .hostExperts, .hostExpertForward, .hostExpertBackward, .hostCollective,
            .hostMicrobatch, .hostStep:
            true
        default: false
        }
    }

    /// Whether the value is a count.
    package var isCount: Bool { self == .bucketParameters || self == .bucketParametersPerReplica }

    package var range: ClosedRange<Double> {
        switch self {
        case .elementwise, .optimizer: 0.1...100
        case .bucketParameters: 1...1e15
        case .bucketParametersPerReplica: 0...1e12
        case .gathersPerBlock: 1...1000
        case .logitBytes: 1...100
        case .bandHigh: 0...10
        case .bandLow: 0...1
        case .attention, .experts: 0.1...1.2
        case .gatherEfficiency, .tensorEfficiency: 0.01...1
        case .contention, .gatherContention, .gathersHidden, .nodeVariation, .fragmentation: 0...1
        default: 0...60
        }
    }
}

/// The generations of software that a plan can run on, and the choice among them for a layout.
package struct Frameworks: Hashable, Codable, Sendable {
    /// The frameworks by their names.
    package var known: [String: Framework]
    /// The framework that the plan names. nil: one is assumed.
    package var named: String?
    /// The product and release by which the plan names it, if not by the framework's own name.
    package var product: SoftwareName?
    /// The file of the framework that the plan names, if the plan gives a path.
    package var path: String?
    /// Changes of the plan to the software that it names, as it writes them.
    package var changes: [Change] = []
    /// The framework that is assumed for every layout of a search if the plan names none. nil: chosen for each layout.
    package var assumed: String?

    /// A property or a constant of software that a plan states.
    package struct Change: Hashable, Codable, Sendable {
        package var key: String
        package var value: String
    }

    package init(_ frameworks: [Framework] = [], named: String? = nil) {
        known = Dictionary(frameworks.map { ($0.name, $0) }) { _, last in last }
        self.named = named
    }

    /// Names of the frameworks that the automatic choice knows.
    package static let processes = "trainyard"
    package static let megatron = "megatron-core"
    package static let sharded = "torch-fsdp"

    package static let fusing = "deepseek-2024"

    package static let automaticNames = [processes, megatron, sharded, fusing]

    /// Names of further frameworks whose constants are fitted.
    package static let unfusedMegatron = "megatron-2021"
    package static let blockingMegatron = "megatron-2021-blocking"
    package static let unfusedZero = "deepspeed-2021"
    package static let replicated = "torch-ddp"

    /// The framework assumed for a plan that names none. Processor cores run this runtime. Layouts that split nothing
    /// but fully sharded parameters run on PyTorch's FSDP, pipelines that fuse a forward with a backward on DeepSeek's
    /// own software, all others on Megatron-Core.
    /// - Parameter layout: nil if the plan leaves it open; one framework then stands for all layouts that may be
    ///   chosen.
    package static func automatic(for layout: Layout?, peak: Double) -> String {
        if peak < Device.slowestAccelerator { return processes }
        guard let layout else { return megatron }
        if layout.pipeline > 1, layout.schedule.fusesPasses { return fusing }
        guard layout.sharding == .parameters else { return megatron }
        let isSplit =
            [layout.tensor, layout.pipeline, layout.context, layout.expert, layout.expertTensor].contains { $0 > 1 }
        return isSplit ? megatron : sharded
    }

    /// The framework that `layout` runs on; software without costs if its name is unknown.
    package func framework(for layout: Layout?, peak: Double) -> Framework {
        let name = named ?? assumed ?? Self.automatic(for: layout, peak: peak)
        return known[name] ?? Framework(name: name)
    }
}
