import Models
import Plans

/// Bytes of weights, gradients and optimizer on one device, tensor by tensor.
///
/// Per parameter (Megatron-Core, docs/source/api-guide/dist_optimizer.md; Rajbhandari et al. 2020, section 3.1):
///
/// | format | weight | gradient | optimizer |
/// |---|---|---|---|
/// | bf16, fp8 | 2 | 4, or as stated | 12: fp32 master weight and two moments |
/// | fp16 | 2 | 2 | 16: an fp32 copy of the gradients beside them |
/// | fp32 | 4 | 4 | 8: the weight is its own master |
///
/// A stated format of gradients takes its own size: 4, 2, 2 and 1 byte (FP8-LM, Peng et al. 2023, for the last).
struct CountedState {
    var weights = 0.0
    var gradients = 0.0
    var optimizer = 0.0

    var all: Double { weights + gradients + optimizer }

    init(_ held: HeldParameters, plan: Plan, layout: Layout) {
        let isFP32 = plan.precision == .fp32 || Self.storesFP32(plan)
        let format = Self.gradients(plan, layout)
        let weight: Double = isFP32 ? 4 : 2
        let gradient = Self.bytes(format)
        let copies: Double =
            !isFP32 && plan.precision == .fp16 && format == .fp16 && plan.optimizer.master == .fp32 ? 4 : 0
        let master = isFP32 ? 0 : Self.master(plan.optimizer)
        let optimizer = Self.moments(plan.optimizer) + master + copies
        // ZeRO stage 1 spreads the optimizer, 2 also the gradients, 3 also the weights; data and context ranks share out
        // what both hold (Megatron-Core: over data × context).
        let stage = Self.stage(layout.sharding)
        let frozen = held.frozenBytes(plan, weight: weight)
        let groups = [
            (held.trained.dense, frozen.dense, Self.denseGroup(layout)),
            (held.trained.experts, frozen.experts, Self.expertGroup(layout)),
        ]
        let framework = plan.framework(for: layout)
        // Outer groups of hybrid sharding may share out the optimizer too (Megatron-FSDP: over all replicas).
        let replicas = layout.tensor * layout.context * layout.data / (layout.expert * layout.expertTensor)
        let owners =
            layout.outerSharding == .none || stage < 3 ? groups.map(\.2) : [layout.data * layout.context, replicas]
        for ((parameters, frozen, group), owners) in zip(groups, owners) {
            let share = parameters / Double(group)
            weights += stage >= 3 ? frozen / Double(group) : frozen
            weights += weight * (stage >= 3 ? share : parameters)
            gradients += gradient * (stage >= 2 ? share : parameters)
            self.optimizer += optimizer * (stage >= 1 ? parameters / Double(owners) : parameters)
        }
        // Software that accumulates in a wider format beside the backward's own gradients (Megatron-LM of 2021).
        if framework.twoGradients, gradient > weight { gradients *= 1 + weight / gradient }
    }

    /// Bytes of an element's moments, the second one of Adafactor aside: AdamW and what Muon leaves to it have two; Lion
    /// one; SGD and Adafactor one with momentum (the papers' algorithms).
    static func moments(_ optimizer: Optimizer) -> Double {
        switch optimizer.name {
        case .adamw, .muon: bytes(optimizer.firstMoment) + bytes(optimizer.secondMoment)
        case .lion: bytes(optimizer.firstMoment)
        case .sgd, .adafactor: optimizer.momentum ? bytes(optimizer.firstMoment) : 0
        }
    }

    static func bytes(_ moment: Optimizer.Moment) -> Double {
        switch moment {
        case .fp32: 4
        case .fp16, .bf16: 2
        case .fp8: 1
        // bitsandbytes, functional.py: blocks of 256 with one fp32 absmax each.
        case .eightBit: (256 + 4) / 256
        }
    }

    /// Bytes of a master weight beside a 16-bit weight.
    static func master(_ optimizer: Optimizer) -> Double {
        switch optimizer.master {
        case .fp32: 4
        case .fp16, .remainders: 2
        case .none: 0
        }
    }

    /// Whether PyTorch FSDP shards the parameters, which are then the fp32 ones.
    static func isFSDP(_ plan: Plan) -> Bool {
        plan.layout.map { $0.sharding == .parameters && softwareOfShards.contains(plan.framework(for: $0).name) }
            ?? false
    }

    /// Shipped software on PyTorch FSDP.
    private static let softwareOfShards: Set = ["torch-fsdp", "torchtitan", "llm-foundry", "fms-fsdp", "nanotron"]

    /// Shipped software whose FSDP is given a 16-bit `reduce_dtype`: Composer's PURE, fms-fsdp's bfSixteen.
    private static let softwareThatReducesInHalf: Set = ["llm-foundry", "fms-fsdp"]

    /// Format in which gradients are accumulated.
    static func gradients(_ plan: Plan, _ layout: Layout) -> Precision {
        if storesFP32(plan) { return .fp32 }
        return layout.gradients ?? (plan.precision == .fp16 ? .fp16 : .fp32)
    }

    /// Format in which gradients are added up among ranks.
    static func reduced(_ plan: Plan, _ layout: Layout) -> Precision {
        reducesInHalf(plan, layout) && plan.precision != .fp32 ? .bf16 : gradients(plan, layout)
    }

    /// Whether gradients are added up in fewer bits than they are accumulated in.
    static func reducesInHalf(_ plan: Plan, _ layout: Layout) -> Bool {
        layout.gradients == nil && softwareThatReducesInHalf.contains(plan.framework(for: layout).name)
    }

    /// Whether it runs on this project's runtime, which rounds the operands of products and keeps everything in fp32.
    static func storesFP32(_ plan: Plan) -> Bool {
        plan.layout.map { plan.framework(for: $0).name == "trainyard" } ?? false
    }

    /// Of one number.
    static func bytes(_ format: Precision) -> Double {
        switch format {
        case .fp32: 4
        case .fp16, .bf16: 2
        case .fp8, .mxfp8, .nvfp4: 1
        }
    }

    static func stage(_ sharding: Layout.Sharding) -> Int {
        switch sharding {
        case .none: 0
        case .optimizer: 1
        case .gradients: 2
        case .parameters: 3
        }
    }

    /// Ranks that hold one set of shards of what tensor ranks share.
    static func denseGroup(_ layout: Layout) -> Int {
        layout.sharding == .none ? 1 : layout.shardGroup ?? layout.data * layout.context
    }

    /// Ranks that hold one set of shards of an expert: at most the ranks of its stage that hold it (Megatron-Core: expert
    /// data parallelism, world / (expert · expert tensor · pipeline)), in smaller shard groups those within one group.
    static func expertGroup(_ layout: Layout) -> Int {
        guard layout.sharding != .none else { return 1 }
        let ranks = denseGroup(layout) * layout.tensor
        let copies = layout.tensor * layout.context * layout.data / (layout.expert * layout.expertTensor)
        return min(copies, max(1, ranks / (layout.expert * layout.expertTensor)))
    }
}
