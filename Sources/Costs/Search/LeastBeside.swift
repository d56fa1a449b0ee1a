internal import Models
internal import Plans

/// Lower bounds of the seconds of a step that its passes do not hide: reductions of gradients and gathering of weights, and
/// the optimizer. They hold for all layouts of a mesh, whatever is sharded.
///
/// All are sums over the parameters of a rank, and the rank with the largest sum has the mean of a pipeline's ranks at
/// least. What passes hide grows more slowly than the passes themselves, so that a bound of the passes gives a bound of
/// the step.
package struct LeastBeside: Sendable {
    /// Bounds with one kind of sharding.
    private struct Way: Sendable {
        /// Seconds of the optimizer.
        var update = 0.0
        /// Seconds of messages after all micro-batches.
        var once = 0.0
        /// Seconds of messages beside the passes of each micro-batch.
        var each = 0.0
    }

    /// Bytes and rates that all layouts of a search share.
    struct Shared: Sendable {
        /// Bytes by which a parameter loads memory or networks, with one kind of sharding.
        struct Held: Sendable {
            var sharding: Layout.Sharding
            /// Bytes of a gradient in messages.
            var gradient: Double
            /// Bytes of a weight in messages.
            var weight: Double
            /// Bytes that the optimizer reads and writes for a parameter that a rank steps.
            var stepped: Double
        }

        var held: [Held] = []
        var framework = Framework(name: "")
        /// Bytes a second of kernels that only move memory.
        var memoryRate = Double.infinity
        /// Seconds of a step that no layout saves.
        var step = 0.0

        init() {}

        init(_ pricer: Pricer, _ choices: MeshChoices, _ rates: DeviceRates, places: inout DeviceGroups) {
            let plan = pricer.plan
            framework = rates.framework
            memoryRate = rates.memoryRate
            step = framework.hostStep + places[RankGroups(size: plan.devices, stride: 1)].allReduce(bytes: 4)
            // Frozen weights, rows of a table without a gradient, and state on the host take less than is counted here; and
            // replicas may share out the optimizer.
            guard plan.model.tuning == nil, framework.memory.lookedUp == nil, choices.base.offload == nil,
                choices.base.outerSharding == .none
            else { return }
            held = Set(choices.sharding + choices.shardingWithPipeline).map { sharding in
                var layout = choices.base
                layout.sharding = sharding
                let bytes = StateBytes(
                    precision: plan.precision, layout: layout, framework: framework, optimizer: plan.optimizer)
                // Matrices may be stepped in another way.
                let moved = plan.optimizer.isOfMatrices ? 0 : bytes.moved + bytes.writtenCopy + 2 * bytes.gradient
                return Held(
                    sharding: sharding, gradient: bytes.gradient,
                    weight: rates.recipe.map { min(bytes.weight, $0.gatheredBytes) } ?? bytes.weight, stepped: moved)
            }
        }
    }

    private var ways: [Way] = []
    private var step = 0.0
    /// Compute lost while a collective runs at the same time, as a fraction of the collective's time.
    private var contention = 0.0
    /// Share of the gathering of a pass that it may hide, and compute lost to it.
    private var gathers = (hidden: 1.0, contention: 0.0)

    init() {}

    /// - Parameter parameters: parameters of the model: of routed experts, and all others.
    init(
        _ mesh: Layout, _ shared: Shared, parameters: (experts: Double, others: Double), choices: MeshChoices,
        _ model: Model, places: inout DeviceGroups
    ) {
        step = shared.step
        let framework = shared.framework
        contention = min(1, framework.contention)
        gathers = (framework.gathersHidden, min(1, framework.gatherContention))
        let ranks = Double(mesh.pipeline)
        let own = (
            others: parameters.others / Double(mesh.tensor) / ranks,
            experts: parameters.experts / Double(mesh.expert * mesh.expertTensor) / ranks
        )
        let shardings = choices.shardings(of: mesh, model)
        for held in shared.held where shardings.contains(held.sharding) {
            var groups: [Int?] = [nil]
            if held.sharding == .parameters {
                let all = mesh.data * mesh.context
                if !choices.wholeSharding { groups = [] }
                groups += choices.shardGroups.filter { $0 < all && all % $0 == 0 && mesh.expert == 1 }
            }
            for group in groups {
                var layout = mesh
                (layout.sharding, layout.shardGroup) = (held.sharding, group)
                ways.append(Self.way(layout, held, own, shared, model, places: &places))
            }
        }
    }

    private static func way(
        _ layout: Layout, _ held: Shared.Held, _ own: (others: Double, experts: Double), _ shared: Shared,
        _ model: Model, places: inout DeviceGroups
    ) -> Way {
        let (framework, ranks, grid) = (shared.framework, LayoutRanks(layout), ExpertGrid(layout))
        var way = Way()
        let sharded =
            own.others / Double(layout.shardRanks) + own.experts / Double(grid.shardedCopies(layout))
        let stepped = layout.sharding == .none ? own.others + own.experts : sharded
        let zeroed =
            layout.sharding == .gradients || layout.sharding == .parameters ? sharded : own.others + own.experts
        way.update =
            framework.optimizer * (held.stepped * stepped + (held.stepped > 0 ? held.gradient * zeroed : 0))
            / shared.memoryRate
        guard layout.hasReplicas(model) else { return way }
        let (shards, expertShards) = (places[ranks.shard], places[ranks.expertShard])
        if layout.sharding == .parameters {
            // Gradients within the passes; with a pipeline, weights may stay gathered.
            guard layout.pipeline == 1 else { return way }
            let bytes = (2 * held.weight + held.gradient) / framework.gatherEfficiency
            // The tables are gathered by themselves.
            let rows = Double(model.vocab) * Double(model.hidden) * 2 / Double(layout.tensor)
            way.each =
                shards.gather(bytes: bytes * max(0, own.others - rows), count: 0)
                + expertShards.gather(bytes: bytes * own.experts, count: 0)
            return way
        }
        let (replicas, expertReplicas) = (places[ranks.replica], places[ranks.expertReplica])
        let scatters = layout.sharding == .gradients || layout.sharding == .optimizer && framework.scattersGradients
        // After every micro-batch, a rank with less work than others may hide its reduction altogether.
        let gradient = layout.sharding == .gradients && layout.pipeline > 1 ? 0 : held.gradient
        let weight = layout.sharding == .none ? 0 : held.weight
        func seconds(_ parameters: Double, _ shards: DeviceGroup, _ replicas: DeviceGroup) -> Double {
            let bytes = gradient * parameters
            let reduced =
                scatters
                ? shards.gather(bytes: bytes, count: 0) + replicas.leastAllReduce(bytes: bytes / Double(shards.size))
                : shards.leastAllReduce(bytes: bytes) + replicas.leastAllReduce(bytes: bytes)
            return reduced + shards.gather(bytes: weight * parameters, count: 0)
        }
        way.once =
            seconds(own.others, shards, replicas) + seconds(own.experts, expertShards, expertReplicas)
        return way
    }

    /// Lower bound of the seconds of a step beside passes that take `pass` at least for a micro-batch on the rank with
    /// most work.
    func seconds(microbatches: Double, pass: Double) -> Double {
        var least = ways.isEmpty ? 0 : Double.infinity
        for way in ways {
            var seconds = way.update + max(0, way.once - pass) + contention * min(way.once, pass)
            if way.each > 0 {
                let hidden = min(gathers.hidden * way.each, pass)
                seconds += microbatches * (way.each - (1 - gathers.contention) * hidden)
            }
            least = min(least, seconds)
        }
        return step + least
    }
}
