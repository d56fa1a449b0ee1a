internal import Models
internal import Numbers
package import Reading
internal import Yams

extension Plan {
    /// Reads and checks the plan file at `path`.
    ///
    /// - Parameters:
    ///   - devices: replaces the file's `devices`. A stated layout keeps its other degrees, and `data` follows.
    ///   - library: search path for named shapes and clusters.
    ///   - isRun: whether the plan is really trained here rather than only priced. Things that are needed only for
    ///     pricing may then be missing: a plan that names no cluster and no framework is read without them.
    /// - Throws: every problem of the file at once, with line and column.
    package static func read(
        path: String, devices: Int? = nil, library: Library? = nil, isRun: Bool = false
    ) throws(PlanProblems) -> Plan {
        var files = ReadFiles()
        return try read(path: path, devices: devices, library: library, isRun: isRun, files: &files)
    }

    /// Reads the plan file at `path`. The file, and the model, cluster and framework files it refers to, are added to
    /// `files`.
    package static func read(
        path: String, devices: Int? = nil, library: Library? = nil, isRun: Bool = false, files: inout ReadFiles
    ) throws(PlanProblems) -> Plan {
        try read(
            text: YAMLFile.text(path: path, files: &files), path: path, devices: devices, library: library,
            isRun: isRun, files: &files)
    }

    /// Reads a plan from `text`. Problems name the file `path`, and references are looked up relative to it; the file
    /// itself is not opened.
    package static func read(
        text: String, path: String, devices: Int? = nil, library: Library? = nil, isRun: Bool = false
    ) throws(PlanProblems) -> Plan {
        var files = ReadFiles()
        return try read(text: text, path: path, devices: devices, library: library, isRun: isRun, files: &files)
    }

    private static func read(
        text: String, path: String, devices: Int?, library: Library?, isRun: Bool, files: inout ReadFiles
    ) throws(PlanProblems) -> Plan {
        let root = try YAMLFile.compose(text: text, name: path)
        let collector = ProblemCollector(file: path)
        defer { files.formUnion(collector.files) }
        let reader = FieldReader(root, path: "", collector: collector)
        guard case .mapping = root else { throw collector.all }
        let reading = PlanReading(
            root: root, reader: reader, library: library ?? .standard(besides: path), devicesOverride: devices,
            isRun: isRun)
        guard let plan = reading.plan(fileName: Library.stem(path)), collector.isEmpty else {
            throw collector.all
        }
        return plan
    }
}

/// The reading of one plan file.
struct PlanReading {
    /// The node that is read, for readings that change some of its keys.
    let root: Node
    var reader: FieldReader
    let library: Library
    var devicesOverride: Int?
    let isRun: Bool
    /// Parts that another reading of the same file has read, where this one reads them alike; nil: none.
    var given: Given?
    /// The framework files of `library`, where they were read before; nil: they are read for this plan.
    var shipped: Frameworks?

    /// The parts of a plan that lie in other files.
    struct Given {
        var model: Model?
        var cluster: ClusterReading.Result?
        var frameworks: Frameworks?
    }

    /// Keys that `none` takes away: a plan without them says nothing in their place.
    static let optionalKeys = [
        "tokens", "samples", "offload", "train", "lora", "frozen", "quantized", "packing", "padding", "rampupBatchSize",
        "accumulation", "measured", "hyperparameters", "costs", "failures", "start",
    ]

    func plan(fileName: String) -> Plan? {
        let none = reader.takeAwayNone(Self.optionalKeys)
        reader.expect("name", "model", "tokens", "samples", "cluster")
        let name = reader.text("name") ?? fileName
        var remarks: [Remark] = []
        let stated = given?.model ?? PlanModelReading.read(reader, library: library, remarks: &remarks)
        var tokens = reader.number("tokens", .count, in: Bounds.tokens)
        let samples = reader.number("samples", .count, in: Bounds.tokens)
        if samples != nil, reader.contains("tokens") {
            reader.report(
                "samples", rule: "a run is as long as its tokens or as its samples, not both", fix: "remove tokens")
        }
        let known = cluster(remarks: &remarks)
        remarks += reader.collector.remarks
        let statedDevices = clusterDevices(known, stated: reader.count("devices", in: Bounds.devices))
        let batchTokens = reader.tokens("batch")
        var statedBatch = batchTokens == nil ? reader.count("batch", in: Bounds.batch) : nil
        let train = TrainReading.read(reader, library: library)
        let isTrained = reader.contains("train")
        let hyperparameters = Hyperparameters.read(reader)
        let format = Recipe.read(reader)
        let (statedPrecision, recipe) = (format?.precision, format?.recipe)
        let optimizer = Optimizer.read(reader)
        let gradients = GradientFormat.read(reader)
        let loss = LossComputation.read(reader)
        var layout = LayoutReading.read(reader, isTrained: isTrained)
        if !reader.contains("layout"), isTrained {
            layout = LayoutReading.Result(layout: Layout(), dataIsGiven: false)
        }
        let isAuto = layout == nil
        if let gradients, let own = layout?.layout.gradients, own != gradients {
            reader.report(
                "gradients", value: "'\(gradients.rawValue)'", rule: "layout.gradients says \(own.rawValue)",
                fix: "remove one of the two")
        }
        if let gradients { layout?.layout.gradients = gradients }
        let offloadsIfNeeded = reader.word(ifAmong: ["auto"], "offload") != nil
        let offload = offloadsIfNeeded ? nil : statedOffload()
        if offloadsIfNeeded, !isAuto {
            reader.report(
                "offload", value: "'auto'", rule: "offloads where no layout of a search fits, and the layout is stated",
                fix: "say what is offloaded, e.g. {optimizer: true}")
        }
        if reader.contains("offload"), layout?.layout.offload != nil || OffloadReading.isInLayout(reader) {
            reader.report("offload", rule: "layout.offload says it too", fix: "remove one of the two")
        }
        if let offload { layout?.layout.offload = offload }
        if statedBatch == nil, !reader.contains("batch") { statedBatch = layout?.globalBatch }
        if let devicesOverride, !Bounds.devices.contains(devicesOverride) {
            reader.report(
                "devices", value: "\(devicesOverride)",
                rule: "must be a whole number from 1 to \(Figures.grouped(Bounds.devices.upperBound))")
        }
        reader.expect("framework")
        let (tuning, batches) = (TuningReading(reader), BatchKeys(reader))
        let frameworks =
            isRun && !reader.contains("framework")
            ? Frameworks() : given?.frameworks ?? Frameworks.read(reader, library: library, shipped: shipped)
        let shares = RunShares.read(reader)
        let money = MoneyReading(reader)
        let measured = MeasurementReading(reader)
        if given == nil { reader.reportUnknownKeys() }

        // Rules that read none of the model's keys are asked of a plain one where the plan's own cannot be read.
        let isModelKnown = stated != nil
        var tuned = stated ?? .plain(layers: layout?.layout.stages ?? 1)
        if !isModelKnown || UnpricedPairs.refuse(reader, tuned) {
            tuning.apply(to: &tuned, isKnown: isModelKnown)
            tuned.documents = batches.documents
            if isModelKnown { batches.check(tuned) }
        }
        let model = tuned
        if isTrained, statedBatch == nil, batches.accumulation == nil {
            reader.reportMissing("batch", fix: "sequences a step, e.g. batch: 32")
        }
        if isAuto, devicesOverride == nil, known?.devices == nil,
            reader.scalar("layout") == "auto" || !reader.contains("layout")
        {
            reader.reportMissing("devices", fix: "e.g. devices: 1024")
        }
        // The runtime computes in fp32. A plan that is only priced means the usual training format of its device.
        let precision = statedPrecision ?? (isTrained ? .fp32 : known?.cluster.trainingPrecision ?? .bf16)
        if let samples, isModelKnown {
            // A sample is one sequence.
            let all = samples * Double(model.sequence)
            if !Bounds.tokens.contains(all) {
                reader.report(
                    "samples", value: reader.scalar("samples") ?? "",
                    rule: "must be at most 1e18 tokens: a sample has \(Figures.grouped(model.sequence))")
            }
            tokens = all
        }
        if let batchTokens, isModelKnown {
            statedBatch = sequences(batchTokens, model, remarks: &remarks)
        }
        let devices = resolveDevices(stated: statedDevices, layout: &layout)
        if statedBatch == nil { statedBatch = batches.batch(layout?.layout) }
        let parameters = isModelKnown ? Double(model.parameters().total) : 1e9
        let wanted = Model.defaultBatch(parameters: parameters, sequence: model.sequence)
        let chosen =
            layout.map { BatchChoice.batch(near: wanted, layout: $0.layout) }
            ?? BatchChoice.batch(near: wanted, devices: devices)
        let batch = statedBatch ?? chosen
        if let statedBatch {
            if isModelKnown, let remark = BatchSize.remark(statedBatch, sequence: model.sequence, tokens: tokens) {
                remarks.append(remark)
            }
        } else {
            remarks.append(Remark(.batchAssumed, BatchChoice.remark(batch, wanted: wanted)))
        }
        let open = layout?.openSchedule
        // A rule between keys is asked when the keys that it reads are valid, whatever is wrong elsewhere.
        var unknown = unknownKeys(isModelKnown: isModelKnown, layout, isBatchStated: statedBatch != nil)
        if let problem = problemOfFollowingData(layout, devices: devices, isStated: statedDevices != nil, unknown) {
            reader.collector.adopt(ofDevices(problem, known, keepsFix: devicesOverride != nil))
            // Rules that read the degree would speak of one that nobody wrote.
            unknown.formUnion(["layout.data"])
        }
        func areKnown(_ keys: String...) -> Bool { !keys.contains(where: unknown.touches) }
        let isSliceKnown = areKnown("batch", "layout.microbatch", "layout.data")
        if isSliceKnown || layout == nil { batches.checkAccumulation(layout?.layout, batch: batch) }
        if isSliceKnown || layout == nil, areKnown("rampupBatchSize", "batch") {
            batches.checkRampup(
                layout?.layout, batch: batch, isOpenSchedule: open != nil || !areKnown("layout.schedule"))
        }
        if open != nil, isTrained {
            reader.collector.adopt(
                PlanProblem(
                    field: "layout.schedule", value: "auto",
                    rule: "a plan with train must name the schedule its ranks run", fix: "price it without train first")
            )
        }
        if let layout, isSliceKnown { layout.contradictions(batch: batch).forEach(reader.collector.adopt) }
        var layoutUnknown = unknown
        let canDivide = areKnown("layout.pipeline", "layout.virtualStages", "layout.schedule")
        if !canDivide || !divideStages(of: &layout, model, isKnown: !unknown.touches("model.layers")) {
            layoutUnknown.formUnion(["layout.layersPerStage"])
        }
        if let layout = layout?.layout {
            // With an open schedule, the planner finds out which schedules are legal.
            layout.problems(for: model, batch: batch, devices: devices, unknown: layoutUnknown)
                .filter { open == nil || $0.field != "layout.schedule" }.map { problem in
                    // A batch that does not divide may have been meant in tokens.
                    var problem = problem.field == "devices" ? ofDevices(problem, known) : placed(problem)
                    if problem.field == "layout.microbatch", devicesOverride != nil {
                        problem.rule += ", where --devices \(devices) makes data \(layout.data)"
                    }
                    if problem.field == "layout.microbatch", let odd = remarks.first(where: { $0.code == .batchLarge })
                    {
                        problem.fix += "; " + odd.text
                    }
                    return problem
                }.forEach(reader.collector.adopt)
            if let cluster = known?.cluster {
                if areKnown(
                    "layout.tensor", "layout.context", "layout.data", "layout.pipeline", "layout.schedule", "devices")
                {
                    layout.groupProblems(cluster).forEach(reader.collector.adopt)
                }
                if reader.collector.isEmpty {
                    remarks += layout.warnings(cluster: cluster, model: model, batch: batch)
                }
            }
        }
        if areKnown("precision") || statedPrecision != nil {
            (optimizer ?? Optimizer()).problems(precision: precision, layout: layout?.layout)
                .filter {
                    !unknown.covers($0.field) && !unknown.covers("optimizer.name") && !unknown.covers("optimizer")
                }
                .forEach(reader.collector.adopt)
        }
        refusePairs(
            Plan(
                name: name, model: model, tokens: tokens, cluster: known?.cluster ?? .here, devices: devices,
                batch: batch, precision: precision, layout: layout?.layout, train: train, openSchedule: open,
                frameworks: frameworks ?? Frameworks()),
            recipe: recipe, gradients: gradients, loss: loss, offload: (isAuto ? offload : nil, offloadsIfNeeded),
            optimizer: optimizer, isClusterKnown: known != nil, unknown: unknown)
        guard isModelKnown, var cluster = known?.cluster, let frameworks else { return nil }
        if isTrained, precision == .bf16, cluster.device.peakFLOPs[.bf16] == nil,
            let rate = cluster.device.peakFLOPs[.fp32]
        {
            // The run itself finds out whether the processor has bf16. The prediction shown with it needs some rate.
            cluster.changeKinds {
                $0.device.peakFLOPs[.bf16] = $0.device.peakFLOPs[.bf16] ?? $0.device.peakFLOPs[.fp32] ?? rate
            }
            remarks.append(
                Remark(
                    .rateAssumed,
                    "\(cluster.device.name) has no rate for bf16, so the prediction takes that of fp32"))
        }
        if cluster.groups != nil {
            GroupRules.checkRates(cluster, precision, reader)
        } else if cluster.device.peakFLOPs[precision] == nil {
            let known = Precision.allCases.filter { cluster.device.peakFLOPs[$0] != nil }.map(\.rawValue)
            reader.report(
                "precision", value: "'\(precision.rawValue)'",
                rule: "\(cluster.device.name) has no rate for it", fix: "use \(Wording.alternatives(known))")
        }
        var plan = Plan(
            name: name, model: model, tokens: tokens, cluster: cluster, devices: devices, batch: batch,
            precision: precision, layout: layout?.layout, train: train, remarks: remarks, openSchedule: open,
            measured: measured.own, frameworks: frameworks, wantedBatch: statedBatch == nil ? wanted : nil)
        if let layout { plan.openDefaults = layout.openDefaults }
        if offload != nil || offloadsIfNeeded || none.contains("offload") { plan.openDefaults.remove(.offload) }
        if OffloadReading.statesOverlap(reader) { plan.openDefaults.remove(.offloadOverlap) }
        // A real run computes in fp32, in the runtime.
        if !isTrained { plan.openKeys = Set(Plan.Default.allCases.filter { !reader.contains($0.rawValue) }) }
        if !isTrained, frameworks.named == nil, frameworks.assumed != nil { plan.openKeys.insert(.framework) }
        (plan.padding, plan.rampup, plan.run) = (batches.padding, batches.rampup, shares)
        money.apply(to: &plan, reader)
        batches.checkDocuments(&plan.train)
        (plan.statedRecipe, plan.hyperparameters) = (recipe, hyperparameters)
        if let base = hyperparameters?.rotaryBase, let own = model.rotaryBase, base != own {
            reader.report(
                "hyperparameters.rotaryBase", value: Figures.plain(base),
                rule: "the model's rotaryBase is \(Figures.plain(own))", fix: "keep one of them", kind: .misfit)
        }
        for rule in recipe?.problems(of: model) ?? [] { reader.collector.adopt(rule) }
        (plan.gradients, plan.loss) = (gradients, loss ?? plan.loss)
        (plan.offload, plan.offloadsIfNeeded) = (isAuto ? offload : nil, offloadsIfNeeded)
        plan.optimizer = optimizer ?? plan.optimizer
        if reader.collector.isEmpty, !isRun {
            plan.divideStages()
            plan.remarks +=
                [plan.frameworks.remarkOnRelease].compactMap(\.self) + plan.obstacles + plan.idleModules
            plan.measurements = measured.measurements(root, of: plan, isScaled: devicesOverride != nil) {
                var other = self
                (other.reader, other.devicesOverride) = (FieldReader($0, path: "", collector: $1), nil)
                other.given = Given(model: stated, cluster: known, frameworks: frameworks)
                return other.plan(fileName: fileName)
            }
            if plan.measurements.isEmpty, measured.own != nil {
                plan.remarks.append(
                    Remark(
                        .keyUnused,
                        "measured says nothing of the answer: the plan's layout is auto; say which one was measured "
                            + "(measured: {seconds: …, layout: {…}})"))
            }
        }
        return plan
    }

    /// `offload:` of the plan, which holds for every layout.
    private func statedOffload() -> Layout.Offload? {
        guard reader.contains("offload") else {
            reader.expect("offload")
            return nil
        }
        if reader.scalar("offload") != nil, let word = reader.word("offload") {
            reader.report("offload", value: "'\(word)'", rule: "must be auto or a map", fix: "e.g. {optimizer: true}")
            return nil
        }
        return OffloadReading.read(reader)
    }

    /// A problem of what is offloaded, at the key that states it.
    func placed(_ problem: PlanProblem) -> PlanProblem {
        guard reader.contains("offload"), problem.field.hasPrefix("layout.offload") else { return problem }
        var placed = problem
        placed.field = String(problem.field.dropFirst("layout.".count))
        return placed
    }

    /// Sequences of a batch that is stated in tokens. nil, after a report, if no allowed number of sequences holds
    /// them.
    private func sequences(_ tokens: Double, _ model: Model, remarks: inout [Remark]) -> Int? {
        let stated = reader.scalar("batch") ?? ""
        guard let found = BatchSize.sequences(tokens: tokens, sequence: model.sequence) else {
            reader.report(
                "batch", value: "'\(stated)'",
                rule: "must be from one to \(Figures.grouped(Bounds.batch.upperBound)) sequences of "
                    + "\(Figures.grouped(model.sequence)) tokens")
            return nil
        }
        let held = Figures.magnitude(Double(found) * Double(model.sequence))
        remarks.append(
            Remark(
                .batchInTokens,
                "batch: \(stated) are taken as \(Figures.grouped(found)) sequences of "
                    + "\(Figures.grouped(model.sequence)), \(held) tokens"))
        return found
    }

    private func cluster(remarks: inout [Remark]) -> ClusterReading.Result? {
        if let cluster = given?.cluster { return cluster }
        if reader.contains("cluster") { return ClusterReading.read(reader, library: library) }
        if isRun { return ClusterReading.Result(cluster: .here) }
        guard let (cluster, remark) = ClusterReading.standard(reader, library: library) else { return nil }
        remarks.append(remark)
        return ClusterReading.Result(cluster: cluster)
    }

    /// Sets the blocks of each stage if the plan states them in another way than `layersPerStage`.
    /// - Parameter isKnown: whether the model's layers are known.
    /// - Returns: false after a report.
    private func divideStages(of result: inout LayoutReading.Result?, _ model: Model, isKnown: Bool) -> Bool {
        guard let division = result?.division, let layout = result?.layout, let reader = reader.entryMap("layout")
        else {
            return true
        }
        let collector = self.reader.collector
        let (layers, predictors) = (isKnown ? model.layers : nil, isKnown ? model.predictors : nil)
        let sizes = division.sizes(layout, layers: layers, predictors: predictors) { problem, inside in
            var problem = problem
            let key = String(problem.field.dropFirst("layout.".count))
            if let inside, let place = reader.place(inside: key, offset: inside) {
                (problem.file, problem.line, problem.column) = (collector.file, place.line, place.column)
            }
            collector.adopt(problem)
        }
        result?.layout.layersPerStage = sizes
        return sizes != nil
    }
}
