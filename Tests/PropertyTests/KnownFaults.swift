import Plans
import Schedules

/// Properties that the planner breaks today. Empty it when they are mended: every entry hides what its property finds.
let knownFaults: [KnownFault] =
    expertsAndSharing + placement + pace + directions + kept
    + [
        KnownFault(
            property: "the inputs that are explained are those that were used",
            reason: "--explain names all replicas beside a shard group, and the device's reserve beside a framework's"),
        KnownFault(
            property: "the layout of the JSON is read as the plan's",
            reason: "globalBatch and microbatches are refused; split, overlap, attention and gradients are not printed"),
    ]

private let expertsAndSharing: [KnownFault] =
    [
        KnownFault(
            property: "no reduction is faster than the bytes that must leave a node",
            reason: "the first rank's gradients alone are reduced, over groups taken as aligned with nodes",
            plans: { plan, layout in
                let node = Placement(plan, layout).node
                return layout.pipeline > 1 || layout.devices % node != 0 || node % layout.tensor != 0
                    || layout.expert * layout.expertTensor > 1
            }),
        KnownFault(
            property: "sharded gradients exist whole while their block is at work",
            reason: "they are counted with sharded parameters alone"),
        KnownFault(
            property: "no optimizer is faster than its bytes",
            reason: "the rank with most parameters is taken, not the one with most of them to step",
            plans: { plan, layout in plan.model.moe != nil && layout.sharding != .none }),
        KnownFault(
            property: "every stage of ZeRO needs no more memory than the one before",
            reason: "the gradients of the unit at work are counted with sharded parameters alone"),
        KnownFault(
            property: "a width that no block has changes nothing",
            reason: "buffers and gathered units take the dense block where there is none"),
        KnownFault(
            property: "recomputing more keeps less and takes longer",
            reason: "recomputation by operation counts the dense width in a block of experts",
            plans: { plan, layout in plan.model.moe != nil && plan.framework(for: layout).selectiveOperations }),
        KnownFault(
            property: "weights, gradients and optimizer are the tensors'",
            reason: "fp8 gradients are counted as 2 bytes, FSDP's state as 18 bytes a parameter",
            plans: { plan, layout in
                layout.gradients == .fp8
                    || layout.sharding == .parameters && plan.framework(for: layout).name == Frameworks.sharded
            }),
        KnownFault(
            property: "expert bytes are the exchanges'",
            reason: "some recomputed blocks are counted as so many mean blocks, though the first of a stage are meant",
            plans: { _, layout in layout.recomputeLayers != nil }),
        KnownFault(
            property: "tensor-parallel bytes are the collectives'", reason: "likewise",
            plans: { _, layout in layout.recomputeLayers != nil }),
        KnownFault(
            property: "context bytes are the ring's", reason: "full recomputation passes keys and values round again",
            plans: { _, layout in layout.recompute == .full }),
    ]

/// Groups are taken as lying on as few nodes as they can.
private let placement: [KnownFault] =
    [
        "a tensor group across nodes waits for what joins them",
        "bytes cross the outer network where a group crosses it, and nowhere else",
    ].map { KnownFault(property: $0, reason: "groups are taken as aligned with nodes") }
    + [
        KnownFault(
            property: "a plan inside one node does not depend on what joins nodes",
            reason: "the ends of a pipeline are taken as on nodes of their own",
            plans: { _, layout in layout.pipeline > 1 })
    ]

private let pace: [KnownFault] =
    [
        KnownFault(
            property: "overlap of pipeline is never slower than without",
            reason: "messages beside compute cost more than those that are waited for",
            plans: { _, layout in layout.pipeline > 1 })
    ]
    + [
        "a faster inner network is never slower", "faster memory is never slower", "a higher peak is never slower",
        "cheaper launches are never slower", "overlap of tensor is never slower than without",
        "recomputing more keeps less and takes longer",
    ].flatMap { name in
        [
            KnownFault(
                property: name,
                reason:
                    "the host's time floors a whole backward: a faster weight gradient lengthens the input gradient",
                plans: { _, layout in layout.splitsBackward }),
            KnownFault(
                property: name,
                reason: "gradients hide behind a rank's own backwards, and not behind its waiting between them",
                plans: { _, layout in
                    layout.overlap.data && layout.pipeline > 1 && layout.data * layout.context > 1
                }),
        ]
    }
    + ["faster memory is never slower", "a higher peak is never slower", "cheaper launches are never slower"].map {
        KnownFault(
            property: $0, reason: "the same compute hides tensor-parallel chunks and experts' exchanges",
            plans: { _, layout in layout.overlap.tensor && layout.overlap.expert && layout.tensor > 1 })
    }

private let kept: [KnownFault] =
    [
        "blocks keep the tensors that their backward reads",
        "activations lie between the fullest moment and the sum of the fullest of each part",
    ].flatMap { name in
        [
            KnownFault(
                property: name, reason: "a rank's stages are taken as equal to their mean",
                plans: { plan, layout in
                    let sizes = StagePartition(layout, model: plan.model).sizes
                    return layout.virtualStages > 1 && (Set(sizes).count > 1 || plan.model.moe != nil)
                }),
            KnownFault(
                property: name,
                reason:
                    "routed rows are those of one rank though expert-tensor ranks gather theirs; results are kept always",
                plans: { plan, layout in
                    guard let moe = plan.model.moe else { return false }
                    return layout.expertTensor > 1 || moe.imbalance > 1
                        || !CountedActivations.keepsResults(plan.framework(for: layout).name)
                }),
            KnownFault(
                property: name, reason: "latents are kept whole with sequence parallelism",
                plans: { plan, layout in layout.sequenceParallel && plan.model.mla != nil }),
        ]
    }
    + [
        KnownFault(
            property: "activations lie between the fullest moment and the sum of the fullest of each part",
            reason: "a rank with blocks of both kinds computes the one with experts again, whichever is larger",
            plans: { plan, layout in layout.recompute != .none && plan.model.moe != nil })
    ]

extension Layout {
    /// Whether the schedule runs input and weight gradients apart.
    var splitsBackward: Bool {
        switch schedule {
        case .gpipe, .oneForwardOneBackward, .interleaved, .loopedBFS, .chimera: false
        default: true
        }
    }
}

private let directions: [KnownFault] = [
    "tensor-parallel bytes are the collectives'", "context bytes are the ring's", "expert bytes are the exchanges'",
].map {
    KnownFault(
        property: $0, reason: "each direction of a schedule with two is taken as half of the micro-batches",
        plans: { plan, layout in
            layout.schedule.isBidirectional && plan.batch / (layout.data * layout.microbatch) % 2 == 1
        })
}
