package import Models

extension FLOPs {
    /// What the devices execute under a recomputation mode, in the field's convention.
    /// - Parameter keepsOperations: what selective recomputation means (`Framework.selectiveOperations`).
    package func hardware(_ recompute: Layout.Recompute, keepsOperations: Bool = false) -> Double {
        switch recompute {
        case .none: model
        case .selective: keepsOperations ? hardwareSelectiveOperations : hardwareSelective
        case .full: hardwareFull
        }
    }
}
