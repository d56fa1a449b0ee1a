package import Plans

extension Pricer {
    /// Relative difference that sums of equal times in another order can have.
    static let rounding = 1e-12

    /// The work of a layout with the choice of hidden transfers that makes its step shortest by closed form.
    package func work(_ layout: Layout) throws(CostError) -> LayoutWork {
        let works = try works(layout)
        guard works.count > 1 else { return works[0] }
        let seconds = works.map { IterationTime($0).seconds }
        // A difference of rounding alone gives up no overlap: the layout's own choice comes first.
        return works[seconds.indices.reduce(0) { seconds[$1] < (1 - Self.rounding) * seconds[$0] ? $1 : $0 }]
    }
}
