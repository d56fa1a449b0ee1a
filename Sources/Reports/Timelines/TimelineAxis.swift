internal import Foundation
internal import Numbers
internal import Schedules

/// The unit of a timeline's times.
package enum TimelineUnit: Hashable, Sendable {
    case seconds
    /// Times relative to one another, without a unit.
    case steps
}

/// The time axis that all timelines of a drawing share.
struct TimelineAxis {
    let unit: TimelineUnit
    /// Length of the axis, in the timelines' unit.
    let length: Double
    /// Start of each timeline; it is drawn at 0.
    let origins: [Double]
    /// Divisor of a time before it is printed, and the unit printed after it.
    private let scale: Double
    private let suffix: String

    init(_ timelines: [Timeline], unit: TimelineUnit) {
        self.unit = unit
        origins = timelines.map { $0.ranks.joined().lazy.map(\.start).min() ?? 0 }
        length = timelines.lazy.map(\.duration).max() ?? 0
        (scale, suffix) = Self.scale(for: length, unit)
    }

    private static func scale(for length: Double, _ unit: TimelineUnit) -> (Double, String) {
        switch unit {
        case .steps: (1, "")
        case .seconds where length >= 1: (1, " s")
        case .seconds where length >= 1e-3: (1e-3, " ms")
        case .seconds: (1e-6, " µs")
        }
    }

    /// A time to four significant digits, with its unit.
    func text(_ time: Double) -> String { Self.digits(time / scale) + suffix }

    /// Round numbers from 0, at most `count` + 1 of them.
    func ticks(atMost count: Int) -> [Double] {
        guard length > 0, length.isFinite, count > 0 else { return [0] }
        let rough = length / Double(count)
        let power = pow(10, floor(log10(rough)))
        let step = ([1, 2, 5, 10].first { $0 * power >= rough * (1 - 1e-9) } ?? 10) * power
        return (0...Int(saturating: length / step * (1 + 1e-9))).map { Double($0) * step }
    }

    private static func digits(_ value: Double) -> String {
        if value == value.rounded(), abs(value) < 1e7 { return String(Int(saturating: value)) }
        return Figures.general(value, 4)
    }
}

/// The figures that are printed with a timeline.
struct TimelineSummary {
    let lines: [String]

    init(_ timeline: Timeline, axis: TimelineAxis) {
        let bubble = Figures.percent(timeline.bubbleFraction)
        var first = "makespan \(axis.text(timeline.makespan)) · bubble \(bubble) of the ranks' time"
        first += " · longest wait of a rank \(axis.text(timeline.bubbleSpan))"
        if timeline.duration > timeline.makespan * (1 + 1e-9) {
            first += " · whole step \(axis.text(timeline.duration))"
        }
        var second = "peak activations " + Self.ranges(timeline.peakActivations(release: .backwardWeight))
        let transfers: [Timeline.Activity] = [.send, .receive, .collective]
        if timeline.ranks.joined().contains(where: { transfers.contains($0.activity) }) {
            let exposed = Figures.percent(timeline.exposedCommunicationShare)
            second += " · communication not hidden \(exposed) of the time"
        }
        lines = [first, second]
    }

    /// The figures of all ranks, or the extremes where there are many ranks.
    private static func ranges(_ peaks: [Int]) -> String {
        if Set(peaks).count == 1, let peak = peaks.first { return "\(peak) on every rank" }
        if peaks.count <= 16 { return peaks.map(String.init).joined(separator: " ") + " by rank" }
        return "\(peaks.min() ?? 0) to \(peaks.max() ?? 0) by rank"
    }
}
