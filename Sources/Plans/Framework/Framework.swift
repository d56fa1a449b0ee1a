/// One generation of training software: what it costs beyond what the device and the network can do.
///
/// The defaults are software that costs nothing: every elementwise chain one kernel, no host work. Real ones are the
/// files in `frameworks/`, which say where each constant comes from; `validate --refit` fits the marked ones again.
package struct Framework: Hashable, Codable, Sendable {
    package var name: String
    /// The frameworks whose constants it starts from: the one its file extends, the one that extends, and so on.
    package var bases: [Base] = []
    /// Constants its file states itself; the others are the first base's.
    package var own: Set<Constant> = []
    /// Memory traffic of elementwise work over that of fused kernels, which read and write each tensor once.
    package var elementwise = 1.0
    /// Rate of fused attention over that of the device's curve.
    package var attention = 1.0
    /// Whether its fused attention is written for the device it runs on, or one kernel for all.
    package var portableAttention = false
    /// Rate of experts' products over that of single products of the same shape.
    package var experts = 1.0
    /// Compute lost while a collective runs beside it, as a share of the collective's time.
    package var contention = 0.0
    /// Compute lost while sharded parameters are gathered or their gradients scattered, as a share of that time.
    package var gatherContention = 0.0
    /// Share of the network's rate that gathering and scattering sharded parameters reaches.
    package var gatherEfficiency = 1.0
    /// Share of gathering and scattering sharded parameters that may run beside compute.
    package var gathersHidden = 1.0
    /// Standard deviation of one node's step time as a share of it.
    package var nodeVariation = 0.0
    /// Whether the host waits for every kernel (`CUDA_LAUNCH_BLOCKING=1`): its work then comes on top of the device's.
    package var blockingLaunches = false
    /// Seconds the host takes to launch one block's forward; the device waits where it is faster.
    package var hostForward = 0.0
    /// Seconds the host takes to launch one block's backward; the device waits where it is faster.
    package var hostBackward = 0.0
    /// Seconds a pass through a block of experts waits for the host, whatever the device does: the host reads back how
    /// many tokens go where before it can launch the rest.
    package var hostExperts = 0.0
    /// Seconds the host takes to start one tensor-parallel collective.
    package var hostCollective = 0.0
    /// Seconds of host work around one micro-batch on one rank.
    package var hostMicrobatch = 0.0
    /// Seconds of host work around one step.
    package var hostStep = 0.0
    /// Parameters a reduction or gathering takes at once; a step's are that many collectives.
    package var bucketParameters = 40e6
    /// Parameters it takes for each replica, where that is more.
    package var bucketParametersPerReplica = 0.0
    /// Whether all gradients are one bucket where reductions do not run behind the backward.
    package var oneBucketWithoutOverlap = false
    /// Collectives that gather one block's sharded parameters: one, or one a tensor.
    package var gathersPerBlock = 1.0
    /// Whether weight-gradient products add to the accumulated gradient themselves, or a kernel of its own does.
    package var fusedAccumulation = true
    /// Whether a token travels to each node with experts for it once and is handed on there; one copy to each expert
    /// where not.
    package var dispatchOncePerNode = false
    /// Whether tokens travel to their experts in 8 bits where products are in 8 bits; their results never do.
    package var eightBitDispatch = false
    /// Whether a sharded optimizer's gradients are scattered; they are all-reduced where not.
    package var scattersGradients = true
    /// Memory traffic of the optimizer step over one fused kernel's.
    package var optimizer = 1.0
    /// Whether gradients exist in the weights' format beside the fp32 ones they are added to.
    package var twoGradients = false
    /// Whether fully sharded weights are kept once, as the fp32 values that the optimizer steps: their copies in half
    /// precision exist while they are gathered. Beside a sharded copy in half precision where not.
    package var shardsMasterWeights = false
    /// Whether the experts' results are kept for the backward, as they are where the router's weights multiply them; not
    /// where these multiply what is inside the experts.
    package var keepsCombinedRows = true
    /// Whether selective recomputation keeps the results of attention and of every second product and computes the rest
    /// again, as PyTorch's selective activation checkpointing does; core attention alone is computed again where not.
    package var selectiveOperations = false
    /// Bytes a logit of the micro-batch whose loss is computed: its copies in half and full precision, its gradient.
    package var logitBytes = 6.0
    /// Bytes the software itself takes on a device: contexts, workspaces, communicators' buffers; nil: the device
    /// file's `reserved`.
    package var reservedBytes: Double?
    /// Share of the prediction that nineteen in twenty published steps are not shorter by, and not longer by.
    package var bandLow = 0.2
    package var bandHigh = 0.5
    /// Allocator's losses as a share of the activations and temporary buffers.
    package var fragmentation = 0.05
    /// What it allocates beside, or instead of, what Megatron-Core does.
    package var memory = Memory()
    /// What it can run.
    package var abilities = Abilities()

    package init(name: String) { self.name = name }

    /// Parameters of one bucket where `replicas` ranks hold the same weights.
    package func bucket(replicas: Int) -> Double {
        max(bucketParameters, bucketParametersPerReplica * Double(replicas))
    }

    /// What a framework starts from.
    package struct Base: Hashable, Codable, Sendable {
        package var name: String
        /// Constants its file states itself.
        package var own: Set<Constant>
    }

    /// The constants by name.
    package enum Constant: String, Hashable, Codable, CaseIterable, Sendable {
        case elementwise, attention, experts, contention, gatherContention, gathersHidden, nodeVariation, hostForward
        case hostBackward, hostExperts, hostCollective, hostMicrobatch, hostStep, optimizer, fragmentation
        case bucketParameters, bucketParametersPerReplica, gathersPerBlock, gatherEfficiency, logitBytes, bandLow
        case bandHigh
    }

    /// Whether `constant` is the one of the framework `name`: its own, or taken over from it.
    package func takes(_ constant: Constant, from name: String) -> Bool {
        for base in [Base(name: self.name, own: own)] + bases {
            if base.name == name { return true }
            if base.own.contains(constant) { return false }
        }
        return false
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

    /// Whether a value is in seconds; all others are plain numbers.
    package var isSeconds: Bool {
        switch self {
        case .hostForward, .hostBackward, .hostExperts, .hostCollective, .hostMicrobatch, .hostStep: true
        default: false
        }
    }

    /// Whether a value is a count.
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
        case .gatherEfficiency: 0.01...1
        case .contention, .gatherContention, .gathersHidden, .nodeVariation, .fragmentation: 0...1
        default: 0...60
        }
    }
}

/// The generations a plan can run on, and which of them a layout is taken to run on.
package struct Frameworks: Hashable, Codable, Sendable {
    /// By name.
    package var known: [String: Framework]
    /// The one the plan names; nil: assumed.
    package var named: String?
    /// The file of the named one, where the plan gives a path.
    package var path: String?
    /// The one that every layout is taken to run on where none is named, as in a search; nil: by layout.
    package var assumed: String?

    package init(_ frameworks: [Framework] = [], named: String? = nil) {
        known = Dictionary(frameworks.map { ($0.name, $0) }) { _, last in last }
        self.named = named
    }

    /// Names the automatic choice knows.
    package static let processes = "trainyard"
    package static let megatron = "megatron-core"
    package static let sharded = "torch-fsdp"

    package static let automaticNames = [processes, megatron, sharded]

    /// Names of the others whose constants are fitted.
    package static let unfusedMegatron = "megatron-2021"
    package static let blockingMegatron = "megatron-2021-blocking"
    package static let unfusedZero = "deepspeed-2021"
    package static let replicated = "torch-ddp"

    /// What a plan that names none is taken to run on: processor cores run this runtime; fully sharded parameters with
    /// nothing else split are PyTorch's FSDP, everything else is Megatron-Core's.
    /// - Parameter layout: nil where the plan leaves it open: one software for all that may be chosen.
    package static func automatic(for layout: Layout?, peak: Double) -> String {
        if peak < Device.slowestAccelerator { return processes }
        guard let layout, layout.sharding == .parameters else { return megatron }
        let isSplit =
            [layout.tensor, layout.pipeline, layout.context, layout.expert, layout.expertTensor].contains { $0 > 1 }
        return isSplit ? megatron : sharded
    }

    /// The one `layout` runs on; software that costs nothing where none is known.
    package func framework(for layout: Layout?, peak: Double) -> Framework {
        let name = named ?? assumed ?? Self.automatic(for: layout, peak: peak)
        return known[name] ?? Framework(name: name)
    }
}
