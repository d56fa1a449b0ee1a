extension Block {
    /// The modules that the block has.
    package var modules: RecomputeModules {
        recomputations.reduce(into: core.heads > 0 ? .coreAttention : []) { $0.formUnion($1.module) }
    }

    /// The work that computes `modules` again. A mixture holds its experts' activation and its shared experts.
    package func recomputations(of modules: RecomputeModules) -> [Recomputation] {
        var modules = modules
        if modules.contains(.mixture) { modules.subtract([.expertActivation, .sharedExperts]) }
        return recomputations.filter { modules.contains($0.module) }
    }

    /// Multiply-adds of one token in the products that compute `modules` again, core attention aside.
    package func weightsAgain(_ modules: RecomputeModules) -> Double {
        recomputations(of: modules).reduce(0) { sum, work in
            sum + work.products.weights + work.adapters.weights
                + (work.repeatsExperts ? Double(mixture?.topK ?? 0) * expertProducts.weights : 0)
        }
    }

    /// Exchanges among tensor ranks that `works` repeat.
    package func messages(again works: [Recomputation], sequenceParallel: Bool) -> JoinedMessages {
        // Rows that sequence parallelism has scattered stay so on their way to experts.
        JoinedMessages(
            works.map(\.messages).filter { !sequenceParallel || !$0.staysScattered },
            narrow: (works.flatMap(\.narrow), []))
    }
}
