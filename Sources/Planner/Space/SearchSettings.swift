internal import Costs

/// What makes one layout better than another.
package enum SearchObjective: String, Hashable, Sendable, CaseIterable {
    /// Shortest step.
    case time
    /// Cheapest run, over fewer devices too.
    case cost
    /// Least memory on the fullest device.
    case memory
    /// Fewest devices that do.
    case devices
}

/// How a search is done; the answer does not depend on `threads`.
package struct SearchSettings: Hashable, Sendable {
    package var space = SearchSpace()
    /// Layouts returned.
    package var top = 20
    /// Share of device memory a layout may fill.
    package var usableMemory = Estimate.usableShare
    /// By time or by memory; cost and devices are asked of `searchCounts`.
    package var objective = SearchObjective.time
    /// Whether to return the front of time and memory too.
    package var wantsFront = false
    /// Whether the leaders are timed by the simulator and ranked by that; closed forms alone otherwise.
    package var simulates = true
    /// Whether to look for the number of devices that would do where nothing fits.
    package var explainsMisfit = true
    /// Seconds of a step that only faster layouts are of interest for; nil: all are. Leaders whose closed form is above
    /// by more than closed forms are off (`closedFormError`) are not timed, and there may be no candidate.
    var slowest: Double?
    /// Three times what closed forms differ from the simulator at most (`ClosedFormTests`).
    static let closedFormError = 0.15
    /// Concurrent workers; nil: one a core.
    package var threads: Int?

    package init() {}
}
