import Plans
import Testing

/// The list of what is known to be wrong says no more than what is.
@Suite struct KnownFaultTests {
    static let properties =
        CountTests.properties + MonotonicityTests.hardware + MonotonicityTests.memory + MonotonicityTests.overlaps
        + BoundTests.properties + EquivalenceTests.plans + EquivalenceTests.answers
        + [SearchPropertyTests.priceOfASearch]

    @Test func everyFaultNamesAProperty() {
        let names = Self.properties.map(\.name)
        #expect(Set(names).count == names.count)
        for fault in knownFaults { #expect(names.contains(fault.property), "no property '\(fault.property)'") }
    }

    /// A fault that no plan shows is mended, and hides whatever comes next. One that shows in many properties counts once.
    @Test(.enabled(if: Corpus.isWhole)) func everyFaultShows() {
        for (reason, faults) in Dictionary(grouping: knownFaults, by: \.reason) {
            #expect(faults.contains(where: Self.shows), "mended, take it off the list: \(reason)")
        }
    }

    private static func shows(_ fault: KnownFault) -> Bool {
        guard let property = properties.first(where: { $0.name == fault.property }) else { return false }
        return stride(from: 0, to: Corpus.plans.count, by: property.every).contains { index in
            let plan = Corpus.plans[index]
            guard fault.excuses(property.name, plan), case .fails = property.outcome(plan) else { return false }
            return true
        }
    }
}
