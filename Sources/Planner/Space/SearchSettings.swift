internal import Costs

/// The property by which layouts are ranked.
package enum SearchObjective: String, Hashable, Sendable, CaseIterable {
    /// Shortest step.
    case time
    /// Cheapest run, on the plan's devices or fewer.
    case cost
    /// Least memory on the fullest device.
    case memory
    /// Fewest devices on which a layout fits.
    case devices
}

/// The settings of a search.
package struct SearchSettings: Hashable, Sendable {
    package var space = SearchSpace()
    /// Number of layouts that are returned.
    package var top = 20
    /// Share of device memory a layout may fill.
    package var usableMemory = Estimate.usableShare
    /// Time or memory; `searchAllDeviceCounts` answers for cost and devices.
    package var objective = SearchObjective.time
    /// Whether the layouts that no other beats in both time and memory are returned too.
    package var wantsFront = false
    /// Whether the simulator times the leaders; closed forms rank them otherwise.
    package var simulates = true
    /// Whether a search in which nothing fits looks for a number of devices on which something does.
    package var explainsMisfit = true
    /// Only layouts with a shorter step than this many seconds are of interest; nil: all are. A leader whose closed
    /// form is above it by more than `closedFormError` is not timed, and the result may be empty.
    var slowest: Double?
    /// Three times the largest relative difference between closed forms and the simulator (`ClosedFormTests`).
    static let closedFormError = 0.15
    /// Concurrent workers; nil: one a core. The answer does not depend on them.
    package var threads: Int?

    package init() {}
}
