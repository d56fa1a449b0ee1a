/// The moment at which a rank drops the activation that a forward left. Peaks follow from the order of actions alone.
package enum ActivationRelease: Hashable, Sendable, CaseIterable {
    /// At the end of the input gradient (or of a full backward).
    case backwardInput
    /// At the end of the weight gradient (or of a full backward).
    case backwardWeight

    /// Activations that an action adds at its start, and how many it drops at its end. A fused action adds its forward's
    /// before it drops its backward's.
    package func change(_ kind: Action.Kind) -> (kept: Int, dropped: Int) {
        switch kind {
        case .forward: (1, 0)
        case .backward: (0, 1)
        case .backwardInput: (0, self == .backwardInput ? 1 : 0)
        case .backwardWeight: (0, self == .backwardWeight ? 1 : 0)
        case .fused: (1, 1)
        case .softmax, .outputGradient: (0, 0)
        }
    }

    /// Most activations held over the actions of one rank.
    package func peak(of actions: some Sequence<Action>) -> Int {
        var held = 0
        var most = 0
        for action in actions {
            let (kept, dropped) = change(action.kind)
            held += kept
            most = max(most, held)
            held -= dropped
        }
        return most
    }
}

extension Schedule {
    /// Most activations, counted in stages, that each rank holds at once.
    package func peakActivations(release: ActivationRelease) -> [Int] { actions.map { release.peak(of: $0) } }
}
