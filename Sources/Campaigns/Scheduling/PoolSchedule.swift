internal import Numbers

/// Work that waits for devices of a pool: jobs that may run at the same time, and the work that must be done before.
package struct PoolWork: Hashable, Sendable {
    /// Numbers of the works that end before this one begins.
    package var after: [Int]
    /// Devices of every job.
    package var devices: Int
    /// Days of every job.
    package var jobs: [Double]
    /// Jobs that may run at the same time; nil: as many as have devices.
    package var atOnce: Int?
    /// Days from the end of the last job to the end of the work, without devices.
    package var afterwards: Double

    package init(after: [Int], devices: Int, jobs: [Double], atOnce: Int? = nil, afterwards: Double = 0) {
        (self.after, self.devices, self.jobs) = (after, devices, jobs)
        (self.atOnce, self.afterwards) = (atOnce, afterwards)
    }

    /// Jobs that can run at the same time on a pool of `pool` devices.
    package func concurrency(pool: Int) -> Int {
        let room = devices > 0 ? pool / devices : jobs.count
        return max(1, min(jobs.count, room, atOnce ?? .max))
    }

    /// Days that the work takes at least, with the whole pool to itself: its jobs on as many places as run at the same
    /// time. Exact where all jobs are equal (Graham 1969 for the bounds).
    package func days(pool: Int) -> Double {
        guard let longest = jobs.max() else { return afterwards }
        let places = concurrency(pool: pool)
        if jobs.allSatisfy({ $0 == longest }) {
            return Double((jobs.count + places - 1) / places) * longest + afterwards
        }
        return max(longest, jobs.reduce(0, +) / Double(places)) + afterwards
    }

    /// Days of all jobs, one after the other.
    package var jobDays: Double { jobs.reduce(0, +) }
    /// Device-days of all jobs.
    package var deviceDays: Double { Double(devices) * jobDays }
}

/// When jobs run on a pool of equal devices, by list scheduling (Graham 1969): whenever devices are free, the jobs that
/// may begin are tried in the order of the longest path that remains behind them.
package struct PoolSchedule: Hashable, Sendable {
    /// One job on its devices.
    package struct Span: Hashable, Sendable {
        package var work: Int
        /// Number of the job in its work.
        package var job: Int
        package var start: Double
        package var end: Double
        package var devices: Int
        /// The place among the jobs of the same work that run at the same time.
        package var lane: Int
    }

    /// Whether a job may begin while one before it in the order waits for more devices than are free.
    package enum Rule: Hashable, Sendable {
        case overtaking, inOrder
    }

    /// The jobs in the order in which they begin.
    package var spans: [Span]
    /// Days at which each work begins and ends.
    package var starts: [Double]
    package var ends: [Double]
    package var rule: Rule

    /// Days until all work is done.
    package var makespan: Double { ends.max() ?? 0 }

    /// The most devices that are in use at a time.
    package var peakDevices: Int {
        // Jobs that end free their devices before others begin.
        let changes = spans.flatMap { [($0.start, $0.devices), ($0.end, -$0.devices)] }
            .sorted { ($0.0, $0.1) < ($1.0, $1.1) }
        var (inUse, peak) = (0, 0)
        for change in changes {
            inUse += change.1
            peak = max(peak, inUse)
        }
        return peak
    }

    /// Device-days in which devices of a job are held.
    package var deviceDays: Double { spans.reduce(0) { $0 + Double($1.devices) * ($1.end - $1.start) } }

    /// The shorter of the schedules with and without overtaking, which differ where a job needs most of the pool. Equal
    /// ones keep the order.
    package static func best(_ works: [PoolWork], pool: Int) -> PoolSchedule {
        let order = PoolOrder(works, pool: pool)
        let strict = PoolSchedule(works, pool: pool, order: order, rule: .inOrder)
        let greedy = PoolSchedule(works, pool: pool, order: order, rule: .overtaking)
        return greedy.makespan < strict.makespan ? greedy : strict
    }

    /// - Precondition: `order` is that of these works, without a circle, and every job has at most `pool` devices.
    package init(_ works: [PoolWork], pool: Int, order: PoolOrder, rule: Rule) {
        (spans, self.rule) = ([], rule)
        (starts, ends) = (
            [Double](repeating: 0, count: works.count), [Double](repeating: 0, count: works.count)
        )
        var states = zip(works, order.predecessors).map { WorkState($0, waitsFor: $1) }
        // With fewer devices free than any job needs, none of the open works has to be looked at.
        let fewest =
            works.contains { $0.devices == 0 || $0.jobs.isEmpty } ? 0 : works.reduce(pool) { min($0, $1.devices) }
        var free = pool
        var now = 0.0
        var events = EventQueue()
        var open = order.first.filter { states[$0].waitsFor == 0 }
        spans.reserveCapacity(works.reduce(0) { $0 + $1.jobs.count })
        while true {
            for work in open {
                if free < fewest { break }
                if works[work].jobs.isEmpty, !states[work].hasBegun {
                    (states[work].hasBegun, starts[work]) = (true, now)
                    events.add(now + works[work].afterwards, .done(work))
                }
                var waits = false
                while let job = states[work].next, states[work].hasPlace {
                    let devices = works[work].devices
                    guard devices <= free else {
                        waits = true
                        break
                    }
                    if !states[work].hasBegun { (states[work].hasBegun, starts[work]) = (true, now) }
                    let lane = states[work].begin()
                    free -= devices
                    let end = now + works[work].jobs[job]
                    spans.append(Span(work: work, job: job, start: now, end: end, devices: devices, lane: lane))
                    events.add(end, .job(work, lane: lane))
                }
                if waits, rule == .inOrder { break }
            }
            guard let time = events.nextTime else { break }
            now = time
            while let event = events.take(at: now) {
                switch event {
                case .job(let work, let lane):
                    free += works[work].devices
                    if states[work].end(lane) { events.add(now + works[work].afterwards, .done(work)) }
                case .done(let work):
                    ends[work] = now
                    open.remove(at: order.index(of: work, in: open))
                    for next in order.successors[work] {
                        states[next].waitsFor -= 1
                        if states[next].waitsFor == 0 { open.insert(next, at: order.index(of: next, in: open)) }
                    }
                }
            }
        }
    }
}

/// Where the jobs of one work are.
private struct WorkState {
    var waitsFor: Int
    var hasBegun = false
    /// Jobs in the order in which they begin: the longest first; nil: all take equally long.
    private let order: [Int]?
    private let count: Int
    private var begun = 0
    private var ended = 0
    private let atOnce: Int
    private var taken: [Bool] = []

    init(_ work: PoolWork, waitsFor: Int) {
        (self.waitsFor, count) = (waitsFor, work.jobs.count)
        order =
            work.jobs.dropFirst().allSatisfy { $0 == work.jobs[0] }
            ? nil : work.jobs.indices.sorted { (-work.jobs[$0], $0) < (-work.jobs[$1], $1) }
        atOnce = max(1, work.atOnce ?? .max)
    }

    var next: Int? { begun < count ? order?[begun] ?? begun : nil }
    var hasPlace: Bool { begun - ended < atOnce }

    /// Takes the first free lane for the next job.
    mutating func begin() -> Int {
        begun += 1
        if let free = taken.firstIndex(of: false) {
            taken[free] = true
            return free
        }
        taken.append(true)
        return taken.count - 1
    }

    /// - Returns: whether it was the last job.
    mutating func end(_ lane: Int) -> Bool {
        taken[lane] = false
        ended += 1
        return ended == count
    }
}

/// Events in the order of time; of equal times the first that was added comes first.
private struct EventQueue {
    enum Event {
        case job(Int, lane: Int)
        case done(Int)
    }

    private var heap: [(time: Double, number: Int, event: Event)] = []
    private var added = 0

    var nextTime: Double? { heap.first?.time }

    mutating func add(_ time: Double, _ event: Event) {
        heap.append((time, added, event))
        added += 1
        var child = heap.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// The next event at `time`; nil: there is none.
    mutating func take(at time: Double) -> Event? {
        guard let first = heap.first, first.time == time else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isBefore(child, least) {
                least = child
            }
            guard least != parent else { return first.event }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    private func isBefore(_ a: Int, _ b: Int) -> Bool {
        (heap[a].time, heap[a].number) < (heap[b].time, heap[b].number)
    }
}
