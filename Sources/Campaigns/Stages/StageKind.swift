/// What a stage of a campaign does.
package enum StageKind: String, Hashable, Codable, CaseIterable, Sendable {
    /// Small models on few tokens, from which a scaling law is fitted.
    case scalingTrials = "scaling-trials"
    /// Variants of a model, each trained for itself.
    case trials
    case pretraining
    /// Further training on longer sequences.
    case longContext = "long-context"
    /// Supervised training on examples, of all weights or of adapters.
    case fineTuning = "fine-tuning"
    /// Answers of a model, and labels that say which are better.
    case preferenceData = "preference-data"
    case rewardModel = "reward-model"
    /// Direct preference optimization: the policy trains against a frozen reference.
    case dpo
    /// Proximal policy optimization: actor and critic train; reference and reward only compute forwards.
    case ppo
    /// Group relative policy optimization: as PPO without a critic.
    case grpo
    /// A student trains on what a teacher says.
    case distillation
    case evaluation
    /// Forwards over texts from which scales of weights in few bits are found.
    case quantisation

    /// What the kind does, in a few words.
    package var meaning: String {
        switch self {
        case .scalingTrials: "small models for a scaling law"
        case .trials: "variants of a model"
        case .pretraining: "training from the start"
        case .longContext: "further training on longer sequences"
        case .fineTuning: "supervised fine-tuning"
        case .preferenceData: "answers and labels"
        case .rewardModel: "training of a reward model"
        case .dpo: "direct preference optimization"
        case .ppo: "proximal policy optimization"
        case .grpo: "group relative policy optimization"
        case .distillation: "a student of a teacher"
        case .evaluation: "answers to questions"
        case .quantisation: "calibration of weights in few bits"
        }
    }

    /// Keys of this kind beside those of every stage and of plans.
    package var keys: [String] {
        switch self {
        case .scalingTrials: ["sizes", "tokensPerParameter", "atOnce"]
        case .trials: ["variants", "atOnce"]
        case .pretraining, .longContext: []
        case .fineTuning, .rewardModel: ["examples", "exampleTokens", "epochs"]
        case .preferenceData: ["prompts", "answers", "promptTokens", "outputTokens", "judge", "labels"]
        case .dpo: ["examples", "exampleTokens", "epochs", "reference"]
        case .ppo: Self.learning + ["critic"]
        case .grpo: Self.learning
        case .distillation: ["teacher", "by", "examples", "exampleTokens", "promptTokens"]
        case .evaluation: ["prompts", "promptTokens", "outputTokens", "times"]
        case .quantisation: ["examples", "exampleTokens"]
        }
    }

    private static let learning = [
        "prompts", "answers", "promptTokens", "outputTokens", "epochs", "reference", "reward", "generation",
    ]
}
