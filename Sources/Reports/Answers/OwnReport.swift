internal import Costs
internal import Numbers
package import Planner
internal import Plans

/// The plan's own layout beside the best that a search found, in the documents of all commands that search.
struct OwnReport: Encodable, Sendable {
    private let fits: Bool
    private let verdict: String
    /// One; a list, since the document that holds it is of the same kind.
    private let estimates: [EstimateReport]

    init(_ own: OwnLayout) {
        (fits, verdict, estimates) = (own.fits, own.verdict, [EstimateReport(own.estimate)])
    }

    private enum CodingKeys: String, CodingKey { case fits, verdict, estimate }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(fits, forKey: .fits)
        try container.encode(verdict, forKey: .verdict)
        try container.encodeIfPresent(estimates.first, forKey: .estimate)
    }
}

extension OwnLayout {
    /// `yours: 14.57 s a step, MFU 48.5 %, 70.2 GiB; 11 % slower: 61 % of it goes to compute`.
    package var line: String {
        let bubble =
            estimate.layout.pipeline > 1 ? ", bubble \(Figures.percent(estimate.iteration.bubbleFraction))" : ""
        return
            "yours: \(Figures.seconds(estimate.iteration.seconds)) a step, MFU \(Figures.percent(estimate.mfu))\(bubble), "
            + "\(Figures.memory(estimate.peakMemory)); \(verdict)"
    }
}
