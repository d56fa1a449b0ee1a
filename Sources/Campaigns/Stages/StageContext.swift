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
    /// Price of a device that the campaign states, in its currency.
    let price: Price?
    /// Currency and exchange rates of the campaign.
    let money: PlanMoney
    /// Keys that hold for all stages.
    let keys: PlanKeys
    /// Places and rules that were reported, so that stages with the same mistake of the campaign report it once.
    private var reported: Set<String> = []

    init(
        collector: ProblemCollector, library: Library, pool: Int?, cluster: Node?, price: Price?, money: PlanMoney,
        keys: PlanKeys
    ) {
        (self.collector, self.library, self.pool, self.cluster) = (collector, library, pool, cluster)
        (self.price, self.money, self.keys) = (price, money, keys)
    }

    /// The plan of these keys; nil after a report.
    /// - Parameters:
    ///   - own: keys whose problems belong to the stage rather than to the campaign.
    func plan(_ keys: PlanKeys, devices: Int, stage: String, own: Set<String>, mark: Mark?) -> Plan? {
        var keys = keys
        keys["cluster"] = cluster
        keys.set("devices", Double(devices), at: mark.map { .scalar(Node.Scalar("", .implicit, .plain, $0)) })
        do throws(PlanProblems) {
            var plan = try Plan.read(
                root: keys.root(mark: mark), name: stage, path: collector.file, library: library,
                files: &collector.files)
            takePrice(&plan)
            return plan
        } catch {
            adopt(error.problems, stage: stage, own: own)
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

    /// Puts the campaign's price into the plan, or the plan's own into the campaign's currency.
    private func takePrice(_ plan: inout Plan) {
        let cluster = plan.cluster.name
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

extension FieldReader {
    /// Reads a list of amounts, or one amount, each inside `range`.
    func amounts(_ key: String, in range: ClosedRange<Double>) -> [Double]? {
        guard isList(key) else { return number(key, .count, in: range).map { [$0] } }
        let values = list(key) { reader, node, place in
            reader.number(node, unit: .count, range: range) { rule, fix in
                reader.collector.report(place, at: node.mark, value: Self.shown(node), rule: rule, fix: fix)
            }
        }
        guard values?.isEmpty == true else { return values }
        report(key, rule: "is an empty list", fix: "give one or more")
        return nil
    }
}
