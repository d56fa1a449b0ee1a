/// Why a plan cannot be priced.
package enum CostError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The device file has no rate for the plan's precision.
    case noRate(precision: String, device: String)
    /// The layout breaks a rule, in words.
    case badLayout(String)
    /// The plan has a number no price exists for, in words.
    case badPlan(String)

    package var description: String {
        switch self {
        case .noRate(let precision, let device): "\(device) states no matrix-product rate for \(precision)"
        case .badLayout(let rule), .badPlan(let rule): rule
        }
    }
}
