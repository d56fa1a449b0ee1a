internal import Models
internal import Numbers
internal import Reading
internal import Yams

/// Reads `measured:` of a plan: a step of the plan itself, or steps of other layouts, batches and numbers of devices, each
/// read as a plan that differs in these keys.
struct MeasurementReading {
    /// The step of the plan itself, which `validate` compares with the prediction.
    private(set) var own: Plan.Measured?
    /// Steps that differ from the plan, by the node of their map.
    private var others: [(reader: FieldReader, node: Node.Mapping, seconds: Double)] = []
    private var ownEntry: (reader: FieldReader, node: Node.Mapping, seconds: Double)?

    private static let differing = ["devices", "batch", "layout"]

    init(_ plan: FieldReader) {
        plan.expect("measured")
        guard plan.contains("measured") else { return }
        if plan.isList("measured") {
            _ = plan.list("measured") { reader, node, place -> Bool? in
                guard case .mapping(let mapping) = node else {
                    reader.collector.report(
                        place, at: node.mark, value: FieldReader.shown(node), rule: "must be a map of keys and values",
                        fix: "e.g. {seconds: 12.5, devices: 64}")
                    return nil
                }
                add(FieldReader(node, path: place, collector: reader.collector), mapping)
                return true
            }
        } else if let node = plan.take("measured") {
            guard case .mapping(let mapping) = node else {
                plan.report(
                    "measured", value: FieldReader.shown(node), rule: "must be a map, or a list of maps",
                    fix: "e.g. measured: {seconds: 12.5}")
                return
            }
            add(FieldReader(node, path: plan.join("measured"), collector: plan.collector), mapping)
        }
    }

    private mutating func add(_ reader: FieldReader, _ mapping: Node.Mapping) {
        reader.expect("devices", "batch", "layout")
        guard let measured = Plan.Measured(reader) else { return }
        if Self.differing.contains(where: reader.contains) {
            others.append((reader, mapping, measured.seconds))
        } else if own == nil {
            own = measured
            ownEntry = (reader, mapping, measured.seconds)
        } else {
            reader.report("seconds", rule: "is a second step of the plan itself", fix: "keep one, or say what differs")
        }
    }

    /// The measured steps. Those that differ from the plan are read as plans; problems are reported.
    /// - Parameters:
    ///   - root: the node of the plan's file.
    ///   - plan: the plan that was read from it.
    ///   - isScaled: whether the plan has other devices than its file states, so that its own step is of others.
    ///   - read: reads a plan from a node and a collector of its problems.
    func measurements(
        _ root: Node, of plan: Plan, isScaled: Bool, read: (Node, ProblemCollector) -> Plan?
    ) -> [Plan.Measurement] {
        var found: [Plan.Measurement] = []
        var others = others
        if isScaled, let ownEntry { others.insert(ownEntry, at: 0) }
        if let own, !isScaled, let layout = plan.layout {
            found.append(
                Plan.Measurement(
                    seconds: own.seconds, devices: plan.devices, batch: plan.batch, layout: layout, isOwn: true))
        }
        for (reader, mapping, seconds) in others {
            guard case .mapping(var all) = root else { continue }
            all["measured"] = nil
            all["train"] = nil
            all["batch"] = mapping["batch"] ?? all["batch"]
            if let devices = mapping["devices"] {
                all["devices"] = devices
                all["layout"] = mapping["layout"] ?? Self.open(all["layout"])
            } else if let layout = mapping["layout"] {
                // Devices that no key states are those of the plan's own layout.
                all["layout"] = layout
                if all["devices"] == nil, !isScaled { all["devices"] = Node("\(plan.devices)") }
            }
            let collector = ProblemCollector(file: reader.collector.file)
            let other = read(.mapping(all), collector)
            guard let other, collector.isEmpty, let layout = other.layout else {
                report(collector, reader, isOpen: other != nil && other?.layout == nil)
                continue
            }
            found.append(
                Plan.Measurement(
                    seconds: seconds, devices: other.devices, batch: other.batch, layout: layout))
        }
        return found
    }

    private func report(_ collector: ProblemCollector, _ reader: FieldReader, isOpen: Bool) {
        if isOpen {
            reader.report(
                "layout", rule: "must say which layout was measured, because the plan's is auto",
                fix: "e.g. layout: {tensor: 8, pipeline: 2}")
        }
        for problem in collector.all.problems {
            let key = problem.field.prefix { $0 != "." && $0 != "[" }
            if reader.contains(String(key)) {
                // The step states the field itself, at the place that its own node has in the file.
                var own = problem
                (own.field, own.kind) = (reader.join(problem.field), .input)
                if own.line == nil { own.file = nil }
                reader.collector.adopt(own)
                continue
            }
            let isOfBatch = problem.field == "batch" || problem.field == "layout.microbatch"
            let keys = isOfBatch ? ["batch", "devices", "layout"] : ["devices", "layout", "batch"]
            guard let changed = keys.first(where: reader.contains) else {
                reader.collector.adopt(problem)
                continue
            }
            reader.report(
                changed, value: reader.scalar(changed) ?? "",
                rule: "a plan with it is wrong, \(problem.field): \(problem.rule)", fix: problem.fix)
        }
    }

    /// A layout without what follows from the devices and the batch.
    private static func open(_ layout: Node?) -> Node? {
        guard case .mapping(var map)? = layout else { return layout }
        for key in ["data", "globalBatch", "microbatches"] { map[key] = nil }
        return .mapping(map)
    }
}

extension Plan.Measured {
    init?(_ reader: FieldReader) {
        let seconds = reader.number("seconds", .seconds, in: Bounds.positive)
        let memory = reader.number("memory", .bytes, in: Bounds.positive)
        let kind = reader.choice("memoryKind", of: MemoryKind.self)
        let source = reader.text("source")
        reader.reportMissing("seconds", fix: "of one iteration, e.g. seconds: 12.5")
        reader.reportUnknownKeys()
        guard let seconds else { return nil }
        self.init(seconds: seconds, memoryBytes: memory, memoryKind: kind ?? .device, source: source)
    }
}
