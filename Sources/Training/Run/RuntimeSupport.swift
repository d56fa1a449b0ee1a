internal import Models
package import Plans
internal import Schedules

/// The plans that the runtime can run. They are checked before anything is allocated.
package enum RuntimeSupport {
    /// - Throws: the first reason that `processes` processes cannot run the plan.
    package static func check(plan: Plan, layout: Layout, processes: Int) throws(TrainingError) {
        let model = plan.model
        try check(model: model)
        guard plan.precision == .fp32 || plan.precision == .bf16 else {
            throw refuse("precision", plan.precision.rawValue, "the runtime computes in fp32 or bf16")
        }
        try check(plan.optimizer, layout)
        guard plan.loss.kind == .standard else {
            throw refuse("loss", plan.loss.kind.rawValue, "the runtime keeps the logits of a micro-batch")
        }
        if let problem = MaximalUpdate.problem(plan) { throw .layout(problem) }
        try check(tuning: plan, layout)
        if let checkpoint = plan.train?.checkpoint, checkpoint.every == nil, plan.meanTimeBetweenFailures == nil {
            throw refuse(
                "train.checkpoint.every", "auto",
                "the interval follows from failures, and the cluster states none: give cluster.meanTimeBetweenFailures, "
                    + "or a number of steps")
        }
        if let problem = layout.problemsOfARun(model, batch: plan.batch).first {
            throw .layout(problem)
        }
        guard processes == layout.devices else {
            throw .processCount(
                actual: processes, needed: layout.devices,
                layout: degrees(layout))
        }
    }

    /// - Throws: the first setting of the optimizer that the runtime does not have.
    private static func check(_ optimizer: Optimizer, _ layout: Layout) throws(TrainingError) {
        guard optimizer.name != .adafactor else {
            throw refuse("optimizer.name", "adafactor", "the runtime has adamw, muon, lion and sgd")
        }
        let half = Optimizer.Moment.bf16
        let isOfAdamW = optimizer.name == .adamw && optimizer.firstMoment == half && optimizer.secondMoment == half
        let moments =
            (optimizer.keepsFirst ? [optimizer.firstMoment] : [])
            + (optimizer.keepsSecond ? [optimizer.secondMoment] : [])
        if let odd = moments.first(where: { $0 != .fp32 }), !isOfAdamW {
            throw refuse(
                "optimizer.moments", odd.rawValue, "the runtime keeps fp32 moments, and with adamw both in bf16")
        }
        guard optimizer.master == .fp32 else {
            throw refuse("optimizer.master", optimizer.master.rawValue, "the runtime keeps its weights in fp32")
        }
        guard optimizer.name == .muon else { return }
        if layout.sharding != .none {
            throw refuse(
                "layout.sharding", layout.sharding.rawValue, "the runtime steps muon's matrices whole on every rank")
        }
        if optimizer.tensorMode != .duplicated, layout.tensor > 1 {
            throw refuse(
                "optimizer.tensorMode", optimizer.tensorMode.rawValue, "the runtime gathers matrices: duplicated")
        }
    }

    private static func refuse(_ field: String, _ value: String, _ reason: String) -> TrainingError {
        .unsupported(field: field, value: value, reason: reason)
    }

    /// Keys of features that the runtime has, or refuses with words of their own.
    private static let runnable = [
        "moe", "mla", "window", "qkNorm", "biases", "positionEntries", "normEpsilon", "rotaryBase", "rotaryScaling",
    ]

    /// - Throws: the first part of what is trained, or of how batches are made up, that the runtime does not have.
    static func check(tuning plan: Plan, _ layout: Layout) throws(TrainingError) {
        let model = plan.model
        if model.tuning?.quantized != nil {
            throw refuse("quantized", "nf4", "the runtime keeps weights in fp32")
        }
        if let lora = model.tuning?.lora {
            if let fused = lora.targetModules.first(where: { $0.hasPrefix("linear_") }) {
                throw refuse(
                    "lora.targetModules", fused,
                    "the runtime's adapters stand beside one matrix each: name the matrices")
            }
            let besideExperts = lora.targetModules.first { target in
                model.adaptableModules.contains { $0.hasPrefix("mlp.experts.") && LoRA.names(target, $0) }
            }
            if let besideExperts {
                throw refuse(
                    "lora.targetModules", besideExperts,
                    "the runtime has no adapters beside experts: name the matrices of attention, such as q_proj")
            }
        }
        if plan.train?.documentRule(isPacked: model.documents != nil) == .packed {
            guard plan.train?.endOfDocument != nil || plan.train?.tokenizer != "bytes" else {
                throw refuse(
                    model.documents == nil ? "train.documents" : "packing",
                    model.documents == nil ? "packed" : "(given)",
                    "a real run finds documents by the token that ends them: give "
                        + (model.documents == nil ? "train.endOfDocument" : "packing.endOfDocument"))
            }
            if layout.context > 1 {
                throw refuse("layout.context", "\(layout.context)", "rings pass whole pieces of keys, not documents")
            }
        }
        if plan.padding > 0 {
            throw refuse("padding", "\(plan.padding)", "the runtime's sequences are full")
        }
        if let rampup = plan.rampup {
            throw refuse("rampupBatchSize", "\(rampup.start)", "the runtime's batch is the same at every step")
        }
    }

    /// - Throws: the first part of the model that the runtime does not have.
    static func check(model: Model) throws(TrainingError) {
        let conventions = model.conventions
        if !model.kinds.isEmpty {
            throw refuse(
                "model.kinds", "(given)", "the blocks of a real run are of one kind, or with experts and without")
        }
        let stated =
            Model.features.map { ($0.key, $0.lines(of: model)) }
            + BlockShape.features.map { ($0.key, $0.lines(of: model.block)) }
        if let (key, lines) = stated.first(where: { !$0.1.isEmpty && !runnable.contains($0.0) }) {
            let value = lines[0].split(separator: " ", maxSplits: 1).dropFirst().first.map(String.init)
            throw refuse("model.\(key)", value ?? "(given)", "the runtime has none of it")
        }
        if model.block.qkNorm != .none, model.block.qkNorm != .head {
            throw refuse(
                "model.qkNorm", model.block.qkNorm.rawValue, "the runtime's norms of heads share their weights: head")
        }
        if let moe = model.moe, let feature = Model.Mixture.features.first(where: { !$0.lines(of: moe).isEmpty }) {
            throw refuse("model.moe.\(feature.key)", "(given)", "the runtime has none of it")
        }
        guard model.mla == nil else {
            throw refuse("model.mla", "(given)", "the runtime has no latent attention")
        }
        guard model.moe == nil || !conventions.joinsProjections else {
            throw refuse("model.moe", "(given)", "the runtime has experts in llama blocks alone")
        }
        if let limit = model.moe?.nodeLimit {
            throw refuse("model.moe.nodeLimit", "\(limit)", "the runtime's router chooses among all experts")
        }
        if let rule = mlpProblem(model) { throw refuse("model.mlp", model.mlp.rawValue, rule) }
        guard !conventions.joinsProjections || model.kvHeads == model.heads else {
            throw refuse(
                "model.kvHeads", "\(model.kvHeads)",
                "gpt blocks have as many key heads as heads; llama's may share them")
        }
        try checkEnds(model)
        guard !conventions.isRotary || model.headSize % 2 == 0 else {
            throw refuse("model.headSize", "\(model.headSize)", "rotary positions turn pairs: it must be even")
        }
    }

    /// - Throws: biases, positions or their scaling that the runtime does not have.
    private static func checkEnds(_ model: Model) throws(TrainingError) {
        let conventions = model.conventions
        let fit: [Set<Bias>] = conventions.joinsProjections ? [Bias.ofGPT] : [[], [.attentionInput]]
        guard fit.contains(conventions.biases) else {
            throw refuse(
                "model.biases", "[\(conventions.biases.sorted().map(\.rawValue).joined(separator: ", "))]",
                conventions.joinsProjections
                    ? "the runtime's gpt blocks have all biases"
                    : "the runtime's llama blocks have biases of attentionInput, or none")
        }
        if let entries = model.positionEntries, conventions.positions == .learned, entries < model.sequence {
            throw refuse(
                "model.positionEntries", "\(entries)", "every token of a sequence of \(model.sequence) needs an entry")
        }
        if let scaling = model.rotaryScaling, [.dynamic, .longrope].contains(scaling.kind) {
            throw refuse(
                "model.rotaryScaling.kind", scaling.kind.rawValue, "the runtime scales by linear, llama3 and yarn")
        }
    }

    /// The reason that a family's blocks cannot have the model's feed-forward; nil where they can.
    private static func mlpProblem(_ model: Model) -> String? {
        if Activation(model.mlp) == nil { return "the runtime has no \(model.mlp.rawValue)" }
        return switch (model.conventions.joinsProjections, model.mlp.isGated) {
        case (true, true): "the runtime's gpt blocks take gelu, relu or squaredRelu"
        case (false, false): "the runtime's llama blocks take swiglu or geglu"
        case (true, false), (false, true): nil
        }
    }

    /// The degrees whose product is the number of processes.
    private static func degrees(_ layout: Layout) -> String {
        let rare = [("tensor", layout.tensor), ("context", layout.context)].filter { $0.1 > 1 }
        return ([("pipeline", layout.pipeline), ("data", layout.data)] + rare).map { "\($0.0) \($0.1)" }
            .joined(separator: " × ")
    }
}
