/// Constants that no datasheet and no kernel measurement gives: published runs decide them, `validate
/// --leave-one-source-out` refits them. docs/cost-model.md says what each does.
package struct FittedConstants: Hashable, Sendable {
    /// Share of a kernel's rate on its own that products keep inside a step of an accelerator: real numbers draw more
    /// power, caches are cold, clocks sink.
    package var inStepShare = 0.9
    /// Compute an accelerator loses while a collective runs beside it: the multiprocessors the collective occupies.
    package var contention = 0.2
    /// Standard deviation of one node's step time as a share of it: what published series grow by from 1 to 128 nodes
    /// with the same work a device.
    package var nodeVariation = 0.015

    /// Seconds the host takes to launch one block's forward, or its backward: a device that is faster waits for it.
    /// With unfused attention, as in the software of 2020 to 2022, and with fused kernels.
    package var hostUnfused = 1.05e-3
    package var hostFused = 0.4e-3

    package init() {}
}
