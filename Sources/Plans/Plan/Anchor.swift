internal import Reading

/// Measured steps of a plan, against which its predictions are set, for other layouts and other numbers of
/// devices.
///
/// The logarithm of measured over predicted seconds is a sum of three independent parts: one of the software, the machine and
/// the model, which all measurements share; one of the layout's degrees; and one of the number of devices. Their shares are
/// those of the published runs (docs/cost-model.md, "Anchoring").
package struct Anchor: Hashable, Codable, Sendable {
    /// A measured step of a layout.
    package struct Point: Hashable, Codable, Sendable {
        package var layout: Layout
        package var devices: Int
        /// Sequences of the step.
        package var batch: Int
        /// Logarithm of measured over predicted seconds.
        package var residual: Double

        package init(layout: Layout, devices: Int, batch: Int, residual: Double) {
            (self.layout, self.devices, self.batch, self.residual) = (layout, devices, batch, residual)
        }
    }

    package var points: [Point]

    package init(points: [Point]) { self.points = points }

    /// Shares of the variance of residuals that all layouts have in common, that layouts of the same degrees have in common,
    /// and that is of one number of devices.
    package static let shares = (common: 0.5, layout: 0.4, devices: 0.1)
    /// Standard deviation of the logarithm of one measurement of some minutes.
    package static let noise = 0.02

    /// The logarithm of measured over predicted seconds that is expected of a step, and its standard deviation.
    package struct Expectation: Hashable, Sendable {
        package var shift: Double
        package var deviation: Double
    }

    /// Mean and deviation of the normal distribution of a step of `layout`, given the measurements.
    ///
    /// The three parts lie one inside the other: steps of one number of devices and batch, in those of one layout, in all. So
    /// the conditional distribution follows from sums over these, without a matrix of all measurements.
    /// - Parameters:
    ///   - deviation: standard deviation of the logarithm without measurements, for a layout and software that are known.
    ///   - unknown: standard deviation of what is added where they are not; measurements are of the same software.
    package func expectation(
        _ layout: Layout, devices: Int, batch: Int, deviation: Double, unknown: Double = 0
    ) -> Expectation {
        let known = deviation * deviation
        let parts = (
            common: Self.shares.common * known + unknown * unknown, layout: Self.shares.layout * known,
            devices: Self.shares.devices * known
        )
        let noise = Self.noise * Self.noise
        let target = Point(layout: layout, devices: devices, batch: batch, residual: 0)
        // Of every layout: its measurements by devices and batch.
        var cells: [Layout: [Cell: Mean]] = [:]
        for point in points { cells[point.degrees, default: [:]][Cell(point), default: Mean()].add(point.residual) }
        // A mean of n measurements has a variance of noise / n around the step that it measures.
        func layoutMean(_ cells: [Cell: Mean]) -> Weighted {
            Weighted(of: cells.values.map { ($0.mean, $0.count / (noise + parts.devices * $0.count)) })
        }
        let layouts = cells.mapValues(layoutMean)
        let all = Weighted(of: layouts.values.map { ($0.mean, $0.weight / (1 + parts.layout * $0.weight)) })
        // From the part that all share to the layout's, and from there to the step's own.
        let common = all.posterior(mean: 0, variance: 0, own: parts.common)
        let ofLayout = (layouts[target.degrees] ?? Weighted()).posterior(
            mean: common.mean, variance: common.variance, own: parts.layout)
        let measured = cells[target.degrees]?[Cell(target)]
        let step = Weighted(mean: measured?.mean ?? 0, weight: (measured?.count ?? 0) / noise).posterior(
            mean: ofLayout.mean, variance: ofLayout.variance, own: parts.devices)
        // A run of days meets what a measurement of minutes does not: no less than its noise remains.
        return Expectation(shift: step.mean, deviation: max(step.variance, noise).squareRoot())
    }

    /// Devices and batch of a step.
    private struct Cell: Hashable {
        var devices, batch: Int

        init(_ point: Point) { (devices, batch) = (point.devices, point.batch) }
    }

    private struct Mean {
        var count = 0.0
        var sum = 0.0
        var mean: Double { sum / count }

        mutating func add(_ value: Double) { (count, sum) = (count + 1, sum + value) }
    }

    /// The mean of some values and its weight, the inverse of its variance.
    private struct Weighted {
        var mean = 0.0
        var weight = 0.0

        init(mean: Double = 0, weight: Double = 0) { (self.mean, self.weight) = (mean, weight) }

        init(of values: [(value: Double, weight: Double)]) {
            // A fixed order, so that every run of the program adds up alike.
            let sorted = values.sorted { ($0.value, $0.weight) < ($1.value, $1.weight) }
            weight = sorted.reduce(0) { $0 + $1.weight }
            mean = weight > 0 ? sorted.reduce(0) { $0 + $1.value * $1.weight } / weight : 0
        }

        /// The distribution of a part that adds a variance of `own` to one of this mean and variance, given these values.
        func posterior(mean prior: Double, variance: Double, own: Double) -> (mean: Double, variance: Double) {
            let share = 1 / (1 + own * weight)
            return (share * (prior + own * weight * mean), own * share + variance * share * share)
        }
    }

    /// The measured seconds over the predicted ones of this very step: the mean of its measurements, in logarithms; nil: it was
    /// not measured.
    package func measured(_ layout: Layout, devices: Int, batch: Int) -> Double? {
        let own = points.filter { $0.layout == layout && $0.devices == devices && $0.batch == batch }
        return own.isEmpty ? nil : own.reduce(0) { $0 + $1.residual } / Double(own.count)
    }

    /// The number of measurements in words.
    package var count: String { points.count == 1 ? "one measured step" : "\(points.count) measured steps" }

    /// The measurements in words, as they concern a step of `layout`.
    package func words(_ layout: Layout) -> String {
        let target = Point(layout: layout, devices: 0, batch: 0, residual: 0)
        let same = points.count { $0.degrees == target.degrees }
        switch same {
        case points.count: return "\(count) of this layout"
        case 0: return "\(count) of \(points.count == 1 ? "another layout" : "other layouts")"
        default: return "\(count), \(same) of this layout"
        }
    }
}

extension Anchor.Point {
    /// The layout without what follows from the number of devices.
    fileprivate var degrees: Layout {
        var open = layout
        (open.data, open.shardGroup) = (1, nil)
        return open
    }
}

extension Plan {
    /// The plan without its measured steps, where these are not of its model, cluster or format any more, with a remark that
    /// says so.
    /// - Parameter option: what changes them, as a command line names it.
    package func withoutMeasurements(because option: String) -> Plan {
        guard measured != nil || !measurements.isEmpty else { return self }
        var plan = self
        (plan.measured, plan.measurements, plan.anchor) = (nil, [], nil)
        plan.remarks.append(
            Remark(
                .keyUnused,
                "measured does not apply: its steps are of the plan's own model, cluster and precision, and \(option) changes "
                    + "one of these"))
        return plan
    }

    /// A measured step of the plan's model, on the plan's cluster and software.
    package struct Measurement: Hashable, Codable, Sendable {
        package var seconds: Double
        package var devices: Int
        /// Sequences of the step.
        package var batch: Int
        package var layout: Layout
        /// Whether it is the step of the plan itself, as its file states it.
        package var isOwn: Bool

        package init(seconds: Double, devices: Int, batch: Int, layout: Layout, isOwn: Bool = false) {
            (self.seconds, self.devices, self.batch, self.layout) = (seconds, devices, batch, layout)
            self.isOwn = isOwn
        }
    }
}
