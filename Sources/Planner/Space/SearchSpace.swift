internal import Costs
package import Models
internal import Numbers
package import Plans
package import Schedules

/// The layouts a search tries: every combination of the degrees that divide what they must, within limits and with
/// fields the user has fixed.
package struct SearchSpace: Hashable, Sendable {
    /// Fields every layout must have; nil leaves one open.
    package struct Fixed: Hashable, Sendable {
        package var tensor: Int?
        package var pipeline: Int?
        package var virtualStages: Int?
        package var context: Int?
        package var expert: Int?
        package var expertTensor: Int?
        package var data: Int?
        package var microbatch: Int?
        package var recomputeLayers: Int?

        package init() {}

        /// The degrees whose product is the devices.
        private var degrees: [Int?] { [tensor, context, pipeline, data] }
        /// Their product, open ones counting 1.
        var product: Int { Int.product(degrees.map { max(1, $0 ?? 1) }) ?? .max }
        /// Whether none of them is open.
        var isWhole: Bool { degrees.allSatisfy { $0 != nil } }
    }

    /// Degrees every layout must reach.
    package struct Least: Hashable, Sendable {
        package var tensor = 1
        package var pipeline = 1
        package var context = 1
        package var expert = 1

        package init() {}
    }

    package var fixed = Fixed()
    package var least = Least()
    /// Largest tensor degree; nil: the devices that the innermost network joins, whose links tensor parallelism needs.
    package var mostTensor: Int?
    /// Largest micro-batch, sequences.
    package var mostMicrobatch = 16
    /// Largest number of stages a pipeline rank holds.
    package var mostVirtualStages = 16
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
    package var flashAttention = true
    package var overlap = Layout.Overlap()
    package var gradients: Precision?
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

    /// Flash attention, overlap and gradient format of every layout.
    package var base: Layout {
        Layout(flashAttention: flashAttention, gradients: gradients, overlap: overlap)
    }

    /// What every mesh is tried with.
    func choices(_ plan: Plan) -> MeshChoices {
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

    /// Every way to divide the devices, in a fixed order.
    func meshes(_ plan: Plan) -> [Mesh] {
        let model = plan.model
        var found: [Mesh] = []
        let abilities = abilities(plan)
        let limit = mostTensor ?? plan.cluster.innerReach
        for tensor in degrees(plan.devices, fixed.tensor, most: fixed.tensor ?? limit)
        where tensor >= least.tensor && divides(tensor, model) {
            for context in degrees(plan.devices / tensor, fixed.context)
            where context >= least.context && contextFits(context, model)
                && abilities.allows(context: context, tensor: tensor, model: model)
            {
                let rest = plan.devices / tensor / context
                for pipeline in degrees(rest, fixed.pipeline, most: model.layers) where pipeline >= least.pipeline {
                    let data = rest / pipeline
                    guard fixed.data == nil || fixed.data == data, plan.batch % data == 0 else { continue }
                    for (expert, expertTensor) in experts(ranks: tensor * context * data, tensor: tensor, model)
                    where abilities.allows(expert: expert, expertTensor: expertTensor, tensor: tensor) {
                        found.append(
                            Mesh(
                                tensor: tensor, context: context, pipeline: pipeline, data: data, expert: expert,
                                expertTensor: expertTensor))
                    }
                }
            }
        }
        return found
    }

    /// All of them with their micro-batches.
    func tries(_ plan: Plan) -> [MeshTry] {
        meshes(plan).map { MeshTry(mesh: $0, microbatches: microbatches($0, plan)) }
    }

    /// Micro-batches of a mesh, ascending.
    func microbatches(_ mesh: Mesh, _ plan: Plan) -> [Int] {
        let share = plan.batch / mesh.data
        if let fixed = fixed.microbatch { return share % fixed == 0 ? [fixed] : [] }
        return Divisors.of(share).filter { $0 <= mostMicrobatch }
    }

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
        let stages = fixed.virtualStages.map { $0...$0 } ?? 1...max(1, mostVirtualStages)
        return PipelineTable(
            plan.model, sizes: sizes,
            choice: PipelineTable.Choice(
                schedules: triedSchedules(plan), virtualStages: stages,
                partialRecompute: partialRecompute && recompute.contains(.full),
                recomputeLayers: fixed.recomputeLayers, stages: abilities(plan).stages))
    }

    /// The layout with its division of the blocks stated where that is not the balanced one.
    func divided(_ layout: Layout, _ plan: Plan) -> Layout {
        abilities(plan).stages.divided(layout, model: plan.model) ?? layout
    }

    /// Expert and expert-tensor degrees of a stage's `ranks`.
    private func experts(ranks: Int, tensor: Int, _ model: Model) -> [(Int, Int)] {
        guard let moe = model.moe, model.mixtureLayers > 0 else {
            return least.expert == 1 && (fixed.expert ?? 1) == 1 && (fixed.expertTensor ?? 1) == 1 ? [(1, 1)] : []
        }
        var found: [(Int, Int)] = []
        // Experts are cut as the rest of the block is, or not at all.
        for pieces in fixed.expertTensor.map({ [$0] }) ?? (tensor > 1 ? [1, tensor] : [1])
        where ranks % pieces == 0 && moe.ffn % pieces == 0 {
            for expert in degrees(moe.experts, fixed.expert)
            where expert >= least.expert && ranks / pieces % expert == 0 {
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
        return fixed.context == context || model.sequence / context >= fewestContextTokens
    }

    /// Divisors of `number`, or the one that is fixed where it is a divisor.
    private func degrees(_ number: Int, _ fixed: Int?, most: Int = .max) -> [Int] {
        if let fixed { return fixed > 0 && number % fixed == 0 && fixed <= most ? [fixed] : [] }
        return Divisors.of(number).filter { $0 <= most }
    }
}
