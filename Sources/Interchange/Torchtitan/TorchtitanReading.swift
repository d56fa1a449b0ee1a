internal import Reading

/// The reading of the settings of one run of torchtitan. Names of older releases stand beside today's.
struct TorchtitanReading {
    let reader: SettingsReader
    let isFlags: Bool
    /// Devices of the run; nil: not known.
    let devices: Int?
    /// Blocks of the model; nil: not known.
    let layers: Int?
    var hasExperts = false
    /// Blocks of every stage, if a module beside the flags states them.
    var stages: [Int]?
    /// Why the devices are not known, as a clause.
    var whyUnknown: String?

    /// Settings that say where data and logs are, or how the learning rate moves: no part of a plan.
    static let silent = [
        "job.dump_folder", "job.description", "job.print_args", "job.print_config", "job.use_for_integration_test",
        "job.config_file", "dump_folder", "model.name", "model.flavor", "model.tokenizer_path", "model.hf_assets_path",
        "model.norm_type", "hf_assets_path", "optimizer.lr", "optimizer.eps", "optimizer.weight_decay",
        "optimizer.beta1",
        "optimizer.beta2", "training.dataset", "training.dataset_path", "training.warmup_steps", "training.max_norm",
        "training.gc_freq", "training.seed", "training.deterministic", "training.compile",
        "training.disable_cuda_graphs",
        "training.mixed_precision_reduce", "checkpoint.enable", "checkpoint.enable_checkpoint", "checkpoint.folder",
        "checkpoint.interval", "checkpoint.interval_type", "checkpoint.async_mode", "checkpoint.export_dtype",
        "checkpoint.model_weights_only", "checkpoint.last_save_model_only", "checkpoint.last_save_model_weights_only",
        "checkpoint.keep_latest_k", "compile.enable", "compile.components", "lr_scheduler.warmup_steps",
        "lr_scheduler.decay_ratio", "lr_scheduler.decay_type", "lr_scheduler.min_lr_factor", "lr_scheduler.lr_min",
    ]

    /// The first of several names that the file has.
    func name(_ names: [String]) -> String { names.first(where: reader.has) ?? names[0] }

    func count(_ names: [String], in range: ClosedRange<Int> = 1...10_000_000) -> Int? {
        reader.expect(names)
        return reader.count(name(names), in: range)
    }

    func flag(_ names: [String]) -> Bool? {
        reader.expect(names)
        return reader.flag(name(names))
    }

    func place(_ names: [String]) -> Setting? { reader.place(name(names)) }

    private static func degree(_ key: String) -> [String] {
        ["parallelism", "training", "experimental"].map { "\($0).\(key)_degree" }
    }

    static let tensor = degree("tensor_parallel")
    static let pipeline = degree("pipeline_parallel")
    static let context = degree("context_parallel")
    static let replicas = degree("data_parallel_replicate")
    static let shards = degree("data_parallel_shard") + ["training.data_parallel_degree"]
    static let localBatch = ["training.local_batch_size", "training.batch_size"]

    mutating func read(into draft: inout PlanDraft) {
        let sequence = count(["training.seq_len"], in: 1...1_000_000_000)
        if let sequence {
            draft.set("model.sequence", .count(sequence), from: reader.place("training.seq_len"))
        } else if !reader.has("training.seq_len") {
            draft.infer("model.sequence", .count(2048), because: "torchtitan's default of training.seq_len")
        }
        let layout = readDegrees(into: &draft)
        readSharding(layout, into: &draft)
        readPipeline(layout, into: &draft)
        readExperts(layout, into: &draft)
        readRecomputation(into: &draft)
        readNumbers(into: &draft)
        readBatch(layout, sequence: sequence ?? 2048, into: &draft)
        readOverlap(layout, into: &draft)
        readHyperparameters(into: &draft)
    }

    private func readHyperparameters(into draft: inout PlanDraft) {
        draft.takeHyperparameters(
            reader,
            [
                ("learningRate", ["optimizer.lr"]), ("eps", ["optimizer.eps"]),
                ("weightDecay", ["optimizer.weight_decay"]), ("clip", ["training.max_norm"]),
                ("seed", ["training.seed", "debug.seed"]),
                ("warmup", ["lr_scheduler.warmup_steps", "training.warmup_steps"]),
            ])
        draft.takeBetas(reader, "optimizer.beta1", "optimizer.beta2", defaults: (0.9, 0.95))
        draft.takeSchedule(reader, "lr_scheduler.decay_type", ["linear": "linear", "cosine": "cosine"])
        for name in ["lr_scheduler.min_lr_factor", "lr_scheduler.lr_min"] {
            draft.takeMinimum(reader, share: name, of: draft.learningRate)
        }
    }

    /// The degrees of a run.
    struct Degrees {
        var tensor = 1
        var pipeline = 1
        var context = 1
        var replicas = 1
        var shards = 1
        /// Whether every degree is known and their product fits.
        var isKnown = true

        var data: Int { replicas.multipliedReportingOverflow(by: shards).partialValue }
    }

    private func readDegrees(into draft: inout PlanDraft) -> Degrees {
        var degrees = Degrees()
        func read(_ key: String, _ names: [String]) -> Int {
            guard let value = count(names) else { return 1 }
            if key == "tensor" || value > 1 { draft.set("layout.\(key)", .count(value), from: place(names)) }
            return value
        }
        degrees.tensor = read("tensor", Self.tensor)
        degrees.pipeline = read("pipeline", Self.pipeline)
        degrees.context = read("context", Self.context)
        degrees.replicas = count(Self.replicas) ?? 1
        let shards = count(Self.shards, in: -1...10_000_000) ?? -1
        let others = [degrees.tensor, degrees.pipeline, degrees.context, degrees.replicas].reduce(1) {
            $0.multipliedReportingOverflow(by: $1).overflow ? 1 << 40 : $0 &* $1
        }
        if shards == 0 { reader.fail(name(Self.shards), "must be -1, for all that remain, or at least 1") }
        if shards > 0 {
            degrees.shards = shards
            let (product, overflow) = others.multipliedReportingOverflow(by: shards)
            if let devices, overflow || product != devices {
                reader.misfit(
                    name(Self.shards),
                    "makes \(overflow ? "too many" : "\(product)") ranks together with the other degrees, and there are "
                        + "\(devices) devices", fix: "set it to -1, or change a degree")
                degrees.isKnown = false
            }
        } else if let devices {
            if devices % others == 0 {
                degrees.shards = devices / others
            } else {
                let culprit = [Self.tensor, Self.pipeline, Self.context, Self.replicas].first { (count($0) ?? 1) > 1 }
                reader.misfit(
                    name(culprit ?? Self.tensor),
                    "replicas \(degrees.replicas) · tensor \(degrees.tensor) · pipeline \(degrees.pipeline) · context "
                        + "\(degrees.context) ranks do not divide \(devices) devices",
                    fix: "change a degree, or say --devices")
                degrees.isKnown = false
            }
        } else {
            draft.note(
                "layout.data: \(degrees.replicas), one shard, since "
                    + (whyUnknown ?? "the file does not say how many devices there are") + "; say it with --devices")
        }
        let data = degrees.data
        if degrees.isKnown {
            draft.set(
                "layout.data", .count(max(1, data)), from: place(degrees.replicas > 1 ? Self.replicas : Self.shards))
        }
        return degrees
    }

    private func readSharding(_ degrees: Degrees, into draft: inout PlanDraft) {
        let policy: String =
            reader.choice(
                "parallelism.fsdp_reshard_after_forward",
                [("default", "default"), ("always", "always"), ("never", "never")]) ?? "default"
        let group = degrees.shards.multipliedReportingOverflow(by: degrees.context).partialValue
        guard group > 1 else {
            draft.set("layout.sharding", .word("none"), from: place(Self.shards))
            return
        }
        let frees = policy == "always" || policy == "default" && degrees.pipeline == 1
        draft.set(
            "layout.sharding", .word(frees ? "parameters" : "gradients"),
            from: reader.place("parallelism.fsdp_reshard_after_forward") ?? place(Self.shards))
        if degrees.replicas > 1 { draft.set("layout.shardGroup", .count(group), from: place(Self.shards)) }
    }

    private func readExperts(_ degrees: Degrees, into draft: inout PlanDraft) {
        let names = Self.degree("expert_parallel")
        let experts = count(names) ?? 1
        let cuts = count(Self.degree("expert_tensor_parallel")) ?? 1
        let backend = reader.word("parallelism.expert_parallel_comm_backend") ?? reader.word("dispatcher") ?? "standard"
        let placeOfBackend = reader.place("parallelism.expert_parallel_comm_backend") ?? reader.place("dispatcher")
        guard hasExperts else {
            if experts > 1 {
                reader.fail(name(names), "needs a model with experts", fix: "remove it, or change the flavour")
            }
            return
        }
        draft.set("layout.expert", .count(experts), from: place(names))
        // Without expert ranks torchtitan cuts every expert along its columns by the tensor ranks.
        draft.set(
            "layout.expertTensor", .count(experts == 1 ? degrees.tensor : cuts),
            from: place(Self.degree("expert_tensor_parallel")) ?? place(names))
        switch backend {
        case "standard": return
        case "deepep", "hybridep": draft.set("layout.dispatcher", .word(backend), from: placeOfBackend)
        default: draft.leave("dispatcher \(backend): no plan has it, so the all-to-all of the software is taken")
        }
    }

    private func readRecomputation(into draft: inout PlanDraft) {
        let isOld = !isFlags
        let key = isOld ? "activation_checkpoint.mode" : "activation_checkpoint"
        let mode: String? = reader.choice(
            key,
            [
                ("none", "none"), ("full", "full"), ("selective", "selective"), ("memory_budget", "memory-budget"),
                ("memory-budget", "memory-budget"),
            ])
        let origin = reader.place(key)
        let option = reader.word("activation_checkpoint.selective_ac_option")
        switch mode ?? (isOld ? "selective" : "none") {
        case "full": draft.set("layout.recompute", .word("full"), from: origin)
        case "memory-budget":
            draft.leave(
                "activation checkpointing by a memory budget: the compiler decides it, and a plan cannot say it")
        case "selective":
            let every = option.flatMap { Int($0) } ?? 2
            let place = reader.place("activation_checkpoint.selective_ac_option") ?? origin
            if !isOld || option == "op" {
                draft.set("layout.recompute", .word("selective"), from: place)
            } else if let option, Int(option).map({ $0 < 1 }) ?? true {
                reader.fail("activation_checkpoint.selective_ac_option", "must be 'op' or a number of blocks")
            } else {
                draft.set("layout.recompute", .word("full"), from: place)
                if every > 1 { draft.set("layout.recomputeEvery", .count(every), from: place) }
                if option == nil {
                    draft.note(
                        "layout.recomputeEvery: 2, torchtitan's default of activation_checkpoint.selective_ac_option")
                }
            }
        default: draft.set("layout.recompute", .word("none"), from: origin)
        }
    }

    private func readBatch(_ degrees: Degrees, sequence: Int, into draft: inout PlanDraft) {
        let local = count(Self.localBatch, in: 1...100_000_000) ?? 8
        if !Self.localBatch.contains(where: reader.has) {
            draft.note("layout.microbatch: follows from 8 sequences a data-parallel rank, torchtitan's default")
        }
        var micro = local
        if degrees.pipeline > 1 {
            let parts = count(["experimental.pipeline_parallel_microbatches"])
            micro =
                count(["parallelism.pipeline_parallel_microbatch_size"], in: 1...100_000_000)
                ?? parts.map { max(1, local / $0) } ?? 1
            if parts == nil, !reader.has("parallelism.pipeline_parallel_microbatch_size"),
                reader.has("experimental.pipeline_parallel_degree")
            {
                // Before there was a size, as many micro-batches as pipeline ranks were run.
                micro = max(1, local / degrees.pipeline)
            }
            draft.set(
                "layout.microbatch", .count(micro),
                from: reader.place("parallelism.pipeline_parallel_microbatch_size") ?? place(Self.localBatch))
        } else {
            draft.set("layout.microbatch", .count(micro), from: place(Self.localBatch))
        }
        let stated = reader.count("training.global_batch_size", in: -1...100_000_000).flatMap { $0 > 0 ? $0 : nil }
        let (product, overflow) = local.multipliedReportingOverflow(by: max(1, degrees.data))
        guard degrees.isKnown, !overflow else { return }
        let batch = stated ?? product
        draft.set(
            "batch", .count(batch),
            from: stated == nil ? place(Self.localBatch) : reader.place("training.global_batch_size"))
        if degrees.pipeline > 1, batch > product {
            draft.leave(
                "gradient accumulation around the pipeline: torchtitan runs it \(batch / max(1, product)) times a step with "
                    + "\(local) sequences, and a plan runs it once with all")
        }
        let steps = reader.count("training.steps", in: 1...Int(1e12))
        if let steps {
            draft.set(
                "tokens", .number(Double(steps) * Double(batch) * Double(sequence)),
                from: reader.place("training.steps"))
        } else if !reader.has("training.steps") {
            draft.infer(
                "tokens", .number(10_000 * Double(batch) * Double(sequence)),
                because: "torchtitan's default of training.steps, 10,000")
        }
    }

    private func readOverlap(_ degrees: Degrees, into draft: inout PlanDraft) {
        let names = ["parallelism", "experimental", "compile", "training"].map { "\($0).enable_async_tensor_parallel" }
        if flag(names) ?? false, degrees.tensor > 1 {
            draft.set("layout.overlap.tensor", .flag(true), from: place(names))
        }
        if degrees.tensor > 1 {
            let isSequence = reader.flag("parallelism.enable_sequence_parallel") ?? true
            draft.set(
                "layout.sequenceParallel", .flag(isSequence), from: reader.place("parallelism.enable_sequence_parallel")
            )
        } else {
            reader.expect(["parallelism.enable_sequence_parallel"])
        }
        let rotation = ["parallelism", "experimental"].map { "\($0).context_parallel_rotate_method" }
        reader.expect(rotation)
        if degrees.context > 1 {
            // Today's attention gathers keys and values; before, an all-to-all passed them around a ring.
            let isRing = reader.word(name(rotation)) == "alltoall"
            draft.set("layout.contextExchange", .word(isRing ? "ring" : "gather"), from: place(rotation))
        }
        if flag(["training.enable_cpu_offload", "experimental.enable_cpu_offload"]) ?? false {
            guard degrees.shards > 1 || degrees.context > 1 else {
                return draft.leave("enable_cpu_offload: torchtitan offloads what FSDP shards, and nothing is sharded")
            }
            let place = place(["training.enable_cpu_offload", "experimental.enable_cpu_offload"])
            for key in ["optimizer", "gradients", "parameters"] {
                draft.set("layout.offload.\(key)", .flag(true), from: place)
            }
        }
    }
}
