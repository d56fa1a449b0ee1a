internal import Models
internal import Reading

/// The `hyperparameters:` section of a plan: settings of a run on another tool that change no price. An import keeps what
/// the tool's file states, and an export writes it again in the words of its target.
package struct Hyperparameters: Hashable, Codable, Sendable {
    /// The course of the learning rate after the warm-up.
    package enum Schedule: String, Hashable, Codable, Sendable, CaseIterable {
        case constant, linear, cosine
    }

    package var learningRate: Double?
    package var minLearningRate: Double?
    /// Steps of linear warm-up.
    package var warmup: Int?
    package var schedule: Schedule?
    /// The two betas of AdamW and Lion.
    package var betas: [Double]?
    package var epsilon: Double?
    package var weightDecay: Double?
    /// Decay rate of Muon's and SGD's moment.
    package var momentum: Double?
    /// Global gradient norm above which gradients are scaled down. 0: no clipping. nil: not stated.
    package var clip: Double?
    package var seed: UInt64?
    /// The base of rotary positions, theta of RoPE.
    package var rotaryBase: Double?

    package init() {}

    /// Settings of a run of our own runtime.
    package init(_ train: TrainSettings) {
        (learningRate, minLearningRate, warmup) = (train.learningRate, train.minLearningRate, train.warmup)
        schedule = Schedule(rawValue: train.schedule.rawValue)
        (betas, epsilon, weightDecay) = (train.betas.count == 2 ? train.betas : nil, train.epsilon, train.weightDecay)
        (momentum, clip, seed) = (train.momentum, train.clip ?? 0, train.seed)
    }

    static func read(_ plan: FieldReader) -> Hyperparameters? {
        guard let reader = plan.map("hyperparameters") else { return nil }
        var own = Hyperparameters()
        own.learningRate = reader.number("learningRate", .plain, in: 0...1e3)
        own.minLearningRate = reader.number("minLearningRate", .plain, in: 0...1e3)
        if let least = own.minLearningRate, let rate = own.learningRate, least > rate {
            reader.report("minLearningRate", value: "\(least)", rule: "must not exceed learningRate \(rate)")
        }
        own.warmup = reader.count("warmup", in: 0...Bounds.steps.upperBound)
        own.schedule = reader.choice("schedule", of: Schedule.self)
        if let betas = reader.numbers("betas", in: 0...1) {
            if betas.count == 2 {
                own.betas = betas
            } else {
                reader.report("betas", rule: "must be two numbers such as [0.9, 0.95]")
            }
        }
        own.epsilon = reader.number("eps", .plain, in: 0...1)
        own.weightDecay = reader.number("weightDecay", .plain, in: 0...100)
        own.momentum = reader.number("momentum", .plain, in: 0...1)
        if reader.word(ifAmong: ["none", "off"], "clip") != nil {
            own.clip = 0
        } else {
            own.clip = reader.number("clip", .plain, in: 0...1e9)
        }
        if let seed = reader.count("seed", in: 0...Int(1) << 53) { own.seed = UInt64(seed) }
        own.rotaryBase = reader.number("rotaryBase", .plain, in: 1...1e15)
        reader.reportUnknownKeys()
        if plan.contains("train") {
            plan.report(
                "hyperparameters", rule: "states settings of a run a second time, beside train", fix: "keep one of them"
            )
        }
        return own
    }

    /// The lines of the section.
    var yaml: [String] {
        var lines: [String] = []
        func add(_ key: String, _ value: (any CustomStringConvertible)?) {
            if let value { lines.append("\(key): \(value.description)") }
        }
        add("learningRate", learningRate)
        add("minLearningRate", minLearningRate)
        add("warmup", warmup)
        add("schedule", schedule?.rawValue)
        add("betas", betas.map { "[\($0.map(\.description).joined(separator: ", "))]" })
        add("eps", epsilon)
        add("weightDecay", weightDecay)
        add("momentum", momentum)
        add("clip", clip.map { $0 == 0 ? "none" : $0.description })
        add("seed", seed)
        add("rotaryBase", rotaryBase)
        return lines
    }
}

extension Plan {
    /// Settings of a run that the plan states, in `train` or `hyperparameters`; the base of rotary positions also in `model`.
    package var statedTraining: Hyperparameters {
        var own = train.map { Hyperparameters($0) } ?? hyperparameters ?? Hyperparameters()
        own.rotaryBase = own.rotaryBase ?? model.rotaryBase
        return own
    }

    /// The stated settings of a run, with a tenth of the largest learning rate where the smallest is not stated.
    package var training: Hyperparameters {
        var own = statedTraining
        own.minLearningRate = own.minLearningRate ?? own.learningRate.map(Self.tenth)
        return own
    }

    /// A tenth in the digits of the number: 6e-05 of 0.0006, where a division gives 5.9999999999999995e-05.
    private static func tenth(_ number: Double) -> Double {
        let parts = number.description.split(separator: "e", maxSplits: 1)
        let power = parts.count == 2 ? Int(parts[1]) : 0
        guard let digits = parts.first, let power else { return number / 10 }
        return Double("\(digits)e\(power - 1)") ?? number / 10
    }
}
