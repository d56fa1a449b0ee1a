/// Times of a pipeline whose stages are all equal, in one unit: seconds or ticks.
package struct UniformTimes: Hashable, Sendable {
    /// Forward of one rank's whole share of the model for one micro-batch, `T_F`.
    package var forward: Double
    /// Backward (input and weight gradients) of one rank's whole share for one micro-batch, `T_B`.
    package var backward: Double
    /// Weight gradients alone, `T_W`: the part of `backward` that split schedules move.
    package var backwardWeight: Double
    /// One transfer between neighbouring ranks, `c`; it occupies neither of them.
    package var transfer: Double

    /// Input gradients alone, `T_I`.
    package var backwardInput: Double { backward - backwardWeight }
    /// All work of one micro-batch, `T`.
    package var whole: Double { forward + backward }

    /// - Parameter backwardWeight: half of the backward unless known.
    package init(forward: Double, backward: Double, backwardWeight: Double? = nil, transfer: Double = 0) {
        self.forward = forward
        self.backward = backward
        self.backwardWeight = backwardWeight ?? backward / 2
        self.transfer = transfer
    }
}
