import Plans
import Schedules
import Testing

@testable import Training

@Suite struct RunnableTests {
    /// A schedule with two copies of every stage has no split action to stumble over: it is refused by name.
    @Test(arguments: ScheduleName.allCases)
    func twoCopiesOfAStageAreRefused(_ name: ScheduleName) throws {
        let path = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        var plan = try Plan.read(path: "/\(path)/plans/tiny-gpt.yaml")
        plan.precision = .fp32
        let layout = Layout(pipeline: 2, virtualStages: name.fixedVirtualStages ?? 1, schedule: name)
        var refused = false
        do throws(TrainingError) {
            try Runnable.check(plan: plan, layout: layout, processes: layout.devices)
        } catch {
            refused = "\(error)".contains("layout.schedule")
        }
        #expect(refused == name.isBidirectional)
    }
}
