import Costs
import Models
import Plans
import PricingSupport

/// Optimizer state of optimizers that treat matrices in a way of their own, tensor by tensor.
enum CountedMatrices {
    /// Muon steps the blocks' matrices whole. With a sharded optimizer they are handed out, the largest first, to the rank
    /// with least: no rank then has more than the mean and one matrix (Graham 1966), and the fullest not less than the
    /// mean. All other parameters are AdamW's, and sharded evenly.
    static func muon(_ plan: Plan, _ layout: Layout) throws -> Property.Outcome {
        let optimizer = plan.optimizer
        guard optimizer.name == .muon, !CountedState.isFSDP(plan),
            plan.framework(for: layout).memory.lookedUp == nil || plan.model.tiedEmbeddings
        else { return .silent }
        let (inventory, placed) = (Inventory(plan.model), try PlacedBlocks(plan, layout))
        let found = try LayoutMemory(Pricer(plan: plan).work(layout)).ranks
        let second = CountedState.bytes(optimizer.secondMoment)
        let (dense, experts) = (
            Double(CountedState.denseGroup(layout)), Double(CountedState.expertGroup(layout))
        )
        return .all(
            inventory.held(layout, placed).enumerated().map { rank, held in
                let state = CountedState(held, plan: plan, layout: layout)
                var matrices = HeldParameters()
                var largest = 0.0
                for layer in placed.stages(of: rank).flatMap({ placed.layers[$0] }) {
                    let own = inventory.tensors(ofBlock: layer).filter(\.isMatrix)
                    matrices.add(own, layout)
                    for tensor in own { largest = max(largest, Double(tensor.size)) }
                }
                let mean = matrices.dense / dense + matrices.experts / experts
                // All bytes of an element of a matrix.
                let shards = held.dense / dense + held.experts / experts
                let each = shards > 0 ? state.optimizer / shards - second : 0
                let even = state.optimizer - second * mean
                let name = "optimizer of rank \(rank)"
                if layout.sharding == .none { return Property.equal(name, found[rank].optimizer, even) }
                // Tensors that are one here may be several there, and the reverse: fused projections, three at most, and
                // one matrix of the experts beside one of the others.
                return .all([
                    Property.atMost(name, even, found[rank].optimizer),
                    Property.atMost(name, found[rank].optimizer, even + 6 * each * largest),
                ])
            })
    }

    /// One fp32 number for each row and each column of a matrix, and for each number of a vector (Shazeer and Stern 2018,
    /// section 3; torch.optim.Adafactor). Where tensors are those of Hugging Face's Llama and no rank cuts them.
    static func adafactor(_ plan: Plan, _ layout: Layout) throws -> Property.Outcome {
        guard plan.optimizer.name == .adafactor, layout.tensor == 1, layout.expertTensor == 1,
            plan.model.family == .llama, Inventory(plan.model).usedShapes.allSatisfy({ $0.mla == nil }),
            plan.framework(for: layout).memory.lookedUp == nil
        else { return .silent }
        let (inventory, placed) = (Inventory(plan.model), try PlacedBlocks(plan, layout))
        let found = try LayoutMemory(Pricer(plan: plan).work(layout)).ranks
        let vocabulary = (plan.model.vocab + 127) / 128 * 128
        return .all(
            inventory.held(layout, placed).enumerated().map { rank, held in
                let stages = placed.stages(of: rank)
                var tensors = stages.flatMap { placed.layers[$0] }.flatMap { inventory.tensors(ofBlock: $0) }
                let (first, last) = (stages.contains(0), stages.contains(placed.layers.count - 1))
                if first { tensors += inventory.embedding(vocabulary: vocabulary) }
                if last { tensors += inventory.headOthers() }
                if last, !plan.model.tiedEmbeddings || !first { tensors.append(inventory.head(vocabulary: vocabulary)) }
                // No gradient changes the correction of a router's choice.
                let numbers = tensors.filter { $0.name != "correction" }.reduce(0.0) { sum, tensor in
                    let count = tensor.split == .expert ? tensor.count / layout.expert : tensor.count
                    return sum + Double(count * tensor.shape.reduce(0, +))
                }
                return Property.equal(
                    "optimizer of rank \(rank)", found[rank].optimizer,
                    CountedState(held, plan: plan, layout: layout).optimizer + 4 * numbers)
            })
    }
}
