internal import Models
internal import Numbers
internal import Plans
internal import Reading
internal import Yams

/// What the stages of one campaign are read with.
final class StageContext {
    let collector: ProblemCollector
    let library: Library
    /// Devices of the pool; nil: they could not be read.
    let pool: Int?
    /// `cluster` of the campaign.
    let cluster: Node?
    /// The devices of that cluster in words, and its name; nil: it could not be read.
    let device: String?
    let clusterName: String
    /// Price of a device that the campaign states, in its currency.
    let price: Price?
    /// Currency and exchange rates of the campaign.
    let money: PlanMoney
    /// Keys that hold for all stages.
    let keys: PlanKeys
    /// The framework files of the library, which all stages share; nil: they were not read yet, or one of them is wrong.
    private var frameworks: Frameworks?
    /// Places and rules that were reported, so that stages with the same mistake of the campaign report it once.
    private var reported: Set<String> = []

    init(
        collector: ProblemCollector, library: Library, pool: Int?, cluster: (node: Node?, read: Cluster?),
        price: Price?, money: PlanMoney, keys: PlanKeys
    ) {
        (self.collector, self.library, self.pool, self.cluster) = (collector, library, pool, cluster.node)
        (device, clusterName) = (cluster.read?.deviceWords, cluster.read?.name ?? "")
        (self.price, self.money, self.keys) = (price, money, keys)
    }

    /// The plan of these keys; nil after a report.
    /// - Parameters:
    ///   - own: keys whose problems belong to the stage rather than to the campaign.
    ///   - modelKey: the stage's key that states the model, such as `judge`.
    func plan(
        _ keys: PlanKeys, devices: Int, stage: String, own: Set<String>, modelKey: String? = nil, mark: Mark?
    ) -> Plan? {
        var keys = keys
        keys["cluster"] = cluster
        keys.set("devices", Double(devices), at: mark.map { .scalar(Node.Scalar("", .implicit, .plain, $0)) })
        do throws(PlanProblems) {
            if frameworks == nil { frameworks = try Frameworks.read(library: library, files: &collector.files) }
            var plan = try Plan.read(
                root: keys.root(mark: mark), name: stage, path: collector.file, library: library,
                frameworks: frameworks, files: &collector.files)
            takePrice(&plan)
            return plan
        } catch {
            var problems = error.problems
            if let modelKey { problems = problems.map { Self.problem($0, of: modelKey) } }
            adopt(problems, stage: stage, own: own.union([modelKey].compactMap(\.self)))
            return nil
        }
    }

    /// The plan of a file; nil after a report.
    func plan(file: String, devices: Int?, stage: FieldReader) -> Plan? {
        guard let path = library.existing(file) else {
            stage.report("plan", value: "'\(file)'", rule: "no such file", fix: "a path beside this file, or from here")
            return nil
        }
        do throws(PlanProblems) {
            var plan = try Plan.read(
                path: path, devices: devices, library: .standard(besides: path), files: &collector.files)
            takePrice(&plan)
            return plan
        } catch {
            error.problems.forEach(collector.adopt)
            return nil
        }
    }

    /// Puts the campaign's price into the plan, or the plan's own into the campaign's currency, and with it what the plan
    /// states beside devices.
    private func takePrice(_ plan: inout Plan) {
        let cluster = plan.cluster.name
        let before = plan.currency
        plan.cluster.changeKinds { kind in
            guard let own = price ?? kind.price else { return }
            let target = money.currency ?? price?.currency ?? own.currency
            if let converted = own.converted(to: target, money.rates) {
                kind.price = converted
            } else {
                collector.adopt(
                    PlanProblem(
                        field: "exchangeRates",
                        rule: "the price of \(cluster) is in \(own.currency.rawValue), and nothing says what it is in "
                            + target.rawValue,
                        fix: "e.g. exchangeRates: {CNY: 7.1}, what a dollar buys"))
            }
        }
        guard !plan.money.costs.isEmpty, plan.currency != before else { return }
        if let factor = money.rates.converted(1, from: before, to: plan.currency) {
            plan.money.costs = plan.money.costs.scaled(by: factor)
        } else {
            collector.adopt(
                PlanProblem(
                    field: "exchangeRates",
                    rule: "the costs of \(plan.name) are in \(before.rawValue), and nothing says what they are in "
                        + plan.currency.rawValue,
                    fix: "e.g. exchangeRates: {CNY: 7.1}, what a dollar buys"))
        }
    }

    /// A problem of `model` under the key that states it.
    private static func problem(_ problem: PlanProblem, of key: String) -> PlanProblem {
        var named = problem
        guard problem.field == "model" || problem.field.hasPrefix("model.") else { return named }
        named.field = key + problem.field.dropFirst("model".count)
        if named.field == key, named.fix.isEmpty {
            named.fix = "a model's name, e.g. \(key): llama3-70b, or {params: 70B}, or {hf: …}"
        }
        return named
    }

    private func adopt(_ problems: [PlanProblem], stage: String, own: Set<String>) {
        for var problem in problems {
            let place = "\(problem.file ?? ""):\(problem.line ?? 0):\(problem.column ?? 0): \(problem.rule)"
            guard reported.insert(place).inserted else { continue }
            let key = String(problem.field.prefix { $0 != "." })
            if problem.file == collector.file, key.isEmpty || own.contains(key) || keys[key] == nil && key != "cluster"
            {
                problem.field = problem.field.isEmpty ? "stages.\(stage)" : "stages.\(stage).\(problem.field)"
            }
            collector.adopt(problem)
        }
    }
}
