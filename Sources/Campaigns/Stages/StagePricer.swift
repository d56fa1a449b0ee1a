internal import Costs
internal import Foundation
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
    /// Prices of requests that are alike, without the names of their parts.
    private var served: [ServedTokens: Result<PartPrice, ServingError>] = [:]
    /// Searches that were made.
    package private(set) var searches = 0

    package init(settings: SearchSettings = SearchSettings()) {
        var settings = settings
        settings.top = 1
        self.settings = settings
    }

    /// - Parameter pool: devices of the pool that all stages share.
    /// - Throws: all parts that do not fit, with the stages they are of.
    package mutating func price(_ stages: [Stage], pool: Int) throws(PlanProblems) -> [StagePrice] {
        search(for: stages.flatMap { $0.jobs.flatMap { $0.lanes.joined() } })
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
            prices.append(StagePrice(stage: stage, jobs: jobs, pool: pool))
        }
        guard problems.isEmpty else { throw PlanProblems(problems) }
        return prices
    }

    /// Makes all searches that the parts need, as many at a time as there are cores.
    private mutating func search(for parts: [StagePart]) {
        var plans: [(key: Plan, plan: Plan)] = []
        var requests: [ServedTokens] = []
        var (keys, asked): (Set<Plan>, Set<ServedTokens>) = ([], [])
        for part in parts {
            switch part.work {
            case .training(let plan):
                let key = Self.key(plan)
                if found[key] == nil, keys.insert(key).inserted { plans.append((key, plan)) }
            case .serving(let tokens):
                if served[tokens] == nil, asked.insert(tokens).inserted { requests.append(tokens) }
            }
        }
        let (searched, asks) = (plans, requests)
        // One search has work for all cores; of many, each takes one.
        var own = settings
        if searched.count >= ProcessInfo.processInfo.activeProcessorCount { own.threads = 1 }
        let pricer = LayoutChoice(settings: own)
        let results = parallelMap(searched.count, threads: settings.threads) { index in
            pricer.estimate(searched[index].plan)
        }
        for ((key, _), result) in zip(searched, results) { found[key] = result }
        let prices = parallelMap(asks.count, threads: settings.threads) { asks[$0].result }
        for (tokens, result) in zip(asks, prices) { served[tokens] = result }
        searches += searched.count
    }

    private static func key(_ plan: Plan) -> Plan {
        var key = plan
        (key.name, key.tokens, key.remarks) = ("", nil, [])
        return key
    }

    private func price(_ part: StagePart) throws(PlannerError) -> PartPrice {
        switch part.work {
        case .training(let plan): return PartPrice(part.name, try estimate(plan))
        case .serving(let tokens):
            do throws(ServingError) {
                var price = try (served[tokens] ?? tokens.result).get()
                price.name = part.name
                return price
            } catch { throw .noLayout(error.description) }
        }
    }

    private func estimate(_ plan: Plan) throws(PlannerError) -> Estimate {
        var estimate = try (found[Self.key(plan)] ?? LayoutChoice(settings: settings).estimate(plan)).get()
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
}

/// The layout on which a stage is priced.
private struct LayoutChoice: Sendable {
    let settings: SearchSettings

    func estimate(_ plan: Plan) -> Result<Estimate, PlannerError> {
        do throws(PlannerError) { return .success(try search(plan)) } catch { return .failure(error) }
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
            energyMWh: run?.wallEnergyMWh,
            words: "\(Figures.words(estimate.parameters)) parameters, \(Figures.words(plan.tokens ?? 0)) tokens, "
                + "\(Figures.devices(of: plan)), \(Figures.seconds(estimate.iteration.seconds)) a step of "
                + "\(Figures.grouped(plan.batch)) × \(Figures.grouped(plan.model.sequence)); tensor "
                + "\(estimate.layout.tensor), pipeline \(estimate.layout.pipeline), data \(estimate.layout.data)"
                + "; MFU \(Figures.percent(estimate.mfu))")
        spareDevices = plan.rentedDevices - plan.paidDevices
        price = plan.cluster.price
        if let run, let met = run.interruptions {
            failures = met.failures(in: run.days * 86_400)
            lostShare = run.parts.restarts / run.days
        }
        emissions = run?.emissions?.wallTonnes
        beside = run?.costs
        beside?.devices = 0
        self.run = UncertainRun(estimate)
    }
}

extension Figures {
    /// `1,024 devices`, or `992 of 1,000 devices` where some stay idle.
    static func devices(of plan: Plan) -> String {
        (plan.idleDevices > 0 ? "\(grouped(plan.devices)) of " : "") + devices(plan.paidDevices)
    }
}
