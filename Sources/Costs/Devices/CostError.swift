/// The reason why a plan cannot be priced.
package enum CostError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The device file has no rate for the plan's precision.
    case noRate(precision: String, device: String)
    /// The layout breaks a rule; the text is the rule.
    case badLayout(String)
    /// The plan has a value that cannot be priced; the text says which.
    case badPlan(String)

    package var description: String {
        switch self {
        case .noRate(let precision, let device): "\(device) states no matrix-product rate for \(precision)"
        case .badLayout(let rule), .badPlan(let rule): rule
        }
    }
}
