internal import Costs
internal import Numbers
internal import Plans

/// The column of a table that holds what runs cost. Its head is their currency; where they have several, each cell names
/// its own.
struct CostColumn {
    let head: String
    private let isMixed: Bool

    /// nil: no run has a price.
    init?(_ runs: [Estimate.Run?]) {
        let currencies = Set(runs.compactMap { run in run?.cost == nil ? nil : run?.currency })
        guard let first = currencies.first else { return nil }
        isMixed = currencies.count > 1
        head = isMixed ? Self.mixed : first.words
    }

    private static let mixed = "cost"
    /// Every head that the column may have.
    static let heads = Currency.allCases.map(\.words) + [mixed]

    func cell(_ run: Estimate.Run?) -> String {
        let text = Figures.cost(run)
        guard isMixed, let run, text != Figures.none else { return text }
        return "\(text) \(run.currency.rawValue)"
    }
}
