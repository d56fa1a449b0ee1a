internal import Models

/// How software runs norms and gated activations: as one kernel each, or in eager PyTorch's steps, each of which keeps what its
/// own backward reads.
struct NormKernels: Hashable, Sendable {
    /// Whether a norm is several kernels (`Framework.runsNormsInSteps`).
    let areSeveral: Bool
    /// Whether they cast the rows that they read to fp32. Rows in fp32 need no copy.
    let cast: Bool
    /// Whether a gate's activation and its product are kernels of their own (`Framework.runsGatesInSteps`).
    let splitsGates: Bool
    /// Whether it looks up the sines and cosines of positions for every row (`Framework.Memory.gathersRotary`).
    let gathersRotary: Bool

    /// - Parameter elementBytes: bytes of a number of an activation.
    init(areSeveral: Bool = false, elementBytes: Double = 4, splitsGates: Bool = false, gathersRotary: Bool = false) {
        self.areSeveral = areSeveral
        self.splitsGates = splitsGates
        self.gathersRotary = gathersRotary
        cast = areSeveral && elementBytes < 4
    }

    /// Whether the software keeps a tensor of this role, as far as norms and gates go.
    func keeps(_ role: Kept.Role) -> Bool {
        switch role {
        case .normInput: !cast
        case .castNormInput: cast
        case .normalised: areSeveral
        case .gate: splitsGates
        case .rotary: gathersRotary
        case .normResult, .activationResult, .activationInput, .attended, .combined, .productInput, .logits, .other:
            true
        }
    }
}
