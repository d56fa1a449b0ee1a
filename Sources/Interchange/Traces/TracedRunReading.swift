package import Models
package import Plans
package import Reading
internal import Schedules

extension TracedRun {
    /// Reads traces of a run of `layout`: one of Trainyard's, or one of the PyTorch profiler for each rank.
    /// - Parameter microbatches: those of a step on each pipeline; nil: the traces may have any number.
    /// - Throws: what is wrong with the files, all at once where it can be told.
    package static func read(
        _ paths: [String], layout: Layout, model: Model, microbatches: Int? = nil
    ) throws(PlanProblems) -> TracedRun {
        let guide = GroupGuide(layout, model)
        var problems: [PlanProblem] = []
        var files: [ProfilerFile] = []
        for (place, path) in paths.enumerated() {
            do throws(PlanProblems) {
                let events = try TraceFile.events(path)
                if TimelineTrace.matches(events), !ProfilerTrace.hasDevice(events) {
                    guard paths.count == 1 else {
                        throw TraceFile.one(
                            path, "is a timeline of all ranks, and \(paths.count) files are given", "give it alone")
                    }
                    return try timeline(events, path, layout, microbatches)
                }
                files.append(try ProfilerFile(events, path, place: place, layout: layout, guide: guide))
            } catch {
                problems += error.problems
            }
        }
        problems += contradictions(files, layout)
        if let microbatches { problems += otherBatch(files, layout, model, microbatches: microbatches) }
        guard problems.isEmpty else { throw PlanProblems(problems) }
        return profiled(files, layout)
    }

    private static func timeline(
        _ events: TraceEvents, _ path: String, _ layout: Layout, _ microbatches: Int?
    ) throws(PlanProblems) -> TracedRun {
        let trace = TimelineTrace(events, layout: layout, microbatches: microbatches, file: path)
        var run = TracedRun(
            source: trace.isMeasured ? .training : .simulation, ranks: try trace.ranks(), expectedRanks: layout.pipeline
        )
        let stands = layout.devices / max(1, layout.pipeline)
        if stands > 1 {
            run.notes.append(
                trace.isMeasured
                    ? "the trace has one rank of each pipeline stage, the first of \(stands): it does not show the others"
                    : "each rank of the simulation stands for \(stands) devices")
        }
        if trace.isMeasured {
            run.notes.append(
                "the trace does not tell recomputation and host work from compute, nor the norm of the gradients from "
                    + "their reduction")
        } else {
            run.notes.append(
                "a simulation does not tell the communication inside passes from their compute, nor the norm of the "
                    + "gradients from their reduction")
        }
        return run
    }

    /// What the files contradict one another or the plan in.
    private static func contradictions(_ files: [ProfilerFile], _ layout: Layout) -> [PlanProblem] {
        var problems: [PlanProblem] = []
        func add(_ file: ProfilerFile, _ rule: String, _ fix: String) {
            problems.append(PlanProblem(file: file.path, field: "", rule: rule, fix: fix))
        }
        var seen: [Int: String] = [:]
        for file in files {
            if let size = file.worldSize, size != layout.devices {
                add(
                    file,
                    "is of a run of \(Wording.count(size, "rank")), and the plan has \(Wording.count(layout.devices, "device"))",
                    "name the plan of that run, or give --devices \(size)")
                continue
            }
            guard file.rank < layout.devices else {
                add(
                    file, "is of rank \(file.rank), and the plan has the ranks 0 to \(layout.devices - 1)",
                    "name the plan of that run")
                continue
            }
            if let other = seen[file.rank] {
                add(file, "is of rank \(file.rank), and so is \(other)", "leave one of them out")
            }
            seen[file.rank] = file.path
        }
        if let device = files.first(where: \.isOnDevice), let host = files.first(where: { !$0.isOnDevice }) {
            add(
                host, "has no kernels of a device, and \(device.path) has them",
                "record all ranks with the same activities of the profiler")
        }
        return problems
    }

    /// Files whose steps run the backward of attention for another number of micro-batches than the plan's. Only where each block
    /// runs it once for a micro-batch.
    private static func otherBatch(
        _ files: [ProfilerFile], _ layout: Layout, _ model: Model, microbatches: Int
    ) -> [PlanProblem] {
        let (blocks, rest) = model.layers.quotientAndRemainder(dividingBy: max(1, layout.pipeline))
        let isUneven = layout.pipeline > 1 && StagePartition(layout, model: model).unevenSizes != nil
        guard layout.context == 1, model.kinds.isEmpty, model.mtp == nil, !model.hasPicture, rest == 0, !isUneven,
            blocks > 0, !layout.schedule.isBidirectional
        else { return [] }
        return files.compactMap { file in
            let counts = Set(file.steps.map(\.attentionBackwards))
            guard let count = counts.first, counts.count == 1, count > 0, count % blocks == 0,
                count / blocks != microbatches
            else { return nil }
            return PlanProblem(
                file: file.path, field: "",
                rule: "runs the backward of attention \(count) times a step, for \(count / blocks) micro-batches in "
                    + "\(Wording.count(blocks, "block")), and a step of the plan has \(microbatches)",
                fix: "name the plan of that run, or give it the batch and micro-batch of that run")
        }
    }

    private static func profiled(_ files: [ProfilerFile], _ layout: Layout) -> TracedRun {
        let grid = RankGrid(layout)
        let isOnDevice = files.first?.isOnDevice ?? true
        let ranks = files.map { file in
            TracedRank(rank: file.rank, stage: grid.coordinates(of: file.rank).pipeline, steps: file.steps)
        }.sorted { $0.rank < $1.rank }
        var run = TracedRun(source: isOnDevice ? .devices : .operations, ranks: ranks, expectedRanks: layout.devices)
        if let guessed = files.first(where: { $0.origin == .order }) {
            run.notes.append(
                "\(guessed.path) names no rank: the files are taken in the order in which they are given")
        }
        if layout.recompute != .none {
            run.notes.append("the trace does not tell recomputation from compute: both are one row")
        }
        if !isOnDevice {
            run.notes.append(
                "the traces are of host processors: time outside of operators, in the interpreter and in waiting, is idle"
            )
        }
        if layout.pipeline > 1 {
            run.notes.append(
                "a kernel that receives waits for its sender: the trace does not tell the bubble from messages")
        }
        return run
    }
}

/// One file of the PyTorch profiler: the steps of a rank.
private struct ProfilerFile {
    /// How the rank is known.
    enum Origin { case trace, name, order }

    var path: String
    var rank: Int
    var origin: Origin
    var worldSize: Int?
    var steps: [TracedStep]
    var isOnDevice: Bool

    init(
        _ events: TraceEvents, _ path: String, place: Int, layout: Layout, guide: GroupGuide
    ) throws(PlanProblems) {
        guard events.count > 0 else {
            throw TraceFile.one(path, "has no trace events", "see the key traceEvents of what the profiler writes")
        }
        isOnDevice = ProfilerTrace.hasDevice(events)
        guard isOnDevice || events.events.contains(where: { $0.category == .operation }) else {
            throw TraceFile.one(
                path,
                "has \(Wording.count(events.count, "event")), and none is a kernel or an operator of the PyTorch profiler "
                    + "or an action of a timeline of Trainyard",
                "write it with export_chrome_trace of torch.profiler, or with `trainyard train --trace`")
        }
        self.path = path
        worldSize = events.worldSize
        if let rank = events.rank, rank >= 0 {
            (self.rank, origin) = (rank, .trace)
        } else if let rank = Self.rank(inName: path) {
            (self.rank, origin) = (rank, .name)
        } else {
            (self.rank, origin) = (place, .order)
        }
        steps = try ProfilerTrace(events, guide: guide, offloads: layout.offload != nil, file: path).steps()
        guard !steps.isEmpty else { throw TraceFile.one(path, "has no step with an event in it") }
    }

    /// The rank in a file's name: `rank3.json`, `trace_rank_12.pt.trace.json.gz`.
    private static func rank(inName path: String) -> Int? {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        guard let match = name.lowercased().firstMatch(of: #/rank[-_ .]?(\d{1,7})/#) else { return nil }
        return Int(match.1)
    }
}
