package import Costs
package import Plans
package import Reading
package import Schedules

/// Ranked layouts of one plan.
package struct SearchResult: Hashable, Sendable {
    /// Layouts that fit, best first.
    package var candidates: [Estimate]
    /// Layouts that no other beats in both time and memory, smallest first; empty unless asked for.
    package var front: [Estimate] = []
    package var effort = SearchEffort()
    /// Wall-clock seconds of the search.
    package var seconds = 0.0
    /// The layouts that were tried, in words.
    package var searched: SearchedSpace?
    /// The plan's own layout, for comparison; nil where it has none.
    package var own: OwnLayout?
    /// Remarks on the ranking.
    package var remarks: [Remark] = []
}

/// The layouts that a search tried, in words. Every command that chooses a layout prints them.
package struct SearchedSpace: Hashable, Codable, Sendable {
    package var framework: String
    /// Whether the plan names the software; otherwise the software is assumed.
    package var isStated: Bool
    /// Whether layouts that the software cannot run were tried too.
    package var anySoftware: Bool
    package var schedules: [ScheduleName]

    /// The JSON keys.
    private enum CodingKeys: String, CodingKey {
        case framework, anySoftware, schedules
        case isStated = "stated"
    }

    /// - Parameter layout: the layout, where only its schedule is open.
    package init(_ space: SearchSpace, _ plan: Plan, layout: Layout? = nil) {
        let software = plan.framework(for: layout)
        framework = software.name
        isStated = plan.frameworks.named != nil
        anySoftware = space.anySoftware
        schedules = space.triedSchedules(plan, on: software)
    }

    /// `searched: layouts that megatron-core runs (1f1b, interleaved-1f1b); --any-software tries more`.
    package var description: String {
        let names = schedules.map(\.rawValue).joined(separator: ", ")
        return anySoftware
            ? "searched: layouts of any software (\(names)), priced on \(framework)"
            : "searched: layouts that \(framework) runs (\(names)); --any-software tries more"
    }
}

/// A plan's own layout, compared with the best that a search found.
package struct OwnLayout: Hashable, Sendable {
    package var estimate: Estimate
    package var fits: Bool
    /// One sentence: why the layout loses, or that it does not.
    package var verdict: String
}
