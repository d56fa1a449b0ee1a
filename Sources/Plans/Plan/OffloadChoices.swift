internal import Models
internal import Reading

extension Plan {
    /// Problems of the host that what a layout offloads, or every layout of an open plan, is to lie in.
    func hostProblems(_ layout: Layout?) -> [PlanProblem] {
        let stated = offloaded(layout)
        // A real run refuses it for another reason.
        guard stated.offload != nil || offloadsIfNeeded, train == nil else { return [] }
        let value = stated.offload?.yaml ?? "auto"
        guard let bare = cluster.kinds.first(where: { $0.host == nil }) else { return [] }
        return [
            PlanProblem(
                field: stated.field, value: value,
                rule: "needs a link from the devices to their host, and the cluster \(bare.name) states none",
                fix: "add host: {memory: 2 TiB, bandwidth: 614 GB/s, link: 64 GB/s} to the cluster")
        ]
    }

    /// The parts that a layout offloads, or every layout of an open plan, and the key that states them.
    private func offloaded(_ layout: Layout?) -> (field: String, offload: Layout.Offload?) {
        (
            layout?.offload == nil ? "offload" : "layout.offload",
            layout?.offload ?? (layout == nil ? self.offload : nil)
        )
    }

    /// Problems of what a layout offloads, or every layout of an open plan, with the rest of the plan.
    func offloadProblems(_ layout: Layout?) -> [PlanProblem] {
        let (place, offload) = offloaded(layout)
        guard let offload else { return [] }
        var problems: [PlanProblem] = []
        func refuse(_ key: String?, _ value: String, _ rule: String, _ fix: String) {
            problems.append(
                PlanProblem(field: place + (key.map { ".\($0)" } ?? ""), value: value, rule: rule, fix: fix))
        }
        if layout?.vocabularyParallel != nil {
            refuse(
                nil, offload.yaml, "is not priced together with layout.vocabularyParallel", "remove one of the two")
        }
        if offload.optimizer > 0 {
            let value = offload.optimizer == 1 ? "true" : "\(offload.optimizer)"
            for rule in optimizer.rulesOnHost {
                refuse("optimizer", value, rule.rule, rule.fix)
            }
        }
        if offload.parameters {
            if let recipe {
                refuse(
                    "parameters", "true", "is not priced together with the recipe \(recipe.scaling.rawValue)",
                    "use bf16, or fp8 without a recipe")
            }
            if let tuning = model.tuning {
                refuse("parameters", "true", "is not priced together with \(tuning.key)", "remove it")
            }
        }
        if offload.activations != .none, recipe?.keepsBlocks == true {
            refuse(
                "activations", "true", "is not priced together with blocks that a recipe leaves in bf16",
                "remove \(recipe?.keyOfBlocks.field ?? "them")")
        }
        if layout == nil, case .first(let count) = offload.activations {
            refuse(
                "activations", "\(count)", "counts blocks of the stages of a stated layout",
                "use true for all blocks, or state the layout")
        }
        return problems
    }
}

extension Optimizer {
    /// Reasons why the optimizer cannot step on a host. Steps on processors exist of Adam, Lion and SGD with states in fp32
    /// or bf16 (DeepSpeed's CPUAdam and CPULion; torch.optim, which Megatron-LM's HybridDeviceOptimizer takes).
    fileprivate var rulesOnHost: [(rule: String, fix: String)] {
        guard [.adamw, .lion, .sgd].contains(name) else {
            return [("\(name.rawValue) has no step on a host", "use adamw, lion or sgd")]
        }
        var rules: [(String, String)] = []
        let kept = (keepsFirst ? [firstMoment] : []) + (keepsSecond ? [secondMoment] : [])
        if let odd = kept.first(where: { $0 != .fp32 && $0 != .bf16 }) {
            rules.append(("moments in \(odd.rawValue) have no step on a host", "use fp32 or bf16"))
        }
        if master == .fp16 || master == .remainders {
            rules.append(("master weights as \(master.rawValue) have no step on a host", "use fp32 or none"))
        }
        return rules
    }
}

extension Plan {
    /// The plan with what a search offloads in turn until some layout fits: first nothing, then each of `offloadSteps`.
    package func offloading(anySoftware: Bool) -> [Plan] {
        ([nil] + offloadSteps(anySoftware: anySoftware).map(Optional.some)).map { step in
            var plan = self
            (plan.offload, plan.offloadsIfNeeded) = (step, false)
            return plan
        }
    }

    /// The parts that a search offloads in turn, until some layout fits (`offload: auto`): the cheapest first. Only those that the plan's
    /// software has and what is priced with the plan's other choices.
    /// - Parameters:
    ///   - anySoftware: whether the abilities of the software do not matter.
    ///   - layout: the layout that is to offload; nil: those of a search.
    package func offloadSteps(anySoftware: Bool, for layout: Layout? = nil) -> [Layout.Offload] {
        let software = framework(for: layout)
        let steps = [
            Layout.Offload(optimizer: 1), Layout.Offload(activations: .all),
            Layout.Offload(optimizer: 1, activations: .all),
            Layout.Offload(optimizer: 1, gradients: true, parameters: true),
            Layout.Offload(optimizer: 1, gradients: true, parameters: true, activations: .all),
        ]
        // A search tries pipelines and recomputation with everything.
        let isPlain = layout.map { $0.pipeline == 1 && $0.recompute == .none } ?? false
        let isAlone = !anySoftware && software.abilities.offloadsActivationsAlone && !isPlain
        return steps.filter { step in
            guard !isAlone || step.activations == .none else { return false }
            let abilities = software.abilities
            guard
                anySoftware
                    || (abilities.obstacles(to: step, name: software.name)
                        + abilities.obstacles(stepping: optimizer, of: step, name: software.name)).isEmpty
            else { return false }
            var (plan, tried) = (self, layout)
            tried?.offload = step
            (plan.layout, plan.offload, plan.offloadsIfNeeded) = (nil, step, false)
            return (plan.hostProblems(tried) + plan.offloadProblems(tried)).isEmpty
        }
    }
}
