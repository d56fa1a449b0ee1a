internal import Models
internal import Plans

/// Precision, optimizer, batch and run as arguments.
extension MegatronExport {
    static func addPrecision(_ plan: Plan, to list: inout List) {
        switch plan.precision {
        case .fp32: return
        case .fp16: list.add("--fp16")
        case .bf16, .fp8, .mxfp8, .nvfp4: list.add("--bf16")
        }
        guard plan.precision != .fp16, plan.precision != .bf16 else { return }
        let recipe = plan.recipe ?? Recipe(.delayed)
        switch recipe.scaling {
        case .nvfp4:
            list.add("--fp4-format", "e2m1")
            list.add("--fp4-recipe", "nvfp4")
            list.add("--fp4-param-gather", if: recipe.parameterGather)
        case .delayed, .tensorwise, .blockwise, .mxfp8:
            list.add("--fp8-format", recipe.scaling == .blockwise || recipe.scaling == .mxfp8 ? "e4m3" : "hybrid")
            list.add("--fp8-recipe", recipe.scaling.rawValue)
            list.add("--fp8-param-gather", if: recipe.parameterGather)
        }
        if recipe.keepsBlocks {
            list.add("--first-last-layers-bf16")
            list.add("--num-layers-at-start-in-bf16", recipe.bf16LayersAtStart)
            list.add("--num-layers-at-end-in-bf16", recipe.bf16LayersAtEnd)
        }
    }

    /// Whether a run needs the optimizer that keeps its state in stated formats.
    static func isPrecisionAware(_ plan: Plan) -> Bool {
        let optimizer = plan.optimizer
        return plan.layout?.offload?.optimizer ?? 0 > 0 || optimizer.master == .fp16 || optimizer.master == .remainders
            || (optimizer.keepsFirst && optimizer.firstMoment != .fp32)
            || (optimizer.keepsSecond && optimizer.secondMoment != .fp32)
    }

    static func addOptimizer(_ plan: Plan, _ layout: Layout, to list: inout List) {
        let optimizer = plan.optimizer
        switch optimizer.name {
        case .adamw, .adafactor: list.add("--optimizer", "adam")
        case .sgd:
            list.add("--optimizer", "sgd")
            if !optimizer.momentum { list.add("--sgd-momentum", "0.0") }
        case .lion: list.add("--optimizer", "lion")
        case .muon:
            list.add("--optimizer", "muon")
            list.add("--muon-num-ns-steps", optimizer.newtonSchulzSteps)
            list.add("--muon-tp-mode", optimizer.tensorMode.rawValue)
        }
        let share = layout.offload?.optimizer ?? 0
        if isPrecisionAware(plan) {
            list.add("--use-precision-aware-optimizer")
            list.add("--exp-avg-dtype", optimizer.firstMoment.rawValue)
            list.add("--exp-avg-sq-dtype", optimizer.secondMoment.rawValue)
            list.add("--main-params-dtype", optimizer.master == .fp16 ? "fp16" : "fp32")
        }
        if share > 0 {
            list.add("--optimizer-cpu-offload")
            list.add("--optimizer-offload-fraction", share)
            list.add("--overlap-cpu-optimizer-d2h-h2d", if: layout.offload?.overlap ?? true)
        }
        let gradients = layout.gradients
        if gradients == .bf16 { list.add("--grad-reduce-in-bf16") }
        if plan.precision == .fp16, gradients == .fp32 { list.add("--accumulate-allreduce-grads-in-fp32") }
    }

    static func addBatch(_ plan: Plan, _ layout: Layout, to list: inout List) {
        list.add("--micro-batch-size", layout.microbatch)
        if let growth = plan.rampup, let schedule = BatchSchedule(growth, to: plan.batch) {
            list.add("--step-batch-size-schedule", schedule.text(sequence: plan.model.sequence))
        } else {
            list.add("--global-batch-size", plan.batch)
        }
    }

    /// Arguments without which no run starts, as a plan with `train:` takes them if it says nothing else.
    /// - Parameter stated: arguments that the plan gives.
    static func usualTraining(beside stated: [Argument]) -> [Argument] {
        let usual = TrainSettings(data: "", steps: 1, minLearningRate: 3e-5)
        let flags = Set(stated.map(\.flag))
        return [
            ("--lr", "\(usual.learningRate)"), ("--min-lr", "\(usual.minLearningRate)"),
            ("--lr-decay-style", usual.schedule.rawValue), ("--weight-decay", "\(usual.weightDecay)"),
            ("--clip-grad", "\(usual.clip ?? 0)"),
        ].filter { !flags.contains($0.0) }.map { Argument(flag: $0.0, values: [$0.1]) }
    }

    static func addRun(_ plan: Plan, _ context: ExportContext, to list: inout List) {
        if let train = plan.train {
            list.add("--train-iters", train.steps)
        } else if let tokens = plan.tokens {
            let sequences = tokens / max(1, plan.tokensPerStep) * Double(plan.batch)
            list.add("--train-samples", Int(exactly: sequences.rounded(.up)) ?? Int.max)
        } else {
            list.add("--train-iters", 100)
        }
        addHyperparameters(plan, countsSamples: plan.train == nil && plan.tokens != nil, to: &list)
        list.add("--mock-data")
        if let every = context.saveEvery {
            // Without a checkpoint in the folder a run starts at its first step, else it goes on from the newest.
            list.add("--save", "checkpoints")
            list.add("--load", "checkpoints")
            list.add("--save-interval", every)
        }
    }

    /// - Parameter countsSamples: whether the length of the run is in sequences; so is its warm-up then.
    private static func addHyperparameters(_ plan: Plan, countsSamples: Bool, to list: inout List) {
        let own = plan.training
        func add(_ flag: String, _ value: (any CustomStringConvertible)?) {
            if let value { list.add(flag, value) }
        }
        add("--lr", own.learningRate)
        add("--min-lr", own.minLearningRate)
        if countsSamples {
            let schedule = plan.rampup.flatMap { BatchSchedule($0, to: plan.batch) }
            add(
                "--lr-warmup-samples",
                own.warmup.flatMap { steps in
                    if let schedule { return schedule.sequences(of: steps) }
                    let (sequences, overflow) = steps.multipliedReportingOverflow(by: plan.batch)
                    return overflow ? nil : sequences
                })
        } else {
            add("--lr-warmup-iters", own.warmup)
        }
        add("--lr-decay-style", own.schedule?.rawValue)
        if plan.optimizer.name == .adamw || plan.optimizer.name == .lion {
            add("--adam-beta1", own.betas?.first)
            add("--adam-beta2", own.betas?.last)
            add("--adam-eps", own.epsilon)
        }
        if plan.train == nil, plan.optimizer.name == .sgd, plan.optimizer.momentum {
            add("--sgd-momentum", own.momentum)
        }
        if plan.train == nil, plan.optimizer.name == .muon { add("--muon-momentum", own.momentum) }
        add("--weight-decay", own.weightDecay)
        add("--clip-grad", own.clip)
        add("--seed", own.seed)
        guard plan.model.conventions.positions == .rotary || plan.model.mla != nil else { return }
        // Megatron-LM's argument is a whole number.
        add("--rotary-base", own.rotaryBase.map { Int(exactly: $0.rounded()).map(String.init) ?? "\($0)" })
    }
}
