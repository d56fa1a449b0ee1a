internal import Costs
internal import Inference
internal import Models
internal import Numbers
package import Planner
internal import Plans
package import Reading

/// Prices stages with the planner. Each different plan is searched once, however many stages and variants ask for it.
package struct StagePricer {
    private let settings: SearchSettings
    /// Layouts by the plan without its name and tokens, on which the fastest layout does not depend.
    private var found: [Plan: Result<Estimate, PlannerError>] = [:]
    /// Searches that were made.
    package private(set) var searches = 0

    package init(settings: SearchSettings = SearchSettings()) {
        var settings = settings
        settings.top = 1
        self.settings = settings
    }

    /// - Throws: all parts that do not fit, with the stages they are of.
    package mutating func price(_ stages: [Stage]) throws(PlanProblems) -> [StagePrice] {
        var problems: [PlanProblem] = []
        var prices: [StagePrice] = []
        for stage in stages {
            var jobs: [JobPrice] = []
            for job in stage.jobs {
                var lanes: [[PartPrice]] = []
                for lane in job.lanes {
                    var parts: [PartPrice] = []
                    for part in lane {
                        do throws(PlannerError) {
                            parts.append(try price(part))
                        } catch {
                            var problem = stage.place
                            problem.rule = "\(part.name)\(job.label.isEmpty ? "" : " of \(job.label)"): \(error)"
                            if !problems.contains(problem) { problems.append(problem) }
                        }
                    }
                    lanes.append(parts)
                }
                jobs.append(JobPrice(label: job.label, count: job.count, lanes: lanes))
            }
            prices.append(StagePrice(stage: stage, jobs: jobs))
        }
        guard problems.isEmpty else { throw PlanProblems(problems) }
        return prices
    }

    private mutating func price(_ part: StagePart) throws(PlannerError) -> PartPrice {
        switch part.work {
        case .training(let plan): return PartPrice(part.name, try estimate(plan))
        case .serving(let tokens):
            do throws(ServingError) {
                return try tokens.price(named: part.name)
            } catch { throw .noLayout(error.description) }
        }
    }

    private mutating func estimate(_ plan: Plan) throws(PlannerError) -> Estimate {
        var key = plan
        (key.name, key.tokens, key.remarks) = ("", nil, [])
        let known: Result<Estimate, PlannerError>
        if let before = found[key] {
            known = before
        } else {
            searches += 1
            do throws(PlannerError) { known = .success(try search(plan)) } catch { known = .failure(error) }
            found[key] = known
        }
        var estimate = try known.get()
        if estimate.plan.tokens != plan.tokens {
            var sized = estimate.plan
            sized.tokens = plan.tokens
            estimate = try Planner.price(plan: sized, layout: estimate.layout)
        }
        guard let run = estimate.run, run.ends else {
            throw .unreachable("never ends: \(estimate.interruptions)")
        }
        return estimate
    }

    /// The fastest layout of the plan, or the layout that it states.
    private func search(_ plan: Plan) throws(PlannerError) -> Estimate {
        guard let layout = plan.layout else {
            guard let best = try searchBestDeviceCount(plan: plan, settings: settings).candidates.first else {
                throw .noLayout("no layout could be timed")
            }
            return best
        }
        let estimate =
            plan.openSchedule == nil
            ? try Planner.price(plan: plan, layout: layout)
            : try chooseSchedule(plan: plan, layout: layout, settings: settings).estimate
        guard estimate.fits else {
            // The number of devices on which it fits is found with an open layout.
            _ = try searchBestDeviceCount(plan: plan.open, settings: settings)
            throw .noLayout("its layout does not fit in the memory of \(estimate.tightestDevice); layout: auto does")
        }
        return estimate
    }
}

extension PartPrice {
    /// The price of a training run that ends.
    init(_ name: String, _ estimate: Estimate) {
        let run = estimate.run
        let hours = run?.gpuHours ?? 0
        let plan = estimate.plan
        self.init(
            name: name, devices: plan.paidDevices, days: run?.days ?? 0, lowDays: run?.lowDays ?? 0,
            highDays: run?.highDays ?? 0, pricePerHour: hours > 0 ? run?.costs.map { $0.devices / hours } : nil,
            energyPerHour: hours > 0 ? run?.wallEnergyMWh.map { $0 / hours } : nil,
            words: "\(Figures.words(estimate.parameters)) parameters, \(Figures.words(plan.tokens ?? 0)) tokens, "
                + "\(Figures.devices(of: plan)), \(Figures.seconds(estimate.iteration.seconds)) a step of "
                + "\(Figures.grouped(plan.batch)) × \(Figures.grouped(plan.model.sequence)); tensor "
                + "\(estimate.layout.tensor), pipeline \(estimate.layout.pipeline), data \(estimate.layout.data)"
                + "; MFU \(Figures.percent(estimate.mfu))")
        self.run = UncertainRun(estimate)
    }
}

extension Figures {
    /// `1,024 devices`, or `992 of 1,000 devices` where some stay idle.
    static func devices(of plan: Plan) -> String {
        (plan.idleDevices > 0 ? "\(grouped(plan.devices)) of " : "") + "\(grouped(plan.paidDevices)) devices"
    }
}
