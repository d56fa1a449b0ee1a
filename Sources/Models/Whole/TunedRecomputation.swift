/// Adapters in modules that a backward computes again by themselves.
extension TunedBlock {
    /// The modules that compute an adapter of a matrix that every row passes through.
    static func modules(of adapter: Adapter, _ model: Model) -> RecomputeModules {
        let name = adapter.name
        if name.hasPrefix("mlp.") {
            guard model.block.moe != nil else { return .network }
            let others = ["mlp.shared_expert", "mlp.dense."]
            return others.contains(where: name.hasPrefix) ? [.mixture, .sharedExperts] : .mixture
        }
        guard let mla = model.mla else { return [] }
        let widening = ["self_attn.kv_b_proj", mla.queryRank > 0 ? "self_attn.q_b_proj" : "self_attn.q_proj"]
        return adapter.modules.contains(where: widening.contains) ? .latentProjections : []
    }

    /// `work` with that of the adapters in its module.
    func completed(_ work: Recomputation, _ model: Model) -> Recomputation {
        var work = work
        if quantizedBytes != nil {
            work.quantized = zip(Self.products(model), changes).filter { !$1 && work.products.contains($0) }.map(\.0)
        }
        let own = adapters.filter { !Self.modules(of: $0, model).isDisjoint(with: work.module) }
        let ofExperts = work.repeatsExperts ? expertAdapters : []
        func size(_ adapter: Adapter) -> Int { adapter.down.inputs.total + adapter.up.outputs.total }
        func words(_ adapters: [Adapter], _ factor: String) -> [String] {
            adapters.isEmpty ? [] : ["\(factor)·\(adapters.reduce(0) { $0 + size($1) })"]
        }
        work.adapters = own.flatMap(\.products)
        work.narrow = own.filter(\.cutsInputs).map { $0.narrow.width.whole }
        work.work.kernels += (own + ofExperts).flatMap(\.forward)
        work.weights += words(own, "r") + words(ofExperts, "k·r")
        return work
    }
}
