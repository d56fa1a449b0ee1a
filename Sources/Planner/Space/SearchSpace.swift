package import Costs
internal import Models
internal import Numbers
package import Plans
package import Schedules

/// The layouts a search tries: every combination of the degrees that divide what they must, within limits and with
/// fields the user has fixed.
package struct SearchSpace: Hashable, Sendable {
    /// What no search chooses and every layout has: flash attention, overlap and the gradients' format.
    package var base = Layout()
    /// Where open and without a limit of its own, up to the devices that the innermost network joins: tensor parallelism
    /// needs its links.
    package var tensor = CountChoice()
    package var pipeline = CountChoice()
    package var context = CountChoice()
    package var data = CountChoice()
    package var expert = CountChoice()
    package var expertTensor = CountChoice()
    /// Sequences.
    package var microbatch = CountChoice(most: 16)
    /// Stages a pipeline rank holds, for schedules that leave them open.
    package var virtualStages = CountChoice(most: 16)
    /// Blocks of a stage that are recomputed; open: all, and with `partialRecompute` shares of them.
    package var recomputeLayers = CountChoice()
    /// nil: those the plan's software has.
    package var schedules: [ScheduleName]?
    /// Whether layouts that the plan's software cannot run are tried too; they are priced on it all the same.
    package var anySoftware = false
    package var recompute = Layout.Recompute.allCases
    /// Whether to try a quarter, half and three quarters of a stage's blocks recomputed too.
    package var partialRecompute = true
    package var sharding = Layout.Sharding.allCases
    /// Whether to try fully sharded parameters on the innermost network, replicated across the others.
    package var hybridSharding = true
    /// Whether to try parameters sharded over all data-parallel ranks.
    package var wholeSharding = true
    package var sequenceParallel = [false, true]
    /// Sequences are split among context-parallel ranks down to this many tokens.
    package var fewestContextTokens = 512

    package init() {}

    /// Schedules whose time has a law that the simulator confirms.
    package static let lawfulSchedules = ScheduleName.allCases.filter { $0.makespanSource == .law }

    /// What limits the layouts of `plan`: what its software can run.
    package func abilities(_ plan: Plan) -> Framework.Abilities {
        anySoftware ? Framework.Abilities() : plan.framework(for: nil).abilities
    }

    /// The schedules that are tried.
    package func triedSchedules(_ plan: Plan) -> [ScheduleName] { triedSchedules(plan, on: plan.framework(for: nil)) }

    /// Those that are tried on `framework`.
    func triedSchedules(_ plan: Plan, on framework: Framework) -> [ScheduleName] {
        schedules ?? Self.lawfulSchedules.filter { anySoftware || framework.abilities.schedules.contains($0) }
    }

    /// The degrees whose product is the devices.
    private var degrees: [CountChoice] { [tensor, context, pipeline, data] }

    /// The product of those degrees, open ones counting 1; the largest number there is beyond 64 bits.
    var fixedDevices: Int { Int.product(degrees.map { max(1, $0.fixed ?? 1) }) ?? .max }

    /// Whether no degree is open.
    var fixesDevices: Bool { degrees.allSatisfy { $0.fixed != nil } }

    /// What every mesh is tried with.
    package func choices(_ plan: Plan) -> MeshChoices {
        let abilities = abilities(plan)
        // A share of the data-parallel ranks on the innermost network, whatever the tensor degree is.
        let groups =
            hybridSharding && abilities.shardGroups ? Divisors.of(plan.cluster.innerReach).filter { $0 > 1 } : []
        return MeshChoices(
            base: base, recompute: recompute, sharding: sharding.filter(abilities.sharding.contains),
            shardGroups: groups, sequenceParallel: sequenceParallel, wholeSharding: wholeSharding,
            shardingWithPipeline: sharding.filter(abilities.shardingWithPipeline.contains),
            expertsNeedSequenceParallel: abilities.expertsNeedSequenceParallel)
    }

    /// Every way to divide the devices, in a fixed order: layouts of which only the degrees are settled.
    func meshes(_ plan: Plan) -> [Layout] {
        let model = plan.model
        var found: [Layout] = []
        let abilities = abilities(plan)
        var mesh = base
        for tensor in tensor.divisors(of: plan.devices, limit: plan.cluster.innerReach) where divides(tensor, model) {
            for context in context.divisors(of: plan.devices / tensor)
            where contextFits(context, model) && abilities.allows(context: context, tensor: tensor, model: model) {
                let rest = plan.devices / tensor / context
                for pipeline in pipeline.divisors(of: rest, possible: model.layers) {
                    let data = rest / pipeline
                    guard self.data.fixed == nil || self.data.fixed == data, plan.batch % data == 0 else { continue }
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

    /// The meshes with their micro-batches.
    func tries(_ plan: Plan) -> [MeshTry] {
        meshes(plan).map { MeshTry(mesh: $0, microbatches: microbatches($0, plan)) }
    }

    /// Micro-batches of a mesh, ascending.
    func microbatches(_ mesh: Layout, _ plan: Plan) -> [Int] { microbatch.divisors(of: plan.batch / mesh.data) }

    /// The ways to run the pipelines of `tries`.
    func table(_ plan: Plan, tries: [MeshTry]) -> PipelineTable {
        var sizes: [PipelineTable.Size] = []
        var seen: Set<PipelineTable.Size> = []
        for item in tries {
            for microbatch in item.microbatches {
                let size = PipelineTable.Size(
                    ranks: item.mesh.pipeline, microbatches: plan.batch / (item.mesh.data * microbatch))
                if seen.insert(size).inserted { sizes.append(size) }
            }
        }
        let stages = virtualStages.fixed.map { $0...$0 } ?? 1...max(1, virtualStages.most ?? 1)
        return PipelineTable(
            plan.model, sizes: sizes,
            choice: PipelineTable.Choice(
                schedules: triedSchedules(plan), virtualStages: stages,
                partialRecompute: partialRecompute && recompute.contains(.full),
                recomputeLayers: recomputeLayers.fixed, stages: abilities(plan).stages))
    }

    /// The layout with its division of the blocks stated where that is not the balanced one.
    func divided(_ layout: Layout, _ plan: Plan) -> Layout {
        abilities(plan).stages.divided(layout, model: plan.model) ?? layout
    }

    /// Expert and expert-tensor degrees of a stage's `ranks`.
    private func experts(ranks: Int, tensor: Int, _ model: Model) -> [(Int, Int)] {
        guard let moe = model.moe, model.mixtureLayers > 0 else {
            return expert.least == 1 && (expert.fixed ?? 1) == 1 && (expertTensor.fixed ?? 1) == 1 ? [(1, 1)] : []
        }
        var found: [(Int, Int)] = []
        // Experts are cut as the rest of the block is, or not at all.
        for pieces in expertTensor.fixed.map({ [$0] }) ?? (tensor > 1 ? [1, tensor] : [1])
        where ranks % pieces == 0 && moe.ffn % pieces == 0 {
            for expert in expert.divisors(of: moe.experts) where ranks / pieces % expert == 0 {
                found.append((expert, pieces))
            }
        }
        return found
    }

    /// Whether tensor parallelism of that degree cuts what it cuts evenly.
    func divides(_ tensor: Int, _ model: Model) -> Bool {
        model.widthsCutByTensor.allSatisfy { $0.value % tensor == 0 } && model.hidden % tensor == 0
    }

    private func contextFits(_ context: Int, _ model: Model) -> Bool {
        guard context > 1 else { return true }
        guard model.sequence % (2 * context) == 0 else { return false }
        return self.context.fixed == context || model.sequence / context >= fewestContextTokens
    }
}
