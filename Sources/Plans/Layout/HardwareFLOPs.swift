package import Models

extension FLOPs {
    /// Hardware FLOPs: model FLOPs and those of recomputation, in the field's convention.
    /// - Parameter keepsOperations: the kind of selective recomputation (`Framework.selectiveOperations`).
    package func hardware(_ recompute: Layout.Recompute, keepsOperations: Bool = false) -> Double {
        switch recompute {
        case .none: required
        case .selective: keepsOperations ? hardwareSelectiveOperations : hardwareSelective
        case .full: hardwareFull
        }
    }
}
