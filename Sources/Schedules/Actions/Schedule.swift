/// Who does what in which order: the action list of every pipeline rank and where each stage lives.
///
/// Pure functions make it, one file a schedule. The planner prices it, the simulator times it and the runtime executes
/// it: all three read this value.
package struct Schedule: Hashable, Codable, Sendable {
    /// The name of the schedule that made the lists, such as `1f1b`.
    package var name: String
    /// Pipeline ranks, `p`.
    package var ranks: Int
    /// Stages each rank holds, `v`.
    package var virtualStages: Int
    /// Micro-batches an iteration, `m`.
    package var microbatches: Int
    /// Where each stage lives.
    package var placement: StagePlacement
    /// How the ranks divide the vocabulary; nil: the token table is on the first stage and the output layer on the last.
    package var vocabulary: VocabularyParallel?
    /// The ordered actions of each rank.
    package var actions: [[Action]]

    /// Stages of the whole pipeline.
    package var stages: Int { placement.stages }

    /// The name, with the way in which the vocabulary is divided: `1f1b vocab-2`.
    package var title: String { vocabulary.map { "\(name) \($0.rawValue)" } ?? name }

    /// Whether input and weight gradients are actions of their own anywhere in the lists. O(actions).
    package var splitsBackward: Bool { actions.contains { $0.contains { $0.kind == .backwardInput } } }

    package init(
        name: String, ranks: Int, virtualStages: Int, microbatches: Int, placement: StagePlacement,
        vocabulary: VocabularyParallel? = nil, actions: [[Action]]
    ) {
        self.name = name
        self.ranks = ranks
        self.virtualStages = virtualStages
        self.microbatches = microbatches
        self.placement = placement
        self.vocabulary = vocabulary
        self.actions = actions
    }
}

extension Schedule {
    /// The forwards alone, in the order in which each rank runs them. What they wait for comes no later than before.
    package var forwards: Schedule {
        var schedule = self
        schedule.actions = actions.map { list in
            list.compactMap { action in
                switch action.kind {
                case .forward: action
                case .fused: Action(.forward, stage: Int(action.stage), microbatch: Int(action.microbatch))
                case .backward, .backwardInput, .backwardWeight, .softmax, .outputGradient: nil
                }
            }
        }
        return schedule
    }
}
