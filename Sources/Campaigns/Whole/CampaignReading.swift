internal import Numbers
package import Plans
package import Reading
internal import Yams

extension Campaign {
    /// Reads and checks the campaign file at `path`. It, and all files that it refers to, are added to `files`.
    /// - Throws: every problem of the file at once, with line and column.
    package static func read(
        path: String, devices: Int? = nil, library: Library? = nil, price: Price? = nil,
        files: inout ReadFiles
    ) throws(PlanProblems) -> Campaign {
        try read(
            text: YAMLFile.text(path: path, files: &files), path: path, devices: devices, library: library,
            price: price,
            files: &files)
    }

    /// Reads a campaign from `text`. Problems name the file `path`, and references are looked up relative to it.
    /// - Parameters:
    ///   - devices: devices of the pool, instead of the file's.
    ///   - price: price of a device, instead of the file's.
    package static func read(
        text: String, path: String, devices: Int? = nil, library: Library? = nil, price: Price? = nil,
        files: inout ReadFiles
    ) throws(PlanProblems) -> Campaign {
        let root = try YAMLFile.compose(text: text, name: path)
        let collector = ProblemCollector(file: path)
        defer { files.formUnion(collector.files) }
        let reader = FieldReader(root, path: "", collector: collector)
        guard case .mapping = root else { throw collector.all }
        let reading = CampaignReading(
            reader: reader, library: library ?? .standard(besides: path), devices: devices, price: price)
        let campaign = reading.campaign(fileName: Library.stem(path))
        guard let campaign, collector.isEmpty else { throw collector.all }
        return campaign
    }
}

/// The reading of one campaign file.
private struct CampaignReading {
    let reader: FieldReader
    let library: Library
    let devices: Int?
    let price: Price?

    /// Stages of a campaign at most.
    private static let mostStages = 1000

    func campaign(fileName: String) -> Campaign? {
        reader.expect(
            "name", "cluster", "devices", "start", "deadline", "budget", "price", "currency", "exchangeRates", "costs")
        let name = reader.text("name") ?? fileName
        let stated = reader.count("devices", in: Bounds.devices)
        let pool = devices ?? stated
        let (cluster, read) = (reader.take("cluster"), Cluster.read(reader, library: library))
        let start = MoneyReading.date(reader)
        let deadline = MoneyReading.date(reader, key: "deadline")
        if let start, let deadline, deadline < start {
            reader.report("deadline", value: "\(deadline)", rule: "is before the start, \(start)")
        }
        if deadline != nil, !reader.contains("start") {
            reader.report("deadline", rule: "needs the first day", fix: "add start, e.g. start: 2027-01-15")
        }
        let budget = reader.number("budget", .count, in: 0...1e15)
        let statedPrice = price ?? Price.read(reader)
        var money = PlanMoney()
        money.currency = Currency.read(reader)
        money.rates = ExchangeRates.read(reader)
        let costs = RunCosts.read(reader)
        let keys = PlanKeys(reader, PlanKeys.ofCampaign)
        let hasStages = reader.contains("stages")
        let context = StageContext(
            collector: reader.collector, library: library, pool: pool, cluster: (cluster, read), price: statedPrice,
            money: money, keys: keys)
        let drafts = reader.list("stages") { reader, node, place in
            StageDraft(
                FieldReader(node, path: place, collector: reader.collector), number: Int(place.filter(\.isNumber)) ?? 0,
                pool: pool)
        }
        let payback = reader.contains("payback") ? Payback.read(reader, isWithStages: hasStages) : nil
        reader.expect("payback")
        if !hasStages, !reader.contains("payback") {
            reader.reportMissing("stages", fix: "a list of stages, or payback: {…} alone")
        }
        if hasStages {
            reader.reportMissing("cluster", fix: "e.g. cluster: h100-80g-sxm")
            reader.reportMissing("devices", fix: "devices of the pool, e.g. devices: 1024")
        }
        let stages = drafts.map { self.stages($0, context: context) } ?? []
        reader.reportUnknownKeys()
        let currencies = stages.flatMap { $0.jobs.flatMap { $0.lanes.joined() } }.flatMap(\.plan.cluster.kinds)
            .compactMap(\.price?.currency)
        let currency = money.currency ?? statedPrice?.currency ?? currencies.first ?? costs?.currency ?? .usd
        if let other = currencies.first(where: { $0 != currency }) {
            reader.report(
                "currency", rule: "stages are priced in \(currency.rawValue) and in \(other.rawValue)",
                fix: "state currency and exchangeRates, e.g. currency: USD and exchangeRates: {CNY: 7.1}")
        }
        let factor = money.rates.converted(1, from: costs?.currency ?? currency, to: currency)
        if let costs, factor == nil {
            reader.report(
                "costs", rule: "are in \((costs.currency ?? currency).rawValue) and prices in \(currency.rawValue)",
                fix: "state exchangeRates, e.g. {CNY: 7.1}")
        }
        if let payback, payback.takesCampaign, payback.currency != currency {
            reader.report(
                "payback.currency", value: payback.currency.rawValue,
                rule: "research is the campaign, which is priced in \(currency.rawValue)",
                fix: "state one currency and exchangeRates")
        }
        return Campaign(
            name: name, pool: pool ?? 0, device: read?.deviceWords ?? "", stages: stages,
            start: start, deadline: deadline, budget: budget,
            costs: costs?.costs.scaled(by: factor ?? 1) ?? RunCosts(), payback: payback,
            price: (statedPrice ?? read?.price)?.converted(to: currency, money.rates), currency: currency)
    }

    private func stages(_ drafts: [StageDraft], context: StageContext) -> [Stage] {
        if drafts.isEmpty { reader.report("stages", rule: "is an empty list", fix: "add a stage") }
        if drafts.count > Self.mostStages {
            reader.report("stages", rule: "has more than \(Figures.grouped(Self.mostStages)) stages")
            return []
        }
        var seen: Set<String> = []
        for draft in drafts where !seen.insert(draft.name).inserted {
            draft.reader.report("name", value: "'\(draft.name)'", rule: "two stages have this name", fix: "rename one")
        }
        let after = StageDraft.predecessors(of: drafts)
        var stages: [Stage] = []
        for (number, draft) in drafts.enumerated() {
            let reading = StageReading(
                draft: draft, context: context, keys: keys(of: draft, among: drafts, context: context))
            if let stage = reading.stage(after: after?[number] ?? []) { stages.append(stage) }
        }
        return stages
    }

    /// The keys of plans that hold for a stage: its own, then those of the stages that it is from, then the campaign's.
    private func keys(of draft: StageDraft, among drafts: [StageDraft], context: StageContext) -> PlanKeys {
        var keys = draft.own
        var seen: Set<String> = [draft.name]
        var before = draft.from
        while let name = before, seen.insert(name).inserted, let other = drafts.first(where: { $0.name == name }) {
            keys.inherit(other.own, PlanKeys.inherited)
            if let file = other.file.flatMap(library.existing),
                let root = try? YAMLFile.compose(path: file, files: &context.collector.files)
            {
                let reader = FieldReader(root, path: "", collector: ProblemCollector(file: file))
                keys.inherit(PlanKeys(reader, PlanKeys.inherited), PlanKeys.inherited)
            }
            before = other.from
        }
        keys.inherit(context.keys, PlanKeys.ofCampaign)
        return keys
    }
}
