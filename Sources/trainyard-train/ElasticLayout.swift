internal import ArgumentParser
internal import Costs
internal import Foundation
internal import MPI
internal import Numbers
internal import Options
internal import Output
internal import Planner
internal import Plans
internal import Reading
internal import Training

/// The layout of a run that was started as another number of processes than its plan's layout takes (`--elastic`).
enum ElasticLayout {
    /// The plan on as many of `processes` processes as one of its layouts can use. The batch, and with it the order of the text,
    /// stays as it is.
    /// - Parameter path: of the plan, whose cluster prices the layouts.
    /// - Throws: `TrainingError.noLayout` if the runtime can run none.
    static func plan(_ plan: Plan, at path: String, processes: Int) throws -> Plan {
        if plan.layout?.devices == processes { return plan }
        let priced = try Plan.read(path: path)
        do throws(PlannerError) {
            let found = try largestLayout(of: priced, atMost: processes) { _, layout in
                (try? Trainer.check(plan: plan, layout: layout, processes: layout.devices)) != nil
            }
            return plan.laidOut(as: found.layout)
        } catch {
            throw TrainingError.noLayout(
                "no layout of \(plan.name) runs in \(processes) process\(processes == 1 ? "" : "es") or fewer: \(error)"
            )
        }
    }

    /// Collective. Rank 0 chooses, so that all ranks have the same layout.
    static func agree(on plan: Plan, at path: String, over world: Communicator) throws -> Plan {
        guard plan.layout?.devices != world.size else { return plan }
        var (bytes, problem): ([UInt8], String?) = ([], nil)
        if world.rank == 0 {
            do {
                bytes = Array(try JSONEncoder().encode(try self.plan(plan, at: path, processes: world.size).layout))
            } catch {
                problem = "\(error)"
            }
        }
        if let problem = try world.firstProblem(problem) { throw TrainingError.noLayout(problem) }
        let layout = try JSONDecoder().decode(Layout.self, from: Data(try world.broadcast(bytes: bytes, from: 0)))
        return plan.laidOut(as: layout)
    }
}

extension Plan {
    fileprivate func laidOut(as layout: Layout) -> Plan {
        var plan = self
        (plan.layout, plan.openSchedule, plan.devices) = (layout, nil, layout.devices)
        return plan
    }
}

/// `trainyard-train elastic-layout`: tells the launcher which layout ranks would choose.
struct ElasticLayoutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "elastic-layout", abstract: "The layout of a plan in so many processes or fewer, as JSON.",
        shouldDisplay: false)

    @Argument(help: "The plan file.")
    var plan: String

    @Option(help: "The processes that there are.")
    var processes: Count

    func run() throws {
        do {
            guard Bounds.degree.contains(processes.value) else {
                throw ValidationError("--processes: \(processes) is not a number of processes")
            }
            let found = try ElasticLayout.plan(
                Plan.read(path: plan, isRun: true), at: plan, processes: processes.value)
            try StandardStreams.output(JSONEncoder().encode(found.layout) + Data("\n".utf8))
        } catch let error as OutputError {
            throw error
        } catch {
            StandardStreams.error("trainyard-train: \(error)\n")
            throw ExitCode(RunCommand.exitCode(error))
        }
    }
}
