package import Models
package import Plans

/// Bytes of a parameter on one device before sharding.
///
/// | weights, gradients | plain | optimizer sharded over D |
/// |---|---|---|
/// | bf16, fp32 | 18 | 6 + 12/D |
/// | bf16, bf16 | 16 | 4 + 12/D |
/// | bf16, fp8 | 15 | 3 + 12/D |
/// | fp16, fp16 | 20 | 4 + 16/D |
/// | fp32 | 16 | 8 + 8/D |
///
/// Sources: Megatron-LM's distributed optimizer guide; Rajbhandari et al. 2020, section 3; 8-bit gradients: Peng et al.
/// 2023 (FP8-LM). fp8 keeps bf16 weights.
///
/// Fully sharded parameters take 16/D in software that shards the fp32 weights themselves
/// (`Framework.shardsMasterWeights`): weight, gradient and two moments of four bytes (PyTorch FSDP: a shard and its
/// gradient have the parameter's format, `MixedPrecisionPolicy.param_dtype` is that of the gathered copy). Without master
/// weights the shards are 16-bit ones.
///
/// The optimizer states of the table are AdamW's with fp32 moments and master weights. Others: bytes of the moments that
/// the optimizer keeps (`Optimizer.Moment.bytes`) and of its master weights (`Optimizer.Master.bytes`).
package struct StateBytes: Hashable, Sendable {
    /// Bytes of a weight in the copy that matrix products read.
    package var weight: Double
    /// Bytes of a weight that a device keeps between steps: the products' copy, or shards of the fp32 weights.
    package var keptWeight: Double
    /// Bytes of a gradient before it is sharded, and in messages.
    package var gradient: Double
    /// Bytes of a gradient that a device keeps: whole gradients, or shards in the format of the fp32 weights.
    package var keptGradient: Double
    /// Bytes of a parameter's optimizer state: the moments, the master weight if it is not the kept weight, and fp16's
    /// fp32 copy of the gradient. Matrices may differ from it (`MatrixUpdate`).
    package var optimizer: Double
    /// Bytes of optimizer state that every parameter has, those of matrices included.
    package var leastOptimizer: Double
    /// Bytes of moments and weights that the update of a parameter reads and writes, in addition to the gradient and
    /// the copy for products.
    package var moved: Double
    /// Bytes of a gradient beside the state of a parameter that the host steps: fp32, if the state has no copy of it.
    package var hostGradient: Double
    /// Bytes of a weight beside the state of a parameter that the host steps, if the state has no master weight.
    package var hostWeight: Double
    /// Bytes of master weights, and of an fp32 copy of the gradient, in the optimizer's state.
    private let masterState: Double
    /// Bytes of optimizer state that stay on the device where the host steps the parameter.
    private(set) var staying = 0.0
    /// Bytes of a gradient that is copied to the host for a step.
    private(set) var sentGradient: Double
    /// Of a gradient as it is accumulated, and handed to the host piece by piece; ranks may add it up in fewer bits.
    private(set) var accumulatedGradient: Double
    /// Bytes of a weight that comes back from a step on the host: the kept one, or the fp32 one.
    private(set) var returnedWeight: Double
    /// Bytes of a weight that a step on the host writes in addition to the fp32 values, in the format that is copied back.
    private(set) var hostCopy: Double

    /// - Parameter shardsMaster: whether the fp32 weights are sharded and no other copy of the weights is kept.
    package init(
        precision: Precision, gradients: Precision?, shardsMaster: Bool = false,
        optimizer choice: Optimizer = Optimizer()
    ) {
        weight = precision == .fp32 ? 4 : 2
        keptWeight = weight
        let format = gradients ?? (precision == .fp16 ? .fp16 : .fp32)
        gradient =
            switch format {
            case .fp32: 4
            case .fp16, .bf16: 2
            case .fp8, .mxfp8, .nvfp4: 1
            }
        keptGradient = gradient
        if shardsMaster, precision != .fp32 {
            // A shard and its gradient have one format.
            if choice.master == .fp32 { keptWeight = 4 }
            if gradients == nil { keptGradient = keptWeight }
        }
        let stepsKeptWeight = keptWeight == 4
        let copiesGradient = precision == .fp16 && format == .fp16 && !stepsKeptWeight && choice.master == .fp32
        let master = (stepsKeptWeight ? 0 : choice.master.bytes) + (copiesGradient ? 4 : 0)
        masterState = master
        (sentGradient, returnedWeight, accumulatedGradient) = (gradient, keptWeight, gradient)
        hostCopy = keptWeight == 4 ? 0 : weight
        let (first, second) = (
            choice.keepsFirst ? choice.firstMoment.bytes : 0, choice.keepsSecond ? choice.secondMoment.bytes : 0
        )
        optimizer = master + first + second
        hostGradient = copiesGradient ? 0 : HostCopies.sumBytes
        hostWeight = stepsKeptWeight || choice.master == .none ? keptWeight : 0
        leastOptimizer = master + first
        moved = Self.moved(choice.master, stepsKeptWeight: stepsKeptWeight)
        if choice.keepsFirst { moved += Self.moved(choice.firstMoment) }
        if choice.keepsSecond { moved += Self.moved(choice.secondMoment) }
        // Adafactor reads the gradient for its rows and columns, for the size of the update and for the update
        // (Shazeer and Stern 2018, algorithm 4).
        if choice.name == .adafactor { moved += 2 * gradient }
    }

    /// Bytes of a parameter with a layout and its software.
    package init(
        precision: Precision, layout: Layout, framework: Framework, optimizer: Optimizer = Optimizer()
    ) {
        self.init(
            precision: framework.memory.storesFP32 ? .fp32 : precision,
            gradients: framework.memory.storesFP32 ? nil : layout.gradients,
            shardsMaster: framework.shardsMasterWeights && layout.sharding == .parameters, optimizer: optimizer)
        if framework.reducesInHalf, layout.gradients == nil { gradient = min(gradient, weight) }
        if framework.keepsOffloadedMaster { staying = masterState }
        if framework.copiesFP32ToHost { (sentGradient, returnedWeight, hostCopy) = (4, 4, 0) }
    }

    /// Bytes that the casts of a gradient before its copy to the host, and of a weight behind its copy back, move on the
    /// device: each number is read in one format and written in the other.
    func castBytes(gradient sent: Bool, weight returned: Bool) -> Double {
        (sent && sentGradient != gradient ? gradient + sentGradient : 0)
            + (returned && returnedWeight != keptWeight ? returnedWeight + keptWeight : 0)
    }

    /// Bytes of a moment that an update reads and writes. Numbers with one scale for a tensor become fp32 in a buffer,
    /// which the update, the search for the largest and the rounding read again (Transformer Engine's FusedAdam:
    /// `get_unscaled_state`, `_apply_scale`).
    static func moved(_ moment: Optimizer.Moment) -> Double {
        2 * moment.bytes + (moment == .fp16 || moment == .fp8 ? throughBuffer : 0)
    }

    /// Bytes of weights that an update reads and writes, without the copy for products that it writes.
    private static func moved(_ master: Optimizer.Master, stepsKeptWeight: Bool) -> Double {
        if stepsKeptWeight { return 8 }
        return switch master {
        case .fp32: 8
        case .fp16: 2 * master.bytes + throughBuffer
        // The 16-bit weight is read too.
        case .remainders: 2 * master.bytes + 2
        case .none: 2
        }
    }

    /// Bytes of an fp32 number in a buffer: written, read and written by the update, read for the largest, read for
    /// rounding.
    private static let throughBuffer = 20.0

    /// Bytes of a weight that an optimizer step writes in addition to the fp32 values: the copy that products read, if
    /// one is kept.
    package var writtenCopy: Double { keptWeight == 4 ? 0 : weight }

    /// Bytes of weights, gradients and optimizer state for `parameters` on one of `group` data-parallel ranks.
    /// - Parameter optimizerGroup: ranks that shard the optimizer's state; nil: those of `group`.
    package func held(
        parameters: Double, sharding: Layout.Sharding, group: Int, optimizerGroup: Int? = nil
    ) -> (weights: Double, gradients: Double, optimizer: Double) {
        let d = Double(group)
        return (
            keptWeight * parameters / (sharding == .parameters ? d : 1),
            keptGradient * parameters / (sharding == .parameters || sharding == .gradients ? d : 1),
            optimizer * parameters / (sharding == .none ? 1 : optimizerGroup.map(Double.init) ?? d)
        )
    }
}
