internal import Numbers
internal import Schedules

/// A rank's time cut into equal columns, each with the category that fills it.
struct TimelineBins {
    /// The category of every column.
    private(set) var columns: [TimelineCategory]

    /// - Parameters:
    ///   - spans: the rank's spans, in order of their start.
    ///   - origin: the time at which the first column begins.
    ///   - column: the duration of a column.
    init(_ spans: [Timeline.Span], origin: Double, column: Double, count: Int) {
        columns = [TimelineCategory](repeating: .idle, count: count)
        guard count > 0, column > 0 else { return }
        var forward = [Double](repeating: 0, count: count)
        var backward = forward
        var optimizer = forward
        var communication = forward
        for span in spans {
            let category = TimelineCategory(span)
            guard category != .idle else { continue }
            let first = max(0, Int(saturating: ((span.start - origin) / column).rounded(.down)))
            let last = min(count - 1, Int(saturating: ((span.end - origin) / column).rounded(.down)))
            guard first <= last else { continue }
            for index in first...last {
                let left = origin + Double(index) * column
                let covered = max(0, min(span.end, left + column) - max(span.start, left)) / column
                switch category {
                case .forward, .softmax: forward[index] += covered
                case .backward, .backwardInput, .backwardWeight, .outputGradient: backward[index] += covered
                case .fused, .mixed:
                    forward[index] += covered / 2
                    backward[index] += covered / 2
                case .optimizer: optimizer[index] += covered
                case .communication: communication[index] += covered
                case .idle: break
                }
            }
        }
        for index in 0..<count {
            columns[index] = Self.category(
                forward: forward[index], backward: backward[index], optimizer: optimizer[index],
                communication: communication[index])
        }
    }

    /// The category of a column: work where it fills at least half of the column, else communication, else idle.
    private static func category(
        forward: Double, backward: Double, optimizer: Double, communication: Double
    ) -> TimelineCategory {
        let work = forward + backward + optimizer
        if work < 0.5 { return communication >= 0.5 || (work == 0 && communication > 0.25) ? .communication : .idle }
        if optimizer > work / 2 { return .optimizer }
        if backward < 0.15 * work { return .forward }
        if forward < 0.15 * work { return .backward }
        return .mixed
    }

    /// Runs of neighbouring columns with one category.
    var runs: [(category: TimelineCategory, columns: Range<Int>)] {
        var runs: [(category: TimelineCategory, columns: Range<Int>)] = []
        for (index, category) in columns.enumerated() {
            if let last = runs.last, last.category == category {
                runs[runs.count - 1].columns = last.columns.lowerBound..<index + 1
            } else {
                runs.append((category, index..<index + 1))
            }
        }
        return runs
    }
}
