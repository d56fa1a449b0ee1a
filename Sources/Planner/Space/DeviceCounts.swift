internal import Models
internal import Numbers
package import Plans
internal import Schedules

/// Numbers of devices that divide many ways, among which the planner chooses how many to use.
///
/// Whole nodes, and well-divisible numbers beside them. Which ones there are depends on the plan but never on how many
/// devices there happen to be, so that whoever has more devices can choose among all that whoever has fewer can.
package struct DeviceCounts: Hashable, Sendable {
    /// Odd parts: 3, 5, 7 and their products as far as they leave no wide gaps, the powers of 5 that round numbers of
    /// devices are made of, and primes that fill the gaps.
    static let oddParts = [1, 3, 5, 7, 9, 11, 13, 15, 17, 21, 25, 27, 29, 31, 33, 35, 45, 75, 125, 375, 625]
    /// Every number of whole nodes up to here is among them, and twice, four times … each of them.
    static let mostWholeNodes = 48
    /// Odd parts of a plan's own numbers that are used beside them.
    private static let mostOwn = 24

    /// All are multiples of this: the product of the degrees that are fixed.
    let unit: Int
    private let odd: [Int]
    private let node: Int

    /// - Parameter space: whose fixed degrees every number is a multiple of.
    package init(_ plan: Plan, space: SearchSpace = SearchSpace()) {
        node = max(1, plan.cluster.devicesPerNode)
        unit = space.fixedDevices
        // Pipelines divide the layers, data-parallel ranks a batch that is stated.
        let own = [node, plan.model.layers] + (plan.wantedBatch == nil ? [plan.batch] : [])
        let parts = own.map { Divisors.of(BatchChoice.oddPart($0)).prefix(Self.mostOwn) }
        odd = Set(Self.oddParts + parts.flatMap(\.self)).sorted()
    }

    /// Those from `least` to `most`, ascending.
    package func between(_ least: Int, _ most: Int) -> [Int] {
        guard least <= most, unit <= most else { return [] }
        let top = most / unit
        var found: Set<Int> = []
        let wholeNodes = unit == 1 ? (1...Self.mostWholeNodes).compactMap { Int.product($0, node) } : []
        for part in odd + wholeNodes {
            var number = part
            while number <= top {
                found.insert(number)
                let (next, overflow) = number.multipliedReportingOverflow(by: 2)
                if overflow { break }
                number = next
            }
        }
        // Every number inside two nodes.
        found.formUnion(1...max(1, min(top, 2 * min(node, 16))))
        return found.lazy.map { $0 * unit }.filter { $0 >= least }.sorted()
    }
}

extension Plan {
    /// The plan on `count` of `paid` devices, with a batch they divide where none is stated.
    package func using(_ count: Int, of paid: Int? = nil) -> Plan {
        var plan = self
        plan.devices = count
        plan.idleDevices = max(0, (paid ?? count) - count)
        if let wantedBatch { plan.batch = BatchChoice.batch(near: wantedBatch, devices: count) }
        return plan
    }
}
