internal import Models
internal import Plans

extension Plan {
    /// A setting of a run that an export fills in where the plan does not state it. Its word is the plan's key.
    enum UsualSetting: String, Hashable, Sendable {
        case learningRate, minLearningRate, warmup, schedule, betas
        case epsilon = "eps"
        case weightDecay, momentum, clip, seed
    }

    /// The line of comment that names the settings of a file which the plan does not state; none where it states all.
    /// - Parameter settings: those that the file holds in any case.
    func usualWords(_ settings: [UsualSetting]) -> [String] {
        let own = statedTraining
        let names = settings.filter { isUsed($0) && !Self.states(own, $0) }.map(\.rawValue)
        return names.isEmpty ? [] : ["Not in the plan, and usual: \(names.joined(separator: ", "))."]
    }

    /// Whether the optimizer has the setting, and the course of the learning rate needs it.
    private func isUsed(_ setting: UsualSetting) -> Bool {
        switch setting {
        case .betas: optimizer.name == .adamw || optimizer.name == .lion
        case .epsilon: optimizer.name == .adamw
        case .momentum: (optimizer.name == .sgd || optimizer.name == .muon) && optimizer.momentum
        case .minLearningRate: training.schedule != .constant
        default: true
        }
    }

    private static func states(_ own: Hyperparameters, _ setting: UsualSetting) -> Bool {
        switch setting {
        case .learningRate: own.learningRate != nil
        case .minLearningRate: own.minLearningRate != nil
        case .warmup: own.warmup != nil
        case .schedule: own.schedule != nil
        case .betas: own.betas != nil
        case .epsilon: own.epsilon != nil
        case .weightDecay: own.weightDecay != nil
        case .momentum: own.momentum != nil
        case .clip: own.clip != nil
        case .seed: own.seed != nil
        }
    }
}
