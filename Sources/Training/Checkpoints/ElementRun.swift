/// A run of adjacent elements of a whole tensor, and its place where it is held: in memory or in a file.
package struct ElementRun: Hashable, Sendable {
    /// First element where it is held.
    package var local: Int
    /// First element in the whole tensor.
    package var whole: Int
    package var count: Int

    package init(local: Int, whole: Int, count: Int) {
        self.local = local
        self.whole = whole
        self.count = count
    }

    var end: Int { whole + count }

    /// The parts of `runs` whose elements, counted in the order of the runs, are those numbered `range`.
    static func part(_ range: Range<Int>, of runs: [ElementRun]) -> [ElementRun] {
        var (part, passed): ([ElementRun], Int) = ([], 0)
        for run in runs {
            let own = (passed..<passed + run.count).clamped(to: range)
            let skip = own.lowerBound - passed
            passed += run.count
            if !own.isEmpty {
                part.append(ElementRun(local: run.local + skip, whole: run.whole + skip, count: own.count))
            }
        }
        return part
    }

    /// The parts of `runs` whose local elements lie in `range`.
    static func held(_ range: Range<Int>, of runs: [ElementRun]) -> [ElementRun] {
        runs.compactMap { run in
            let own = (run.local..<run.local + run.count).clamped(to: range)
            guard !own.isEmpty else { return nil }
            return ElementRun(
                local: own.lowerBound, whole: run.whole + own.lowerBound - run.local, count: own.count)
        }
    }
}

/// Runs of a whole tensor at a constant distance: `count` elements from `start` on, again every `stride` elements.
package struct RunPattern: Hashable, Sendable {
    package var start: Int
    package var count: Int
    package var stride: Int
    package var repeats: Int

    /// The patterns of runs, in their order.
    package static func patterns(of runs: [ElementRun]) -> [RunPattern] {
        var patterns: [RunPattern] = []
        for run in runs {
            if var last = patterns.last, last.count == run.count {
                let next = run.whole - last.start - (last.repeats - 1) * last.stride
                if next >= last.count, last.repeats == 1 || next == last.stride {
                    (last.stride, last.repeats) = (next, last.repeats + 1)
                    patterns[patterns.count - 1] = last
                    continue
                }
            }
            patterns.append(RunPattern(start: run.whole, count: run.count, stride: run.count, repeats: 1))
        }
        return patterns
    }

    /// As a list of numbers: start and count, and where the run recurs stride and repeats.
    package var numbers: [Int] { repeats == 1 ? [start, count] : [start, count, stride, repeats] }

    /// The pattern of a list of numbers from a file; nil for anything but runs inside a tensor of `size` elements.
    package init?(_ numbers: [Int], size: Int) {
        guard numbers.count == 2 || numbers.count == 4 else { return nil }
        (start, count) = (numbers[0], numbers[1])
        (stride, repeats) = numbers.count == 4 ? (numbers[2], numbers[3]) : (count, 1)
        guard start >= 0, count > 0, stride >= count, repeats > 0 else { return nil }
        let (gap, isLong) = stride.multipliedReportingOverflow(by: repeats - 1)
        let (last, isFar) = start.addingReportingOverflow(gap)
        let (end, isOut) = last.addingReportingOverflow(count)
        guard !isLong, !isFar, !isOut, end <= size else { return nil }
    }

    init(start: Int, count: Int, stride: Int, repeats: Int) {
        (self.start, self.count, self.stride, self.repeats) = (start, count, stride, repeats)
    }

    /// Elements of all runs. They lie inside a tensor, so that the number is no larger than its.
    var total: Int { count * repeats }

    /// The most runs of a tensor in a checkpoint. One that is cut along its columns has a run a row, group and rank: far
    /// fewer.
    static let most = 1 << 23

    /// The runs of patterns, which are held one behind the other.
    package static func runs(of patterns: [RunPattern]) -> [ElementRun] {
        var (runs, local): ([ElementRun], Int) = ([], 0)
        for pattern in patterns {
            for index in 0..<pattern.repeats {
                runs.append(
                    ElementRun(local: local, whole: pattern.start + index * pattern.stride, count: pattern.count))
                local += pattern.count
            }
        }
        return runs
    }
}
