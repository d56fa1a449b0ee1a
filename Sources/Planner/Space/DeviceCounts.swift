internal import Models
internal import Numbers
package import Plans
internal import Schedules

/// The numbers of devices among which the planner chooses how many to use: whole nodes, and other numbers with many
/// divisors.
///
/// The set depends on the plan but not on how many devices there are, so that a user with more devices can choose among
/// all numbers that a user with fewer can.
package struct DeviceCounts: Hashable, Sendable {
    /// Odd factors of the numbers: 3, 5, 7 and products of them, powers of 5 for round numbers of devices, and primes
    /// that fill wide gaps.
    static let oddParts = [1, 3, 5, 7, 9, 11, 13, 15, 17, 21, 25, 27, 29, 31, 33, 35, 45, 75, 125, 375, 625]
    /// All numbers of whole nodes up to this one are in the set, with their doubles, quadruples and so on.
    static let mostWholeNodes = 48
    /// How many odd factors of the plan's own counts are used besides `oddParts`.
    private static let mostOwn = 24

    /// The product of the fixed degrees, of which all numbers are multiples.
    let unit: Int
    private let odd: [Int]
    private let node: Int
    /// The devices of a cluster of several groups, the only number that it has.
    private let fixed: Int?

    /// - Parameter space: the search space; every number is a multiple of its fixed degrees.
    package init(_ plan: Plan, space: SearchSpace = SearchSpace()) {
        node = max(1, plan.cluster.devicesPerNode)
        fixed = plan.cluster.groups?.devices
        unit = space.fixedDevices
        // Pipeline degrees divide the layers, data-parallel degrees divide a stated batch.
        let own = [node, plan.model.layers] + (plan.wantedBatch == nil ? [plan.batch] : [])
        let parts = own.map { Divisors.of(BatchChoice.oddPart($0)).prefix(Self.mostOwn) }
        odd = Set(Self.oddParts + parts.flatMap(\.self)).sorted()
    }

    /// The numbers from `least` to `most`, ascending.
    package func between(_ least: Int, _ most: Int) -> [Int] {
        guard least <= most, unit <= most else { return [] }
        if let fixed { return (least...most).contains(fixed) ? [fixed] : [] }
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
        // All numbers up to two nodes.
        found.formUnion(1...max(1, min(top, 2 * min(node, 16))))
        return found.lazy.map { $0 * unit }.filter { $0 >= least }.sorted()
    }
}

extension Plan {
    /// The plan on `count` of `paid` devices. Where no batch is stated, one is taken that the devices divide.
    package func using(_ count: Int, of paid: Int? = nil) -> Plan {
        var plan = self
        plan.devices = count
        plan.idleDevices = max(0, (paid ?? count) - count)
        if let wantedBatch { plan.batch = BatchChoice.batch(near: wantedBatch, devices: count) }
        return plan
    }
}
