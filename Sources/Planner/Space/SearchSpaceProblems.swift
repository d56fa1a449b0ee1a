internal import Costs
internal import Models
internal import Numbers
package import Plans
package import Reading
internal import Schedules

extension SearchSpace {
    /// The sentence that says why no layout of the plan can divide the vocabulary as is asked for; nil where one can.
    func whyUndivided(_ plan: Plan) -> String? {
        guard let way = vocabularyParallel.first else { return nil }
        if pipeline.fixed == 1 {
            return "\(way.rawValue) divides the vocabulary over a pipeline, and pipeline is fixed at 1"
        }
        if let schedules, !schedules.contains(where: \.dividesVocabulary) {
            return "\(way.rawValue) needs schedule \(ScheduleName.oneForwardOneBackward.rawValue), which is excluded"
        }
        var layout = base(for: plan)
        (layout.pipeline, layout.vocabularyParallel) = (2, way)
        let problems = layout.vocabularyProblems(plan.model) + plan.combinationProblems(layout)
        return problems.first.map { problem in
            let isOwn = problem.field == "layout.vocabularyParallel"
            return "\(way.rawValue)" + (isOwn ? " " : " is not tried: \(problem.field) ") + problem.rule
        }
    }

    /// A remark on a divided vocabulary that is tried although the plan's software lacks it.
    package func vocabularyRemark(_ plan: Plan) -> Remark? {
        let framework = plan.framework(for: nil)
        guard let way = vocabularyParallel.first, !anySoftware, !framework.abilities.vocabularyParallel else {
            return nil
        }
        let name = framework.name + (plan.frameworks.named == nil ? ", which is assumed," : "")
        return Remark(
            .softwareLacks,
            "\(name) does not divide the vocabulary over a pipeline (\(way.rawValue)); it is priced all the same")
    }

    /// The sentence that says which constraints exclude one another on any number of devices; nil where none do.
    package func contradiction(_ plan: Plan) -> String? {
        if let fixed = tensor.fixed, let most = tensor.most, fixed > most {
            return "tensor \(fixed) contradicts a largest tensor degree of \(most)"
        }
        if let microbatch = microbatch.fixed, microbatch > plan.batch {
            return
                "a micro-batch of \(Figures.grouped(microbatch)) sequences is more than the batch of \(Figures.grouped(plan.batch))"
        }
        if let rule = whyUndivided(plan) { return rule }
        let model = plan.model
        if model.mixtures.isEmpty, (expert.fixed ?? 1) > 1 || (expertTensor.fixed ?? 1) > 1 {
            return "expert parallelism needs a model with experts; this one is dense"
        }
        if tensor.fixed == 1, sequenceParallel == [true] {
            return "sequence parallelism splits what tensor parallelism leaves whole: it needs tensor above 1"
        }
        if recomputeLayers.fixed != nil, !recompute.contains(.full) {
            return "a number of recomputed layers needs full recomputation, which is excluded"
        }
        if !base.recomputeModules.isEmpty {
            guard recompute.contains(.selective) else {
                return "recomputed modules need selective recomputation, which is excluded"
            }
            let known = ModelParts(model).blocks.reduce(into: RecomputeModules()) { $0.formUnion($1.modules) }
            if let lacking = base.recomputeModules.names.first(where: { !known.has($0) }) {
                return "\(lacking.rawValue) cannot be recomputed: the model has no \(lacking.subject)"
            }
            var layout = base(for: plan)
            layout.recompute = .selective
            let combinations = plan.combinationProblems(layout)
            if let problem = combinations.first(where: { $0.field == "layout.recomputeModules" }) {
                return "recomputeModules \(problem.value): \(problem.rule)"
            }
        }
        if let schedule = schedules?.first, schedules?.count == 1 {
            if pipeline.fixed == 1, schedule != .oneForwardOneBackward {
                return "schedule \(schedule.rawValue) orders a pipeline, and pipeline is fixed at 1"
            }
            if let stages = virtualStages.fixed, let own = schedule.fixedVirtualStages, stages != own {
                return "schedule \(schedule.rawValue) runs \(own) stages a rank, not \(stages)"
            }
        }
        if pipeline.fixed == 1, let stages = virtualStages.fixed, stages > 1 {
            return "\(stages) virtual stages need a pipeline above 1"
        }
        return nil
    }

    /// The sentence that says why the space has no layout.
    func whyEmpty(_ plan: Plan, rejected: Int) -> String {
        let model = plan.model
        let named: [(String, Int?)] = [
            ("tensor", tensor.fixed), ("context", context.fixed), ("pipeline", pipeline.fixed), ("data", data.fixed),
        ]
        let given = named.compactMap { name, value in value.map { "\(name) \(Figures.grouped($0))" } }
        // A product beyond 64 bits is more devices than any machine has.
        let product = fixedDevices
        if product == .max { return "\(given.joined(separator: " · ")) take more devices than any machine has" }
        if !given.isEmpty, plan.devices % product != 0 {
            return
                "\(given.joined(separator: " · ")) = \(Figures.grouped(product)) does not divide \(Figures.grouped(plan.devices)) devices"
        }
        if fixesDevices, product != plan.devices {
            return
                "\(given.joined(separator: " · ")) takes \(Figures.grouped(product)) devices, the plan has \(Figures.grouped(plan.devices))"
        }
        if let groups = plan.cluster.groups {
            let meshes = meshes(plan)
            if !meshes.isEmpty, !meshes.contains(where: { StageGroups(groups, $0) != nil }) {
                let devices = groups.list.map { Figures.grouped($0.devices) }.joined(separator: ", ")
                return
                    "no split that is asked for fills the groups of the cluster: tensor · context · data must divide the "
                    + "devices of every group, \(devices)"
            }
        }
        if let tensor = tensor.fixed {
            let words = ["kvHeads": "heads of keys", "ffn": "feed-forward size"]
            for (name, value) in model.widthsCutByTensor
            where value % tensor != 0 && !(name == "kvHeads" && model.dividesKeyHeads(tensor)) {
                return "tensor \(tensor) does not divide the model's \(words[name] ?? name), \(Figures.grouped(value))"
            }
        }
        if let pipeline = pipeline.fixed, pipeline > model.layers {
            return "pipeline \(pipeline) needs as many layers, the model has \(model.layers)"
        }
        if let data = data.fixed, plan.batch % data != 0 {
            return "data \(data) does not divide the batch of \(Figures.grouped(plan.batch))"
        }
        if let microbatch = microbatch.fixed, plan.batch % microbatch != 0 {
            return
                "a micro-batch of \(Figures.grouped(microbatch)) does not divide the batch of \(Figures.grouped(plan.batch))"
        }
        if let expert = expert.fixed, let moe = model.mixtures.first(where: { $0.experts % expert != 0 }) {
            return "expert \(expert) does not divide the model's \(moe.experts) experts"
        }
        let names = triedSchedules(plan).map(\.rawValue).joined(separator: ", ")
        if rejected > 0 { return "no way to run the pipelines obeys the rules of \(names)" }
        var wider = self
        wider.anySoftware = true
        if !anySoftware, wider.hasLayout(plan) {
            return
                "\(plan.framework(for: nil).name) runs no split of \(Figures.grouped(plan.devices)) devices that is asked for; "
                + "--any-software tries those of others"
        }
        return
            "no split of \(Figures.grouped(plan.devices)) devices obeys the rules: data-parallel ranks must divide the batch of "
            + "\(Figures.grouped(plan.batch)), tensor-parallel ones the \(model.heads) heads (\(model.kvHeads) of keys), and the pipeline "
            + "can have at most \(model.layers) stages"
    }

    /// Whether any mesh of the space has a legal pipeline.
    private func hasLayout(_ plan: Plan) -> Bool {
        let candidates = candidates(plan)
        return !candidates.isEmpty && !table(plan, candidates: candidates).entriesBySize.values.allSatisfy(\.isEmpty)
    }
}
