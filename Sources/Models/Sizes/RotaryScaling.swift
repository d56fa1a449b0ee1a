internal import Numbers
internal import Reading

extension Model {
    /// How the frequencies of rotary positions are scaled for longer sequences than those of a first training.
    package struct RotaryScaling: Hashable, Codable, Sendable {
        package enum Kind: String, Hashable, Codable, Sendable, CaseIterable {
            /// All by one factor (Chen et al. 2023).
            case linear
            /// Long waves by the factor, short ones not (Llama 3.1).
            case llama3
            /// A ramp over the pairs, and a factor of the scores (Peng et al. 2023).
            case yarn
            /// By the length of each sequence.
            case dynamic
            /// By a list of factors, one for each pair.
            case longrope
        }

        package var kind: Kind
        package var factor: Double
        /// Tokens a sequence of the first training: of `llama3` and `yarn`.
        package var originalLength: Int?
        /// Turns within `originalLength` below which `llama3` scales a wave wholly, and above which it does not.
        package var lowFrequencyFactor: Double?
        package var highFrequencyFactor: Double?
        /// Turns at the ends of the ramp of `yarn`; nil: 32 and 1.
        package var betaFast: Double?
        package var betaSlow: Double?
        /// Factor of all cosines and sines of `yarn`; nil: 0.1 · ln(factor) + 1.
        package var attentionFactor: Double?
        /// Whether the ends of the ramp of `yarn` are whole pairs.
        package var truncate = true

        package init(kind: Kind, factor: Double, originalLength: Int? = nil) {
            (self.kind, self.factor, self.originalLength) = (kind, factor, originalLength)
        }

        /// The keys of `rotaryScaling:`, in the order of a written plan.
        static let keys: [ShapeKey<RotaryScaling>] = [
            .choice("kind", \.kind), .number("factor", in: 1...10_000, \.factor),
            .limit("originalLength", in: Bounds.sequence, \.originalLength),
            .ratio("lowFrequencyFactor", in: 1e-6...1e6, \.lowFrequencyFactor),
            .ratio("highFrequencyFactor", in: 1e-6...1e6, \.highFrequencyFactor),
            .ratio("betaFast", in: 1e-6...1e6, \.betaFast), .ratio("betaSlow", in: 1e-6...1e6, \.betaSlow),
            .ratio("attentionFactor", in: 1e-3...1000, \.attentionFactor),
            .flag("truncate", \.truncate, standard: true),
        ]
    }

    /// Added to the variance in norms, where the model states nothing else.
    package static let usualNormEpsilon = 1e-5
    /// Base of rotary positions, where the model states nothing else (Su et al. 2021).
    package static let usualRotaryBase = 10_000.0

    package var epsilonOfNorms: Double { normEpsilon ?? Self.usualNormEpsilon }
    package var baseOfRotation: Double { rotaryBase ?? Self.usualRotaryBase }

    /// The model with every number of the computation stated, so that two models that compute the same are equal in them.
    package var withStatedComputation: Model {
        var model = self
        model.normEpsilon = epsilonOfNorms
        if conventions.isRotary { model.rotaryBase = baseOfRotation }
        return model
    }

    /// Rules of rotary positions that the model breaks.
    var rotaryProblems: [(key: String, problem: PlanProblem)] {
        var problems: [(key: String, problem: PlanProblem)] = []
        func add(_ key: String, _ value: String, _ rule: String, fix: String = "") {
            problems.append((key, PlanProblem(.misfit, field: "", value: value, rule: rule, fix: fix)))
        }
        let isRotary = conventions.isRotary
        if let rotaryBase, !isRotary {
            add(
                "rotaryBase", Figures.plain(rotaryBase), "needs rotary positions", fix: "rotaryBase: none takes it away"
            )
        }
        guard let scaling = rotaryScaling else { return problems }
        if !isRotary {
            add(
                "rotaryScaling", scaling.kind.rawValue, "needs rotary positions",
                fix: "rotaryScaling: none takes it away")
            return problems
        }
        if scaling.kind == .llama3 || scaling.kind == .yarn, scaling.originalLength == nil {
            add(
                "rotaryScaling.originalLength", "(not given)", "is needed by \(scaling.kind.rawValue)",
                fix: "e.g. 8192, the sequences of the first training")
        }
        if scaling.kind == .llama3 {
            let (low, high) = (scaling.lowFrequencyFactor ?? 1, scaling.highFrequencyFactor ?? 4)
            if low >= high {
                add(
                    "rotaryScaling.lowFrequencyFactor", Figures.plain(low),
                    "must be below highFrequencyFactor \(Figures.plain(high))")
            }
        }
        return problems
    }
}
