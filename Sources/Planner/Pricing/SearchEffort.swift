/// Counts of the work that one or several searches did.
package struct SearchEffort: Hashable, Sendable {
    /// Layouts whose memory and time were computed.
    package var evaluated = 0
    /// Layouts that fit.
    package var feasible = 0
    /// Layouts that a rule of their schedule forbids, counted once for each price that was saved.
    package var rejected = 0
    /// Ways to divide the devices that a bound shows to be too slow or too large; none of their layouts was priced.
    package var ruledOut = 0
    /// Busy seconds of all pricing workers together.
    package var pricingSeconds = 0.0

    static func += (sum: inout SearchEffort, more: SearchEffort) {
        sum.evaluated += more.evaluated
        sum.feasible += more.feasible
        sum.rejected += more.rejected
        sum.ruledOut += more.ruledOut
        sum.pricingSeconds += more.pricingSeconds
    }

    static func - (all: SearchEffort, part: SearchEffort) -> SearchEffort {
        SearchEffort(
            evaluated: all.evaluated - part.evaluated, feasible: all.feasible - part.feasible,
            rejected: all.rejected - part.rejected, ruledOut: all.ruledOut - part.ruledOut,
            pricingSeconds: all.pricingSeconds - part.pricingSeconds)
    }
}
