package import Models

extension FLOPs {
    /// FLOPs that devices run under a recomputation mode, in the field's convention.
    /// - Parameter keepsOperations: what selective recomputation means (`Framework.selectiveOperations`).
    package func hardware(_ recompute: Layout.Recompute, keepsOperations: Bool = false) -> Double {
        switch recompute {
        case .none: required
        case .selective: keepsOperations ? hardwareSelectiveOperations : hardwareSelective
        case .full: hardwareFull
        }
    }
}
