package import Plans

/// Bytes a parameter takes on one device before sharding.
///
/// | weights, gradients | plain | optimizer sharded over D |
/// |---|---|---|
/// | bf16, fp32 | 18 | 6 + 12/D |
/// | bf16, bf16 | 16 | 4 + 12/D |
/// | fp16, fp16 | 20 | 4 + 16/D |
/// | fp32 | 16 | 8 + 8/D |
///
/// Sources: Megatron-LM's distributed optimizer guide; Rajbhandari et al. 2020, section 3. fp8 keeps bf16 weights.
package struct StateBytes: Hashable, Sendable {
    package var weight: Double
    package var gradient: Double
    /// Master weight and Adam's two moments (and fp16's fp32 gradient copy).
    package var optimizer: Double

    package init(precision: Precision, gradients: Precision?) {
        weight = precision == .fp32 ? 4 : 2
        let format = gradients ?? (precision == .fp16 ? .fp16 : .fp32)
        gradient = format == .fp32 ? 4 : 2
        optimizer = precision == .fp32 ? 8 : (precision == .fp16 && format == .fp16 ? 16 : 12)
    }

    /// Weights, gradients and optimizer bytes of `parameters` on one of `group` data-parallel ranks.
    package func held(
        parameters: Double, sharding: Layout.Sharding, group: Int
    ) -> (weights: Double, gradients: Double, optimizer: Double) {
        let d = Double(group)
        return (
            weight * parameters / (sharding == .parameters ? d : 1),
            gradient * parameters / (sharding == .parameters || sharding == .gradients ? d : 1),
            optimizer * parameters / (sharding == .none ? 1 : d)
        )
    }
}
