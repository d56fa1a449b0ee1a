package import Costs
internal import Models
internal import Numbers
package import Plans
package import Schedules

/// The layouts that a search tries: every combination of the degrees that divide what they must, within limits and with
/// the fields that the user has fixed.
package struct SearchSpace: Hashable, Sendable {
    /// The fields that no search chooses, the same in every layout: flash attention, overlap, the gradients' format.
    package var base = Layout()
    /// The tensor degree. Where it is open and without a limit, the search stays within the innermost network, whose
    /// fast links tensor parallelism needs.
    package var tensor = CountChoice()
    package var pipeline = CountChoice()
    package var context = CountChoice()
    package var data = CountChoice()
    package var expert = CountChoice()
    package var expertTensor = CountChoice()
    /// Sequences of a micro-batch.
    package var microbatch = CountChoice(most: 16)
    /// Stages of a pipeline rank, for schedules that leave the number open.
    package var virtualStages = CountChoice(most: 16)
    /// Blocks of a stage that are recomputed. Where open, all of them are, and with `partialRecompute` shares of them
    /// too.
    package var recomputeLayers = CountChoice()
    /// The schedules that are tried; nil: those that the plan's software has.
    package var schedules: [ScheduleName]?
    /// Whether layouts that the plan's software cannot run are tried too. They are priced on that software.
    package var anySoftware = false
    package var recompute = Layout.Recompute.allCases
    /// Whether recomputing a quarter, half and three quarters of a stage's blocks is tried too.
    package var partialRecompute = true
    package var sharding = Layout.Sharding.allCases
    /// Whether parameters sharded within the innermost network and replicated across the others are tried (HSDP).
    package var hybridSharding = true
    /// Whether parameters sharded over all data-parallel ranks are tried.
    package var wholeSharding = true
    package var sequenceParallel = [false, true]
    /// Exchanges among context ranks that are tried, of those that the software has.
    package var contextExchanges = Layout.ContextExchange.allCases
    /// Ways to divide the vocabulary over the ranks of a pipeline that are tried for the layouts that are timed; none unless
    /// asked for.
    package var vocabularyParallel: [VocabularyParallel] = []
    /// Fewest tokens of a sequence on one context-parallel rank.
    package var fewestContextTokens = 512

    package init() {}

    /// Schedules whose time has a closed form that the simulator confirms.
    package static let lawfulSchedules = ScheduleName.allCases.filter { $0.makespanSource == .law }

    /// The abilities of the plan's software, which limit the layouts; all abilities with `anySoftware`.
    package func abilities(_ plan: Plan) -> Framework.Abilities {
        anySoftware ? Framework.Abilities() : plan.framework(for: nil).abilities
    }

    /// The schedules that are tried for `plan`.
    package func triedSchedules(_ plan: Plan) -> [ScheduleName] { triedSchedules(plan, on: plan.framework(for: nil)) }

    /// The schedules that are tried for `plan` on `framework`.
    func triedSchedules(_ plan: Plan, on framework: Framework) -> [ScheduleName] {
        schedules ?? Self.lawfulSchedules.filter { anySoftware || framework.abilities.schedules.contains($0) }
    }

    /// The degrees whose product is the devices.
    private var degrees: [CountChoice] { [tensor, context, pipeline, data] }

    /// The product of the fixed degrees whose product is the devices; the largest `Int` where it overflows.
    var fixedDevices: Int { Int.product(degrees.map { max(1, $0.fixed ?? 1) }) ?? .max }

    /// Whether all degrees whose product is the devices are fixed.
    var fixesDevices: Bool { degrees.allSatisfy { $0.fixed != nil } }

    /// The choices that every mesh is priced with.
    package func choices(_ plan: Plan) -> MeshChoices {
        let abilities = abilities(plan)
        // Any divisor of the innermost network's devices, whatever the tensor degree.
        let groups =
            hybridSharding && abilities.shardGroups ? Divisors.of(plan.cluster.innerReach).filter { $0 > 1 } : []
        let base = base(for: plan)
        let held = plan.optimizer.sharding.filter { kind in
            // Shards are what the host keeps.
            if base.offloadsParameters { return kind == .parameters }
            return !base.offloadsGradients || kind == .gradients || kind == .parameters
        }
        var choices = MeshChoices(
            base: base, recompute: recompute,
            sharding: sharding.filter { abilities.sharding.contains($0) && held.contains($0) },
            shardGroups: groups, sequenceParallel: sequenceParallel, wholeSharding: wholeSharding,
            shardingWithPipeline: sharding.filter {
                abilities.shardingWithPipeline.contains($0) && held.contains($0)
            },
            expertsNeedSequenceParallel: abilities.expertsNeedSequenceParallel && plan.model.mixtureLayers > 0)
        choices.contextExchanges = contextExchanges.filter { abilities.allows($0) }
        choices.innerReach = plan.cluster.innerReach
        choices.allRanksRecompute = recomputeLayers.fixed == nil && !countsEnds(plan)
        choices.pipelines = pipelines(plan)
        choices.someHideExchange = triedSchedules(plan).contains { Layout.Overlap.standard(with: $0).expert }
        return choices
    }

    /// The fields that no search chooses, with those that the plan states. Selective recomputation is tried with the
    /// modules that are asked for, or those of the plan's own layout.
    func base(for plan: Plan) -> Layout {
        var base = base
        base.gradients = base.gradients ?? plan.gradients
        base.offload = base.offload ?? plan.offload
        if base.recomputeModules.isEmpty, let layout = plan.layout { base.recomputeModules = layout.recomputeModules }
        return base
    }

    /// All ways to divide the devices, in a fixed order: layouts in which only the degrees are settled.
    func meshes(_ plan: Plan) -> [Layout] {
        let model = plan.model
        var found: [Layout] = []
        let abilities = abilities(plan)
        let choices = choices(plan)
        var mesh = base(for: plan)
        for tensor in tensor.divisors(of: plan.devices, limit: plan.cluster.innerReach) where divides(tensor, model) {
            for context in context.divisors(of: plan.devices / tensor)
            where contextFits(context, model) && abilities.allows(context: context, tensor: tensor, model: model) {
                (mesh.tensor, mesh.context) = (tensor, context)
                guard !choices.exchanges(mesh, model).isEmpty else { continue }
                let rest = plan.devices / tensor / context
                for pipeline in pipeline.divisors(of: rest, possible: model.layers) {
                    let data = rest / pipeline
                    guard self.data.fixed == nil || self.data.fixed == data, plan.batchUnit % data == 0 else {
                        continue
                    }
                    (mesh.tensor, mesh.context, mesh.pipeline, mesh.data) = (tensor, context, pipeline, data)
                    for (expert, expertTensor) in experts(ranks: tensor * context * data, tensor: tensor, model)
                    where abilities.allows(expert: expert, expertTensor: expertTensor, tensor: tensor) {
                        (mesh.expert, mesh.expertTensor) = (expert, expertTensor)
                        found.append(mesh)
                    }
                }
            }
        }
        return found
    }

    /// All meshes with their micro-batches.
    func candidates(_ plan: Plan) -> [MeshCandidate] {
        meshes(plan).map { MeshCandidate(mesh: $0, microbatches: microbatches($0, plan)) }
    }

    /// Micro-batches of a mesh, ascending.
    func microbatches(_ mesh: Layout, _ plan: Plan) -> [Int] { microbatch.divisors(of: plan.batchUnit / mesh.data) }

    /// The table of all ways to run the pipelines of `candidates`.
    func table(_ plan: Plan, candidates: [MeshCandidate]) -> PipelineTable {
        var none = PipelineTable.Known()
        return table(plan, candidates: candidates, known: &none)
    }

    /// The table of all ways to run the pipelines of `candidates`.
    /// - Parameter known: what tables of the same plan with other devices and batches have computed.
    func table(_ plan: Plan, candidates: [MeshCandidate], known: inout PipelineTable.Known) -> PipelineTable {
        var sizes: [PipelineTable.Size] = []
        var seen: Set<PipelineTable.Size> = []
        for item in candidates {
            for microbatch in item.microbatches {
                let size = PipelineTable.Size(
                    ranks: item.mesh.pipeline, microbatches: plan.batch / (item.mesh.data * microbatch))
                if seen.insert(size).inserted { sizes.append(size) }
            }
        }
        return PipelineTable(plan.model, sizes: sizes, choice: pipelines(plan), known: &known)
    }

    /// The schedules and stages of pipelines that are tried.
    private func pipelines(_ plan: Plan) -> PipelineTable.Choice {
        let stages = virtualStages.fixed.map { $0...$0 } ?? 1...max(1, virtualStages.most ?? 1)
        // A rank of a bidirectional pipeline hands over the gradients of half as many micro-batches, in passes of other
        // lengths. No software known here runs one and offloads, so that a search leaves them out.
        let isOneWay = base(for: plan).offloadsGradients
        return PipelineTable.Choice(
            schedules: triedSchedules(plan).filter { !isOneWay || !$0.isBidirectional }, virtualStages: stages,
            partialRecompute: partialRecompute && recompute.contains(.full) && plan.recipe?.keepsBlocks != true
                && !base(for: plan).offloadsAllActivations,
            recomputeLayers: recomputeLayers.fixed, stages: abilities(plan).stages, countsEnds: countsEnds(plan))
    }

    /// The layout as the plan's software runs it: its division of the blocks is stated where it is not the balanced
    /// one.
    func divided(_ layout: Layout, _ plan: Plan) -> Layout {
        guard layout.layersPerStage == nil else { return layout }
        return abilities(plan).stages.divided(layout, model: plan.model) ?? layout
    }

    /// Whether the stages of the plan's own layout are equal if the embedding and the loss count as blocks, and not without
    /// them. Such stages are then tried too.
    func countsEnds(_ plan: Plan) -> Bool {
        guard let layout = plan.layout, layout.pipeline > 1, let sizes = layout.layersPerStage,
            Set(sizes).count > 1
        else { return false }
        return StagePartition.countingEnds(layers: plan.model.layers, stages: layout.stages)?.sizes == sizes
    }

    /// The expert and expert-tensor degrees that `ranks` ranks of a stage can have.
    private func experts(ranks: Int, tensor: Int, _ model: Model) -> [(Int, Int)] {
        let mixtures = model.mixtures
        guard let moe = mixtures.first else {
            return expert.least == 1 && (expert.fixed ?? 1) == 1 && (expertTensor.fixed ?? 1) == 1 ? [(1, 1)] : []
        }
        var found: [(Int, Int)] = []
        // Experts are cut by the tensor degree or not at all.
        for pieces in expertTensor.fixed.map({ [$0] }) ?? (tensor > 1 ? [1, tensor] : [1])
        where ranks % pieces == 0 && mixtures.allSatisfy({ $0.ffn % pieces == 0 }) {
            for expert in expert.divisors(of: moe.experts)
            where ranks / pieces % expert == 0 && mixtures.allSatisfy({ $0.experts % expert == 0 }) {
                found.append((expert, pieces))
            }
        }
        return found
    }

    /// Whether a tensor degree divides all widths that tensor parallelism cuts. More ranks than heads of keys are tried only
    /// where the degree is fixed, because few programs share heads among ranks.
    func divides(_ tensor: Int, _ model: Model) -> Bool {
        let isFixed = self.tensor.fixed == tensor
        return model.widthsCutByTensor.allSatisfy { name, value in
            value % tensor == 0 || isFixed && name == "kvHeads" && model.dividesKeyHeads(tensor)
        } && model.hidden % tensor == 0
    }

    private func contextFits(_ context: Int, _ model: Model) -> Bool {
        guard context > 1 else { return true }
        guard model.isDivided(byContext: context) else { return false }
        return self.context.fixed == context || model.sequence / context >= fewestContextTokens
    }
}
