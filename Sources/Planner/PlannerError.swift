package import Costs
internal import Numbers
package import Plans
internal import Reading
internal import Schedules
package import Simulator

/// Why there is no answer to a plan.
package enum PlannerError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The plan or its layout cannot be priced.
    case cost(CostError)
    /// The layout's schedule cannot be timed.
    case simulation(SimulationProblem)
    /// The constraints of a question exclude one another; the text says which.
    case contradiction(String)
    /// No answer keeps the limits of the question; the text names the nearest one.
    case unreachable(String)
    /// No split of the model over the devices obeys the rules; the text says why.
    case noLayout(String)
    /// Every split needs more memory than a device has.
    case nothingFits(NothingFits)

    package var description: String {
        switch self {
        case .cost(let error): error.description
        case .simulation(let problem): problem.description
        case .noLayout(let reason), .contradiction(let reason), .unreachable(let reason): reason
        case .nothingFits(let reason): reason.description
        }
    }
}

/// The layout that came closest to fitting.
package struct NothingFits: Hashable, Sendable, CustomStringConvertible {
    package var layout: Layout
    /// Bytes of the layout's fullest rank.
    package var peak: Double
    /// Bytes of a device that may be used.
    package var usable: Double
    package var device: String
    package var devices: Int
    /// The devices of a cluster of several groups, in words. Bytes are then parts of the first group's memory.
    package var groups: String?
    /// Number of layouts that were priced.
    package var tried: Int
    /// The fewest devices on which some layout fits; nil when 64 times as many as the plan's are too few.
    package var enough: Int?
    /// The least that the plan's software can offload with which some layout fits; nil if none does.
    package var offload: Layout.Offload?

    package var description: String {
        let more =
            groups != nil
            ? " (as parts of the memory of \(device))"
            : (enough.map { "; it needs at least \(Figures.grouped($0)) devices" }
                ?? "; even 64 times as many devices would not be enough")
                + (offload.map { "; a layout fits with offload: \($0.yaml)" } ?? "")
        let rare = [("context", layout.context), ("expert", layout.expert), ("expertTensor", layout.expertTensor)]
            .filter { $0.1 > 1 }.map { ", \($0.0) \($0.1)" }.joined()
        return
            "nothing fits on \(groups ?? "\(Figures.grouped(devices)) × \(device)"): the smallest of \(Figures.grouped(tried)) layouts (tensor \(layout.tensor), "
            + "pipeline \(layout.pipeline), data \(layout.data)\(rare), recompute \(layout.recomputeWords), sharding "
            + "\(layout.sharding.rawValue)) needs \(Figures.gibibytes(peak, isGrouped: true)) GiB of "
            + "\(Figures.gibibytes(usable, isGrouped: true)) usable" + more
    }
}
