internal import Numbers
package import Reading

/// Failures of devices and what follows from one, as `failures:` of a cluster or a plan states it. nil leaves a figure to
/// its default.
package struct Failures: Hashable, Codable, Sendable {
    /// Failures a day of all devices of a run, however many they are.
    package var perDay: Double?
    /// Failures a day of one node.
    package var perNodeDay: Double?
    /// Seconds from a failure until it is noticed.
    package var detection: Double?
    /// Seconds from then until training continues.
    package var restart: Double?
    /// Seconds until a failed node is back; nil: another one is there at once.
    package var repair: Double?
    /// Nodes that are paid for and stand in for failed ones.
    package var spareNodes: Int?
    /// Bytes a second that one node writes to checkpoint storage.
    package var nodeWrite: Double?
    /// Bytes a second that the storage takes from all nodes together.
    package var storageWrite: Double?
    /// Seconds for which a checkpoint blocks training, whatever its size.
    package var checkpointTime: Double?

    package init() {}

    /// Seconds from a failure until training continues: within 15 minutes with automatic recovery, its discovery included
    /// (Jiang et al. 2024, MegaScale, section 6.2).
    package static let usualRestart = 900.0
    /// Bytes a second that one node writes to checkpoint storage: BLOOM's 2.3 TB took 40 s from 48 nodes (its training
    /// log).
    package static let usualNodeWrite = 1.2e9

    /// Seconds from a failure until training continues where a node stands in for the failed one.
    package var outage: Double { (detection ?? 0) + (restart ?? Self.usualRestart) }

    /// Whether failures of a run or of nodes replace those of devices.
    package var statesRate: Bool { perDay != nil || perNodeDay != nil }

    /// These figures, and those of `base` where they are nil. A rate replaces every rate.
    package func over(_ base: Failures) -> Failures {
        var merged = self
        if !statesRate { (merged.perDay, merged.perNodeDay) = (base.perDay, base.perNodeDay) }
        merged.detection = detection ?? base.detection
        merged.restart = restart ?? base.restart
        merged.repair = repair ?? base.repair
        merged.spareNodes = spareNodes ?? base.spareNodes
        merged.nodeWrite = nodeWrite ?? base.nodeWrite
        merged.storageWrite = storageWrite ?? base.storageWrite
        merged.checkpointTime = checkpointTime ?? base.checkpointTime
        return merged
    }

    /// Reads the map's keys.
    package static func read(_ map: FieldReader) -> Failures? {
        var failures = Failures()
        failures.perDay = map.number("perDay", .plain, in: 0...1e6)
        failures.perNodeDay = map.number("perNodeDay", .plain, in: 0...1e4)
        failures.detection = map.quantity("detection", .seconds, in: 0...Bounds.outage)
        failures.restart = map.quantity("restart", .seconds, in: 0...Bounds.outage)
        failures.repair = map.quantity("repair", .seconds, in: 0...Bounds.outage)
        failures.spareNodes = map.count("spareNodes", in: 0...1_000_000)
        failures.nodeWrite = map.quantity("nodeWrite", .bytesPerSecond, in: 1...1e18)
        failures.storageWrite = map.quantity("storageWrite", .bytesPerSecond, in: 1...1e18)
        failures.checkpointTime = map.quantity("checkpointTime", .seconds, in: 0...Bounds.outage)
        map.reportUnknownKeys()
        if map.contains("perDay"), map.contains("perNodeDay") {
            map.report("perNodeDay", rule: "perDay states the failures too", fix: "keep one of the two")
        }
        return failures
    }

    /// The fields as a file writes them.
    package var lines: [String] {
        var lines: [String] = []
        if let perDay { lines.append("perDay: \(Figures.plain(perDay))") }
        if let perNodeDay { lines.append("perNodeDay: \(Figures.plain(perNodeDay))") }
        func add(_ key: String, _ value: Double?, _ unit: Quantity.Unit) {
            if let value { lines.append("\(key): \(Quantity.written(value, as: unit))") }
        }
        add("detection", detection, .seconds)
        add("restart", restart, .seconds)
        add("repair", repair, .seconds)
        if let spareNodes { lines.append("spareNodes: \(spareNodes)") }
        add("nodeWrite", nodeWrite, .bytesPerSecond)
        add("storageWrite", storageWrite, .bytesPerSecond)
        add("checkpointTime", checkpointTime, .seconds)
        return lines
    }
}

extension Bounds {
    /// Dollars, or another currency's units, for a device-hour.
    package static let price = 0.0...1e6
    /// Most seconds of one interruption: ten years.
    package static let outage = 315_576_000.0
}
