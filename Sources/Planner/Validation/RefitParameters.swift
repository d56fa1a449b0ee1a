internal import Plans

extension Refit {
    /// The constants that `validate --leave-one-source-out` fits, with their start values: round numbers that kernel
    /// counts and launch times suggest, not the values of the framework files.
    package static var shipped: Refit {
        var start: [(Parameter, Double)] = [
            (.device("a100"), 0.95), (.device("h100"), 0.95), (.device("b200"), 0.9), (.slowNetwork, 0.5),
        ]
        // 15 µs an operation in Python's forward, 5 µs in the backward. Unfused attention has 60 and 100 operations,
        // fused attention 40 and 60.
        for (name, elementwise, forward, backward) in [
            (Frameworks.unfusedMegatron, 1.5, 0.9e-3, 0.5e-3), (Frameworks.megatron, 1, 0.6e-3, 0.3e-3),
            (Frameworks.sharded, 2, 0.6e-3, 0.3e-3), (Frameworks.replicated, 2, 0.6e-3, 0.3e-3),
        ] {
            start += [
                (.framework(name, .elementwise), elementwise), (.framework(name, .hostForward), forward),
                (.framework(name, .hostBackward), backward), (.framework(name, .hostMicrobatch), 0.5e-3),
                (.framework(name, .hostStep), name == Frameworks.sharded ? 100e-3 : 10e-3),
                (.framework(name, .contention), 0.2), (.framework(name, .nodeVariation), 0.01),
            ]
        }
        start += [
            (.framework(Frameworks.unfusedMegatron, .hostCollective), 40e-6),
            (.framework(Frameworks.sharded, .gatherContention), 0.5), (.framework(Frameworks.sharded, .attention), 0.8),
            (.framework(Frameworks.unfusedZero, .gatherEfficiency), 0.5),
            (.framework(Frameworks.blockingMegatron, .hostForward), 1.2e-3),
            (.framework(Frameworks.megatron, .hostExperts), 2e-3),
        ]
        return Refit(start)
    }
}
