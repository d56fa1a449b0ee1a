package import Plans
package import Tensors

/// The rule by which a run's weights are stepped, with its settings.
package enum UpdateRule: Hashable, Sendable {
    /// AdamW, with moments in fp32 or in bf16.
    case adamw(AdamW, halfMoments: Bool)
    /// Muon for the matrices of blocks, AdamW for all other tensors.
    case muon(Muon, AdamW)
    case lion(Lion)
    case sgd(SGD)

    package init(_ optimizer: Optimizer, _ settings: TrainSettings) {
        let (betas, decay) = (settings.betas, settings.weightDecay)
        let adamw = AdamW(beta1: betas[0], beta2: betas[1], epsilon: settings.epsilon, weightDecay: decay)
        switch optimizer.name {
        case .adamw, .adafactor: self = .adamw(adamw, halfMoments: optimizer.firstMoment == .bf16)
        case .muon:
            let muon = Muon(
                momentum: settings.momentum ?? 0.95, weightDecay: decay, steps: optimizer.newtonSchulzSteps)
            self = .muon(muon, adamw)
        case .lion: self = .lion(Lion(beta1: betas[0], beta2: betas[1], weightDecay: decay))
        case .sgd:
            self = .sgd(SGD(momentum: optimizer.momentum ? settings.momentum ?? 0.9 : 0, weightDecay: decay))
        }
    }

    /// Whether the rule keeps a first and a second moment.
    var keepsFirst: Bool {
        if case .sgd(let sgd) = self { return sgd.momentum > 0 }
        return true
    }
    var keepsSecond: Bool {
        switch self {
        case .adamw, .muon: true
        case .lion, .sgd: false
        }
    }
}

/// Moments of the parameters whose update one rank does.
enum Moments {
    case single(first: Storage<Float>, second: Storage<Float>)
    case half(first: Storage<BFloat16>, second: Storage<BFloat16>)

    init(_ rule: UpdateRule, count: Int, sparse: [Range<Int>]) {
        func made<Element>(_ isKept: Bool) -> Storage<Element> {
            isKept ? Storage<Element>(count: count, sparse: sparse) : Storage<Element>(count: 0)
        }
        if case .adamw(_, halfMoments: true) = rule {
            self = .half(first: made(true), second: made(true))
        } else {
            self = .single(first: made(rule.keepsFirst), second: made(rule.keepsSecond))
        }
    }
}

/// A run of neighbouring parameters that take one step.
struct UpdatePart {
    var weights: UnsafeMutablePointer<Float>
    var gradients: UnsafeMutablePointer<Float>
    /// First of their moments.
    var place: Int
    var count: Int
    /// Whether they decay.
    var decays: Bool
    /// The factor on AdamW's learning rate; the decay of a step is not.
    var learningRateFactor = 1.0
}

extension AdamW {
    /// The rule with a decay that is the same when the learning rate is multiplied by `factor`.
    fileprivate func keepingDecay(at factor: Double) -> AdamW {
        var rule = self
        if factor != 1 { rule.weightDecay /= factor }
        return rule
    }
}

/// One step of a run's optimizer.
package struct OptimizerStep {
    package var rule: UpdateRule
    /// Number of the step, from 1.
    package var number: Int
    package var learningRate: Double
    /// Factor of all gradients (clipping).
    package var gradientScale: Float

    package init(_ rule: UpdateRule, number: Int, learningRate: Double, gradientScale: Float) {
        (self.rule, self.number, self.learningRate, self.gradientScale) = (rule, number, learningRate, gradientScale)
    }

    /// The step of parameters that are treated one by one.
    func apply(_ part: UpdatePart, _ moments: Moments) {
        let factor = part.learningRateFactor
        switch (rule, moments) {
        case (.adamw(let adamw, _), .half(let first, let second)):
            adamw.keepingDecay(at: factor).step(
                parameters: part.weights, gradients: part.gradients, firstMoment: first.pointer + part.place,
                secondMoment: second.pointer + part.place, count: part.count, step: number,
                learningRate: learningRate * factor, decay: part.decays, gradientScale: gradientScale)
        case (.adamw(let adamw, _), .single(let first, let second)),
            (.muon(_, let adamw), .single(let first, let second)):
            adamw.keepingDecay(at: factor).step(
                parameters: part.weights, gradients: part.gradients, firstMoment: first.pointer + part.place,
                secondMoment: second.pointer + part.place, count: part.count, step: number,
                learningRate: learningRate * factor, decay: part.decays, gradientScale: gradientScale)
        case (.lion(let lion), .single(let first, _)):
            lion.step(
                parameters: part.weights, gradients: part.gradients, moment: first.pointer + part.place,
                count: part.count, learningRate: learningRate, decay: part.decays, gradientScale: gradientScale)
        case (.sgd(let sgd), .single(let first, _)):
            sgd.step(
                parameters: part.weights, gradients: part.gradients,
                moment: sgd.momentum > 0 ? first.pointer + part.place : nil, count: part.count,
                learningRate: learningRate, decay: part.decays, gradientScale: gradientScale)
        case (.muon, .half), (.lion, .half), (.sgd, .half):
            preconditionFailure("only AdamW keeps bf16 moments")
        }
    }

    /// The step of weights that never had a gradient, which is the decay alone.
    func decay(_ weights: UnsafeMutablePointer<Float>, count: Int) {
        let decay: Double =
            switch rule {
            case .adamw(let adamw, _), .muon(_, let adamw): adamw.weightDecay
            case .lion(let lion): lion.weightDecay
            case .sgd(let sgd): sgd.weightDecay
            }
        VectorMath.scale(weights, count: count, by: Float(1 - learningRate * decay))
    }
}
