internal import Models
package import Reading
internal import Yams

extension Claim {
    /// Reads the claims of the file at `path`.
    ///
    /// `sources` maps names to `title` and `reference`. `claims` maps names to what is claimed of one model: its `title`, one of
    /// `model`, `run` and `plan`, and the list `published` with one figure an entry.
    /// - Parameters:
    ///   - runs: the runs of `plans/published`, which a claim may name.
    ///   - files: gets the file and those that it refers to.
    /// - Throws: all problems of the file together, with line and column.
    package static func read(
        path: String, runs: [PublishedRun], library: Library = .standard(), files: inout ReadFiles
    ) throws(PlanProblems) -> [Claim] {
        let collector = ProblemCollector(file: path)
        defer { files.formUnion(collector.files) }
        let reader = FieldReader(try YAMLFile.compose(path: path, files: &files), path: "", collector: collector)
        let claims = ClaimReading(reader, runs: runs, library: library).claims()
        guard collector.isEmpty else { throw collector.all }
        return claims
    }
}

/// Reads a file of claims.
struct ClaimReading {
    private struct Source {
        var title: String
        var reference: String
    }

    private let reader: FieldReader
    private let runs: [PublishedRun]
    private let library: Library
    private var sources: [String: Source] = [:]

    /// Keys besides the figure, `source`, `where` and `reason`, by the quantities that they say something of.
    private static let definitions: [(key: String, quantities: Set<Claim.Quantity>)] = [
        ("tokens", [.flops, .gpuHours, .days, .energyMWh, .co2Tonnes, .dollars]), ("counting", [.flops]),
        ("hours", [.energyMWh, .co2Tonnes, .dollars]), ("mwh", [.co2Tonnes]), ("watts", [.energyMWh, .co2Tonnes]),
        ("powerUsageEffectiveness", [.energyMWh, .co2Tonnes]), ("gramsPerKWh", [.co2Tonnes]),
        ("dollarsPerHour", [.dollars]),
    ]
    /// Figures beyond it are mistakes.
    private static let most = 1e40

    init(_ reader: FieldReader, runs: [PublishedRun], library: Library) {
        self.reader = reader
        self.runs = runs
        self.library = library
        guard let map = reader.map("sources") else {
            let example = "sources: {bloom: {title: BLOOM, reference: 'arXiv:2211.05100'}}"
            reader.reportMissing("sources", fix: "e.g. \(example)")
            return
        }
        for key in map.keys {
            guard let source = map.map(key) else { continue }
            let (title, reference) = (source.text("title"), source.text("reference"))
            source.reportMissing("title", fix: "author, year, title")
            source.reportMissing("reference", fix: "e.g. arXiv:2211.05100")
            source.reportUnknownKeys()
            // A source with a mistake is known all the same, so that its claims are read.
            sources[key] = Source(title: title ?? key, reference: reference ?? "")
        }
    }

    func claims() -> [Claim] {
        guard let map = reader.map("claims") else {
            reader.reportMissing("claims", fix: "a map of models, each with a list `published`")
            reader.reportUnknownKeys()
            return []
        }
        reader.reportUnknownKeys()
        return map.keys.flatMap { key in map.map(key).map { claims(of: $0, key: key) } ?? [] }
    }

    /// The claims about one model.
    private func claims(of group: FieldReader, key: String) -> [Claim] {
        group.expect("title", "model", "run", "plan", "devices", "kind", "source", "published")
        let subject = subject(group, title: group.text("title") ?? key)
        let source = group.text("source")
        let published = group.list("published") { list, node, place in
            let entry = FieldReader(node, path: place, collector: list.collector)
            return subject.flatMap { claim(entry, of: $0, source: source) }
        }
        group.reportMissing("published", fix: "a list such as [{parameters: 175B, where: Table 2.1}]")
        group.reportUnknownKeys()
        return published ?? []
    }

    private func subject(_ group: FieldReader, title: String) -> Claim.Subject? {
        let kind = group.choice("kind", of: PublishedWhole.Kind.self)
        let kinds = ["model", "run", "plan"].filter(group.contains)
        guard kinds.count == 1 else {
            group.report(
                kinds.last ?? "model",
                rule: kinds.isEmpty ? "is missing" : "a claim is about one of model, run and plan",
                fix: "a shape in plans/models/, a row of plans/published/, or a plan")
            return nil
        }
        if !group.contains("plan"), group.contains("devices") {
            group.report("devices", rule: "changes the devices of a plan alone", fix: "remove it")
        }
        switch kinds[0] {
        case "model":
            var remarks: [Remark] = []
            let model = PlanModelReading.read(group, library: library, remarks: &remarks)
            return model.map { Claim.Subject(title: title, model: $0, kind: kind ?? .total) }
        case "run":
            guard let name = group.text("run") else { return nil }
            guard let run = runs.first(where: { $0.name == name }) else {
                group.report(
                    "run", value: "'\(name)'", rule: "no run of that name in plans/published/",
                    fix: Wording.didYouMean(name, among: runs.map(\.name)))
                return nil
            }
            guard let open = run.open else {
                group.report("run", value: "'\(name)'", rule: "is no plan: \(run.obstacle)", fix: "name a plan")
                return nil
            }
            return Claim.Subject(
                title: title, model: open.model, stated: run.plan, open: open, kind: kind ?? run.whole?.kind ?? .total)
        default:
            return plan(group).map { plan in
                var open = plan
                open.layout = nil
                return Claim.Subject(
                    title: title, model: plan.model, stated: plan.layout == nil ? nil : plan, open: open,
                    kind: kind ?? .total)
            }
        }
    }

    /// The plan in a file, or written out.
    private func plan(_ group: FieldReader) -> Plan? {
        let devices = group.count("devices", in: Bounds.devices)
        if let name = group.scalar("plan") {
            _ = group.text("plan")
            guard let path = library.existing(name) else {
                group.report("plan", value: "'\(name)'", rule: "no such file")
                return nil
            }
            do throws(PlanProblems) {
                return try Plan.read(path: path, devices: devices, library: library, files: &group.collector.files)
            } catch {
                error.problems.forEach(group.collector.adopt)
                return nil
            }
        }
        guard let node = group.take("plan") else { return nil }
        let reading = PlanReading(
            root: node, reader: FieldReader(node, path: group.join("plan"), collector: group.collector),
            library: library, devicesOverride: devices, isRun: false)
        return reading.plan(fileName: group.path)
    }

    private func claim(_ entry: FieldReader, of subject: Claim.Subject, source usual: String?) -> Claim? {
        let quantities = Claim.Quantity.allCases.filter { entry.contains($0.rawValue) }
        entry.expect("source", "where", "reason")
        guard let quantity = quantities.first, quantities.count == 1 else {
            let names = Wording.alternatives(Claim.Quantity.allCases.map(\.rawValue))
            let rule = "an entry states one of \(names)"
            if let last = quantities.last {
                entry.report(last.rawValue, rule: rule, fix: "make it \(quantities.count) entries")
            } else {
                entry.collector.report(entry.path, at: entry.mark, rule: rule)
            }
            return nil
        }
        let figure = figure(entry, quantity)
        let name = entry.text("source") ?? usual
        let source = name.flatMap { sources[$0] }
        if let name, source == nil {
            entry.report(
                "source", value: "'\(name)'", rule: "no source of that name",
                fix: Wording.didYouMean(name, among: sources.keys.sorted()))
        } else if name == nil {
            entry.reportMissing("source", fix: "the name of one of `sources`, here or beside `published`")
        }
        let place = entry.text("where")
        entry.reportMissing("where", fix: "the place in the source, e.g. Table 2.1")
        let reason = entry.text("reason")
        for (key, meant) in Self.definitions where entry.contains(key) && !meant.contains(quantity) {
            entry.report(key, rule: "says nothing of \(quantity.rawValue)", fix: "remove it")
        }
        let tokens = entry.number("tokens", .count, in: Bounds.tokens)
        let counting = entry.choice("counting", of: Claim.Counting.self)
        let bill = bill(entry)
        for quantity in Claim.Quantity.allCases { entry.expect(quantity.rawValue) }
        entry.reportUnknownKeys()
        guard let figure, let source, let place else { return nil }
        let claim = Claim(
            subject: subject, quantity: quantity, low: figure.low, high: figure.high, source: source.title,
            reference: source.reference, place: place, tokens: tokens, counting: counting, bill: bill, reason: reason)
        reportMissing(entry, claim)
        return claim
    }

    /// The figure of an entry: one number, or both ends of a range.
    private func figure(_ entry: FieldReader, _ quantity: Claim.Quantity) -> (low: Double, high: Double)? {
        let key = quantity.rawValue
        let range = Double.leastNonzeroMagnitude...Self.most
        guard entry.isList(key) else { return entry.number(key, quantity.unit, in: range).map { ($0, $0) } }
        let ends = entry.list(key) { list, node, place in
            list.number(node, unit: quantity.unit, range: range) { rule, fix in
                list.collector.report(place, at: node.mark, value: FieldReader.shown(node), rule: rule, fix: fix)
            }
        }
        guard let ends else { return nil }
        guard ends.count == 2, ends[0] < ends[1] else {
            entry.report(key, rule: "a range has two ends, the lower one first", fix: "e.g. [4, 6]")
            return nil
        }
        return (ends[0], ends[1])
    }

    private func bill(_ entry: FieldReader) -> Claim.Bill {
        let positive = Double.leastNonzeroMagnitude...Self.most
        var bill = Claim.Bill()
        bill.hours = entry.number("hours", .count, in: positive)
        bill.energyMWh = entry.number("mwh", .plain, in: positive)
        bill.watts = entry.number("watts", .plain, in: positive)
        bill.powerUsageEffectiveness = entry.number("powerUsageEffectiveness", .plain, in: 1...10) ?? 1
        bill.gramsPerKWh = entry.number("gramsPerKWh", .plain, in: positive)
        bill.dollarsPerHour = entry.number("dollarsPerHour", .plain, in: positive)
        return bill
    }

    /// Reports what a figure cannot be computed without.
    private func reportMissing(_ entry: FieldReader, _ claim: Claim) {
        let training = claim.subject.training
        let key = claim.quantity.rawValue
        func needsTraining() {
            guard training == nil else { return }
            entry.report(
                key, rule: "is of a training, and only a model is named", fix: "name a run or a plan beside `published`"
            )
        }
        let bill = claim.bill
        let needsTokens = claim.quantity == .flops || (bill.hours == nil && bill.energyMWh == nil)
        switch claim.quantity {
        case .parameters, .activeParameters: return
        case .flops: entry.reportMissing("counting", fix: Wording.alternatives(Claim.Counting.allCases.map(\.rawValue)))
        case .mfu: return needsTraining()
        case .gpuHours, .days: needsTraining()
        case .energyMWh, .co2Tonnes, .dollars: if needsTokens { needsTraining() }
        }
        if claim.quantity == .co2Tonnes {
            entry.reportMissing("gramsPerKWh", fix: "grams of CO2 a kWh of the grid, e.g. 57")
        }
        if [.energyMWh, .co2Tonnes].contains(claim.quantity), bill.energyMWh == nil,
            training?.cluster.device.watts == nil
        {
            entry.reportMissing("watts", fix: "the power of a device, e.g. 400")
        }
        if claim.quantity == .dollars, training?.cluster.pricePerDeviceHour == nil {
            entry.reportMissing("dollarsPerHour", fix: "the price of a device-hour, e.g. 2")
        }
        if needsTokens, training?.tokens == nil { entry.reportMissing("tokens", fix: "e.g. 300B") }
    }
}

extension Claim.Quantity {
    /// The unit in which a file states the figure.
    fileprivate var unit: Quantity.Unit {
        switch self {
        case .parameters, .activeParameters, .flops, .gpuHours, .dollars: .count
        case .mfu: .share
        case .days, .energyMWh, .co2Tonnes: .plain
        }
    }
}
