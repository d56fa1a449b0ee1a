package import Plans

extension Pricer {
    /// The work of a layout with the choice of hidden transfers that makes its step shortest by closed form.
    package func work(_ layout: Layout) throws(CostError) -> LayoutWork {
        let works = try works(layout)
        guard works.count > 1 else { return works[0] }
        let seconds = works.map { IterationTime($0).seconds }
        return works[seconds.indices.reduce(0) { seconds[$1] < seconds[$0] ? $1 : $0 }]
    }
}
