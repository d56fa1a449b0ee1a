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
/// gradient have the parameter's format, `MixedPrecisionPolicy.param_dtype` is that of the gathered copy).
package struct StateBytes: Hashable, Sendable {
    /// Bytes of a weight in the copy that matrix products read.
    package var weight: Double
    /// Bytes of a weight that a device keeps between steps: the products' copy, or shards of the fp32 weights.
    package var keptWeight: Double
    /// Bytes of a gradient before it is sharded, and in messages.
    package var gradient: Double
    /// Bytes of a gradient that a device keeps: whole gradients, or shards in the format of the fp32 weights.
    package var keptGradient: Double
    /// Bytes of a parameter's optimizer state: Adam's two moments, the fp32 weight if it is not the kept weight, and
    /// fp16's fp32 copy of the gradient.
    package var optimizer: Double

    /// - Parameter shardsMaster: whether the fp32 weights are sharded and no other copy of the weights is kept.
    package init(precision: Precision, gradients: Precision?, shardsMaster: Bool = false) {
        weight = precision == .fp32 ? 4 : 2
        keptWeight = weight
        let format = gradients ?? (precision == .fp16 ? .fp16 : .fp32)
        gradient =
            switch format {
            case .fp32: 4
            case .fp16, .bf16: 2
            case .fp8: 1
            }
        keptGradient = gradient
        optimizer = precision == .fp32 ? 8 : (precision == .fp16 && format == .fp16 ? 16 : 12)
        if shardsMaster {
            keptWeight = 4
            if gradients == nil { keptGradient = 4 }
            optimizer = 8
        }
    }

    /// Bytes of a parameter with a layout and its software.
    package init(precision: Precision, layout: Layout, framework: Framework) {
        self.init(
            precision: framework.memory.storesFP32 ? .fp32 : precision,
            gradients: framework.memory.storesFP32 ? nil : layout.gradients,
            shardsMaster: framework.shardsMasterWeights && layout.sharding == .parameters)
    }

    /// Bytes of a weight that an optimizer step writes in addition to the fp32 values: the copy that products read, if
    /// one is kept.
    package var writtenCopy: Double { keptWeight == 4 ? 0 : weight }

    /// Bytes of weights, gradients and optimizer state for `parameters` on one of `group` data-parallel ranks.
    package func held(
        parameters: Double, sharding: Layout.Sharding, group: Int
    ) -> (weights: Double, gradients: Double, optimizer: Double) {
        let d = Double(group)
        return (
            keptWeight * parameters / (sharding == .parameters ? d : 1),
            keptGradient * parameters / (sharding == .parameters || sharding == .gradients ? d : 1),
            optimizer * parameters / (sharding == .none ? 1 : d)
        )
    }
}
