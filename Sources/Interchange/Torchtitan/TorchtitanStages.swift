internal import Reading

/// Pipelines and numbers of a run of torchtitan.
extension TorchtitanReading {
    /// torchtitan's names of schedules, and ours.
    static let schedules: [(theirs: String, ours: String)] = [
        ("GPipe", "gpipe"), ("1F1B", "1f1b"), ("Interleaved1F1B", "interleaved-1f1b"), ("LoopedBFS", "looped-bfs"),
        ("InterleavedZeroBubble", "interleaved-zb"), ("ZBVZeroBubble", "zbv"), ("DualPipeV", "dualpipev"),
    ]

    static let schedule = ["parallelism.pipeline_parallel_schedule", "experimental.pipeline_parallel_schedule"]
    static let stageKeys = (
        modules: "parallelism.module_fqns_per_model_part",
        splits: ["parallelism.pipeline_parallel_split_points", "experimental.pipeline_parallel_split_points"],
        blocks: ["parallelism.pipeline_parallel_layers_per_stage", "experimental.pipeline_parallel_layers_per_stage"],
        first: "parallelism.pipeline_parallel_first_stage_less_layers",
        last: "parallelism.pipeline_parallel_last_stage_less_layers"
    )

    func readPipeline(_ degrees: Degrees, into draft: inout PlanDraft) {
        let keys = Self.stageKeys
        reader.expect([keys.modules, keys.first, keys.last] + keys.splits + keys.blocks + Self.schedule)
        guard degrees.pipeline > 1 else { return }
        for key in ["parallelism.pipeline_parallel_schedule_csv", "experimental.pipeline_parallel_schedule_csv"] {
            if let path = reader.word(key), !path.isEmpty {
                reader.fail(
                    key, "names a list of actions, which this import does not read", fix: "name a schedule instead")
            }
        }
        let words = Self.schedules.map { ($0.theirs, $0.ours) } + [("interleaved_1f1b", "interleaved-1f1b")]
        let stated = reader.has(name(Self.schedule))
        guard let schedule: String = stated ? reader.choice(name(Self.schedule), words) : "1f1b" else { return }
        let place = place(Self.schedule)
        draft.set("layout.schedule", .word(schedule), from: place)
        let isLooped = schedule != "gpipe" && schedule != "1f1b"
        guard let layers else {
            if isLooped { draft.set("layout.virtualStages", .count(2), from: place) }
            return
        }
        let sizes = stages ?? statedStages(layers: layers)
        let first = reader.count(keys.first, in: 0...10_000) ?? 1
        let last = reader.count(keys.last, in: 0...10_000) ?? 1
        guard reader.collector.isEmpty else { return }
        var number = degrees.pipeline.multipliedReportingOverflow(by: isLooped ? 2 : 1).partialValue
        if let sizes {
            number = sizes.count
        } else if let each = count(keys.blocks, in: 1...10_000) {
            // Today the first and the last stage hold less; before, the split was even.
            number = (layers + first + last + each - 1) / each
        }
        let origin =
            reader.place(keys.modules) ?? reader.place(name(keys.splits)) ?? reader.place(name(keys.blocks)) ?? place
        guard number > 0, number % degrees.pipeline == 0 else {
            reader.fail(
                origin?.name ?? name(Self.schedule),
                "makes \(number) stages, which \(degrees.pipeline) pipeline ranks do not divide",
                fix: "change it or the degree")
            return
        }
        let virtual = number / degrees.pipeline
        if virtual > 1 { draft.set("layout.virtualStages", .count(virtual), from: origin) }
        guard let found = sizes ?? Self.dealt(layers: layers, stages: number, first: first, last: last) else {
            reader.fail(
                origin?.name ?? name(Self.schedule),
                "\(number) stages leave the first or the last without a block of the \(layers) of the model",
                fix: "use fewer stages")
            return
        }
        draft.set("layout.layersPerStage", .list(found.map(String.init)), from: origin)
    }

    /// Blocks of the stages that the file lists; nil: it lists none.
    private func statedStages(layers: Int) -> [Int]? {
        let keys = Self.stageKeys
        if let text = reader.words(keys.modules) {
            // A list of lists; flattened to one text for each stage.
            return text.isEmpty ? nil : text.map { part in part.matches(of: #/layers\.\d+/#).count }
        }
        guard let points = reader.words(name(keys.splits)), !points.isEmpty else { return nil }
        let marks = points.compactMap { point in point.split(separator: ".").last.flatMap { Int($0) } }
        guard marks.count == points.count, zip(marks, marks.dropFirst()).allSatisfy(<),
            marks.allSatisfy({ $0 > 0 && $0 < layers })
        else {
            reader.fail(
                name(keys.splits), "must name blocks in order, such as layers.2", fix: "the model has \(layers) blocks")
            return nil
        }
        let ends = [0] + marks + [layers]
        return zip(ends, ends.dropFirst()).map { $1 - $0 }
    }

    /// Blocks of the stages as torchtitan deals them out: the embedding counts as `first` blocks, the head as `last`.
    static func dealt(layers: Int, stages: Int, first: Int, last: Int) -> [Int]? {
        guard stages > 0, stages <= 1_000_000, layers <= 1_000_000 else { return nil }
        guard stages > 1 else { return [layers] }
        let all = layers + first + last
        let each = all / stages
        guard each > 0, first <= each, last <= each else { return nil }
        return (0..<stages).map { stage in
            each + (stage < all % stages ? 1 : 0) - (stage == 0 ? first : 0) - (stage == stages - 1 ? last : 0)
        }
    }

    func readNumbers(into draft: inout PlanDraft) {
        let isHalf: Bool? = reader.choice("training.dtype", [("bfloat16", true), ("float32", false)])
        let products: String? = reader.choice(
            "training.mixed_precision_param", [("bfloat16", "bf16"), ("float32", "fp32")])
        let place = reader.place("training.mixed_precision_param")
        if isHalf ?? false {
            let place = reader.place("training.dtype")
            draft.set("optimizer.master", .word("none"), from: place)
            draft.set("optimizer.moments", .word("bf16"), from: place)
            draft.set("layout.gradients", .word("bf16"), from: place)
        }
        let precision = isHalf ?? false ? "bf16" : products ?? "bf16"
        let recipe = recipe()
        if let recipe {
            draft.set("precision.recipe", .word(recipe.name), from: recipe.place)
            if recipe.gathers { draft.set("precision.parameterGather", .flag(true), from: recipe.place) }
            if recipe.isRowwise {
                draft.note("precision.recipe: tensorwise, the nearest to rowwise scaling, which a plan cannot say")
            }
        } else {
            draft.set("precision", .word(precision), from: place ?? reader.place("training.dtype"))
        }
        let optimizer = reader.word("optimizer.name") ?? "AdamW"
        let kinds = Set(optimizer.split(separator: ",").map { $0.lowercased() })
        if kinds.contains("distmuon") || kinds.contains("muon") {
            draft.set("optimizer.name", .word("muon"), from: reader.place("optimizer.name"))
        } else if !kinds.isSubset(of: ["adam", "adamw"]) {
            reader.fail("optimizer.name", "is no optimizer of torchtitan", fix: "Adam, AdamW or DistMuon")
        }
        if reader.word("optimizer.implementation") == "fused_opt_states_bf16" {
            draft.set("optimizer.moments", .word("bf16"), from: reader.place("optimizer.implementation"))
        }
        if let chunks = reader.count("loss.num_chunks", in: 1...100_000) {
            draft.set("loss.kind", .word("chunked"), from: reader.place("loss.num_chunks"))
            draft.set("loss.chunks", .count(chunks), from: reader.place("loss.num_chunks"))
        }
        if let loss = reader.word("loss") {
            draft.leave("the loss \(loss): a plan has the model's own cross entropy alone")
        }
    }

    /// The format of 8-bit products, which converters of the model say.
    private func recipe() -> (name: String, gathers: Bool, isRowwise: Bool, place: Setting?)? {
        let isOld = flag(["float8.enable_float8_linear", "training.enable_fp8_linear"]) ?? false
        let converters = (reader.words("model.converters") ?? []) + (reader.words("converter") ?? [])
        let place =
            reader.place("model.converters") ?? reader.place("converter") ?? reader.place("float8.enable_float8_linear")
        let names = converters.map { $0.lowercased() }
        let eight = ["quantize.linear.float8", "float8"].flatMap { section in
            ["recipe_name", "enable_fsdp_float8_all_gather"].map { "\(section).\($0)" }
        }
        let rule = reader.word(name([eight[0], eight[2]]))
        let gathers = flag([eight[1], eight[3]]) ?? false
        reader.expect(eight)
        if names.contains(where: { $0.contains("nvfp4") }) { return ("nvfp4", false, false, place) }
        if names.contains(where: { $0.hasPrefix("mx") || $0.contains(".mx") }) { return ("mxfp8", false, false, place) }
        guard isOld || names.contains(where: { $0.contains("float8") }) else { return nil }
        let isRowwise = rule?.hasPrefix("rowwise") ?? isFlags
        return ("tensorwise", gathers, isRowwise, place)
    }
}
