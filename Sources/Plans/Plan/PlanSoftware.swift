internal import Models
internal import Reading

/// The software's part in a plan: its division of the blocks, and remarks on what it lacks.
extension Plan {
    /// Fills in `layersPerStage` with the software's own division of the blocks if the layout states none and it is not
    /// the balanced one. A division that is heavier than the balanced one by more than a
    /// block is not used, since no run would use it: the balanced one is priced, and `obstacles` says that the software
    /// lacks it.
    mutating func divideStages() {
        guard var layout, openSchedule == nil, layout.layersPerStage == nil, layout.pipeline > 1,
            // More stages than blocks divide nothing, whatever the rules will say of them.
            layout.stages <= model.layers
        else { return }
        let sizes = framework(for: layout).abilities.usualStages(layout, model: model)
        let balanced = StagePartition(layout, model: model).sizes
        guard let sizes, sizes != balanced, (sizes.max() ?? 0) <= (balanced.max() ?? 0) + 1 else { return }
        layout.layersPerStage = sizes
        self.layout = layout
    }

    /// Another layout as the plan would be read with it: its stages divided as the software does, where the plan does not say
    /// how. nil if the software runs less of it than of the plan's own.
    /// - Parameters:
    ///   - own: the plan's layout as it is priced on its own software.
    ///   - isSearched: whether a search found that layout.
    package func reading(_ other: Layout, insteadOf own: Layout, isSearched: Bool = false) -> Layout? {
        var plan = self
        plan.layout = other
        // A search divides the blocks as its software does; groups of unlike devices are divided by their speed.
        let isOpen = isSearched ? cluster.groups == nil : openDefaults.contains(.layersPerStage)
        if isOpen, other.layersPerStage == own.layersPerStage { plan.layout?.layersPerStage = nil }
        plan.divideStages()
        return plan.obstacles.count <= obstacles.count ? plan.layout : nil
    }

    /// A remark on norms that are to be recomputed by themselves, if the software has only norms inside products.
    var idleModules: [Remark] {
        guard let layout, layout.modulesAgain.contains(.norms) else { return [] }
        let framework = framework(for: layout)
        guard framework.fusesNorms, !ModelParts(model).blocks.contains(where: { $0.modules.contains(.norms) }) else {
            return []
        }
        return [
            Remark(
                .keyUnused,
                "recomputeModules layernorm frees nothing on \(framework.name): every norm of the model runs inside the "
                    + "product that reads it")
        ]
    }

    /// Parts of the stated layout that its software cannot run, one sentence each.
    var obstacles: [Remark] {
        guard var layout else {
            let framework = framework(for: nil)
            let found =
                framework.abilities.obstacles(to: optimizer, loss: loss, recipe: recipe, name: framework.name)
                + framework.abilities.obstacles(to: offload, name: framework.name)
                + framework.abilities.obstacles(stepping: optimizer, of: offload, name: framework.name)
            return found.map { Remark(.softwareLacks, "\($0); it is priced all the same") }
        }
        let framework = framework(for: layout)
        // With an open schedule, the planner chooses among the software's schedules.
        if openSchedule != nil { layout.schedule = framework.abilities.schedules.first ?? layout.schedule }
        let name = framework.name + (frameworks.named == nil ? ", which is assumed," : "")
        let found =
            framework.abilities.obstacles(to: layout, model: model, name: name)
            + framework.abilities.obstacles(to: optimizer, loss: loss, recipe: recipe, name: name)
            + framework.abilities.obstacles(stepping: optimizer, of: layout.offload, name: name)
        return found.map { Remark(.softwareLacks, "\($0); it is priced all the same") }
    }
}
