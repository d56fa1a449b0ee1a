package import Costs
internal import Models
internal import Numbers
internal import Plans
package import Reading

extension Estimate {
    /// Least change of the step's time, as a share, that a remark on a default is worth.
    private static var leastChange: Double { 0.05 }

    /// Remarks on the defaults that decide much of the time: the transfers that the plan says nothing about and that
    /// are not hidden, with the time if they were.
    package func defaultRemarks() throws(PlannerError) -> [Remark] {
        var remarks: [Remark] = []
        for transfer in Layout.OptionalOverlap.allCases
        where plan.layout == nil || plan.openTransfers.contains(transfer) {
            var other = layout
            let words: String
            switch transfer {
            case .expert:
                guard !layout.overlap.expert, layout.expert * layout.expertTensor > 1, plan.model.mixtureLayers > 0
                else {
                    continue
                }
                other.overlap.expert = true
                words = "the experts' exchange is not hidden"
            case .tensor:
                guard !layout.overlap.tensor, layout.tensor > 1 else { continue }
                other.overlap.tensor = true
                words = "tensor collectives are not hidden"
            }
            let hidden = try price(plan: plan, layout: other)
            let saved = 1 - hidden.iteration.seconds / iteration.seconds
            guard saved > Self.leastChange else { continue }
            remarks.append(
                Remark(
                    .defaultDecides,
                    "\(words), which is the default: \(gain(hidden)) if it were (layout.overlap: "
                        + "{\(transfer.rawValue): true})"))
        }
        return remarks
    }

    /// The difference of another answer: in days of the run, or in the time of a step.
    private func gain(_ other: Estimate) -> String {
        if let days = run?.ended?.days, let less = other.run?.ended?.days {
            return "−\(Figures.significant(days - less)) days"
        }
        return "−\(Figures.seconds(iteration.seconds - other.iteration.seconds)) a step"
    }
}
