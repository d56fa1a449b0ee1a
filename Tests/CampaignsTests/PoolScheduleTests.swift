import Campaigns
import Numbers
import Testing

@Suite struct PoolScheduleTests {
    /// A random programme of stages on a pool, of which half have equal jobs.
    struct Programme: CustomTestStringConvertible {
        var works: [PoolWork]
        var pool: Int
        var seed: Int

        var testDescription: String { "programme \(seed)" }

        init(seed: Int) {
            self.seed = seed
            var random = SplitMix64(seed: UInt64(seed))
            func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
            pool = draw(1...64)
            works = []
            for number in 0..<draw(1...12) {
                let after = (0..<number).filter { _ in draw(0...3) == 0 }
                let length = Double(draw(1...40)) / 4
                let isEven = draw(0...1) == 0
                let jobs = (0..<draw(0...9)).map { _ in isEven ? length : Double(draw(1...40)) / 4 }
                works.append(
                    PoolWork(
                        after: after, devices: draw(0...9) == 0 ? 0 : draw(1...pool), jobs: jobs,
                        atOnce: draw(0...1) == 0 ? nil : draw(1...4), afterwards: draw(0...4) == 0 ? 2.5 : 0))
            }
        }
    }

    static let programmes = (1...300).map(Programme.init)

    @Test(arguments: programmes) func everyScheduleKeepsTheRules(programme: Programme) {
        let (works, pool) = (programme.works, programme.pool)
        let order = PoolOrder(works, pool: pool)
        for rule in [PoolSchedule.Rule.overtaking, .inOrder] {
            let schedule = PoolSchedule(works, pool: pool, order: order, rule: rule)
            // Every job runs once, for its time.
            #expect(schedule.spans.count == works.reduce(0) { $0 + $1.jobs.count })
            #expect(Set(schedule.spans.map { [$0.work, $0.job] }).count == schedule.spans.count)
            for span in schedule.spans {
                let work = works[span.work]
                #expect(abs(span.end - span.start - work.jobs[span.job]) < 1e-9)
                // No stage begins before those that it follows end.
                for before in work.after { #expect(span.start >= schedule.ends[before]) }
                // Whatever runs when this job begins has room in the pool, and its stage keeps its limit.
                let running = schedule.spans.filter { $0.start <= span.start && span.start < $0.end }
                #expect(running.reduce(0) { $0 + $1.devices } <= pool)
                let own = running.filter { $0.work == span.work }
                #expect(own.count <= work.atOnce ?? .max)
                #expect(Set(own.map(\.lane)).count == own.count)
            }
            #expect(schedule.peakDevices <= pool)
            // Bounds of Graham 1969: neither the longest path nor the work of the whole pool can be undercut, and a pool
            // never waits while something could run.
            let work = works.reduce(0) { $0 + $1.deviceDays }
            let serial = works.reduce(0) { $0 + $1.jobs.reduce(0, +) + $1.afterwards }
            #expect(schedule.makespan >= order.criticalDays - 1e-9)
            #expect(schedule.makespan >= work / Double(pool) - 1e-9)
            #expect(schedule.makespan <= serial + 1e-9)
            #expect(schedule.deviceDays <= work + 1e-6 && schedule.deviceDays >= work - 1e-6)
        }
        let best = PoolSchedule.best(works, pool: pool)
        #expect(best == PoolSchedule.best(works, pool: pool))
    }

    /// Seven equal jobs of 3 days, two at a time, are four rounds; a stage after them waits for the last.
    @Test func roundsOfEqualJobs() {
        let works = [
            PoolWork(after: [], devices: 4, jobs: Array(repeating: 3, count: 7), atOnce: 2),
            PoolWork(after: [0], devices: 10, jobs: [5]),
        ]
        let schedule = PoolSchedule.best(works, pool: 10)
        #expect(schedule.ends == [12, 17])
        #expect(schedule.peakDevices == 10)
        #expect(PoolOrder(works, pool: 10).criticalDays == 17)
        #expect(PoolOrder(works, pool: 10).criticalPath == [0, 1])
    }

    /// Small jobs that keep coming would hold up a job of the whole pool, and the long one behind it, until day 19 (one
    /// ends on every day, so two devices are never free together). In order it begins on day 2 and ends on day 10.
    @Test func largeJobsAreNotOvertakenWhereThatIsShorter() {
        let works = [
            PoolWork(after: [], devices: 1, jobs: [1]),
            PoolWork(after: [0], devices: 2, jobs: [8]),
            PoolWork(after: [1], devices: 1, jobs: [20]),
            PoolWork(after: [], devices: 1, jobs: Array(repeating: 2, count: 10)),
        ]
        let schedule = PoolSchedule.best(works, pool: 2)
        #expect(schedule.rule == .inOrder)
        #expect(schedule.starts[1] == 2)
        #expect(schedule.makespan == 30)
        let greedy = PoolSchedule(works, pool: 2, order: PoolOrder(works, pool: 2), rule: .overtaking)
        #expect(greedy.ends[1] == 19 && greedy.makespan == 39)
    }

    @Test func circlesAreNamed() {
        #expect(PoolOrder.circle([[], [0], [1]]) == nil)
        let circle = PoolOrder.circle([[2], [0], [1], [0]])
        #expect(Set(circle ?? []) == [0, 1, 2])
        #expect(PoolOrder.topological([[2], [0], [1], [0]]) == nil)
        #expect(PoolOrder.topological([[], [0], [1]]) == [0, 1, 2])
    }
}
