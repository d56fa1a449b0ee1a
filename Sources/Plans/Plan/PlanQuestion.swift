package import Models
internal import Numbers
package import Reading
internal import Schedules

extension Plan {
    /// The plan of a question without a file, for `estimate`: the time that a model of this size takes on these
    /// devices.
    ///
    /// - Parameters:
    ///   - parameters: number of parameters to choose a shape for (`Model.shaped`); ignored if `modelName` is given.
    ///   - modelName: a shape in `plans/models/`, or a Hugging Face configuration.
    ///   - gpu: a device such as H100, a cluster in `cluster/`, or the path of a cluster file.
    ///   - batch: sequences a step; nil: chosen by size and devices (`BatchChoice`).
    ///   - sequence: tokens a sequence; nil: the model's own.
    ///   - precision: format of training; nil: the one usual on the device.
    /// - Throws: all values out of range and all unknown names together.
    package static func question(
        parameters: Double?, modelName: String?, tokens: Double, gpu: String, gpus: Int, batch: Int? = nil,
        sequence: Int? = nil, precision: Precision? = nil, library: Library = .standard()
    ) throws(PlanProblems) -> Plan {
        var files = ReadFiles()
        return try question(
            parameters: parameters, modelName: modelName, tokens: tokens, gpu: gpu, gpus: gpus, batch: batch,
            sequence: sequence, precision: precision, library: library, files: &files)
    }

    /// The plan of a question without a file. The model, cluster and framework files that it reads are added to
    /// `files`.
    package static func question(
        parameters: Double?, modelName: String?, tokens: Double, gpu: String, gpus: Int, batch: Int?, sequence: Int?,
        precision: Precision?, library: Library = .standard(), files: inout ReadFiles
    ) throws(PlanProblems) -> Plan {
        var problems: [PlanProblem] = []
        func check(_ field: String, _ value: Int?, _ range: ClosedRange<Int>) {
            guard let value, !range.contains(value) else { return }
            problems.append(
                PlanProblem(
                    field: field, value: "\(value)",
                    rule: "must be a whole number from \(range.lowerBound) to \(Figures.grouped(range.upperBound))"))
        }
        check("gpus", gpus, Bounds.devices)
        check("batch", batch, Bounds.batch)
        check("sequence", sequence, Bounds.sequence)
        if !Bounds.tokens.contains(tokens) {
            problems.append(PlanProblem(field: "tokens", value: "\(tokens)", rule: "must be from 1 to 1e18"))
        }
        var remarks: [Remark] = []
        let shape = model(
            parameters, modelName, sequence: sequence, library: library, problems: &problems, remarks: &remarks,
            files: &files)
        let cluster = collect(&problems) { () throws(PlanProblems) in
            try Cluster.read(gpu, library: library, files: &files, remarks: &remarks)
        }
        if let cluster, let precision, !cluster.hasRate(precision) {
            let name = cluster.kinds.first { $0.device.peakFLOPs[precision] == nil }?.device.name ?? cluster.device.name
            problems.append(
                PlanProblem(field: "precision", value: precision.rawValue, rule: "\(name) has no rate for it"))
        }
        if let groups = cluster?.groups, groups.devices != gpus {
            problems.append(
                PlanProblem(
                    field: "gpus", value: Figures.grouped(gpus),
                    rule: "must be those of the groups of \(cluster?.name ?? gpu), \(Figures.grouped(groups.devices))"))
        }
        let frameworks = collect(&problems) { () throws(PlanProblems) in
            try Frameworks.read(library: library, files: &files)
        }
        guard let shape, let cluster, let frameworks, problems.isEmpty else { throw PlanProblems(problems) }
        let total = Double(shape.parameters().total)
        let wanted = Model.defaultBatch(parameters: total, sequence: shape.sequence)
        var plan = Plan(
            name: modelName.map(Library.stem)
                ?? "\(Figures.magnitude(parameters ?? total))-\(Figures.magnitude(tokens))-\(gpus)",
            model: shape, tokens: tokens, cluster: cluster, devices: gpus,
            batch: batch ?? BatchChoice.batch(near: wanted, devices: gpus),
            precision: precision ?? cluster.trainingPrecision,
            layout: nil, remarks: remarks, frameworks: frameworks, wantedBatch: batch == nil ? wanted : nil)
        plan.openKeys = precision == nil ? [.precision, .framework] : [.framework]
        if let batch, let remark = BatchSize.remark(batch, sequence: shape.sequence, tokens: tokens) {
            plan.remarks.append(remark)
        }
        return plan
    }

    private static func model(
        _ parameters: Double?, _ name: String?, sequence: Int?, library: Library, problems: inout [PlanProblem],
        remarks: inout [Remark], files: inout ReadFiles
    ) -> Model? {
        if let name, HuggingFaceModel.isConfiguration(name, library: library) {
            let reading = collect(&problems) { () throws(PlanProblems) in
                try HuggingFaceModel.read(name, library: library, files: &files)
            }
            guard var model = reading?.model else { return nil }
            remarks += reading?.remarks(isSequenceStated: sequence != nil) ?? []
            model.sequence = sequence ?? model.sequence
            return model
        }
        if let name {
            guard
                var model = collect(
                    &problems, { () throws(PlanProblems) in try Model.read(name, library: library, files: &files) })
            else { return nil }
            if let sequence, model.hasPicture, sequence != model.sequence {
                problems.append(
                    PlanProblem(
                        field: "sequence", value: "\(sequence)",
                        rule: "\(name) has \(Figures.grouped(model.sequence)) tokens: \(model.tokensInWords)",
                        fix: "leave it out"))
                return nil
            }
            model.sequence = sequence ?? model.sequence
            return model
        }
        guard let parameters, Model.shapeableParameters.contains(parameters) else {
            problems.append(
                PlanProblem(
                    field: "params", value: parameters.map { "\($0)" } ?? "",
                    rule: "a shape is chosen for 10 million to 20 trillion parameters"))
            return nil
        }
        return Model.shaped(parameters: parameters, sequence: sequence)
    }

    private static func collect<Value>(
        _ problems: inout [PlanProblem], _ body: () throws(PlanProblems) -> Value
    ) -> Value? {
        do throws(PlanProblems) {
            return try body()
        } catch {
            problems += error.problems
            return nil
        }
    }
}

extension Device {
    /// The format that models are usually trained in on this device: bf16; fp16 if it has no bf16; else fp32.
    package var trainingPrecision: Precision {
        [.bf16, .fp16].first { peakFLOPs[$0] != nil } ?? .fp32
    }
}
