import Foundation
import Models
import Plans
import Tensors
import TestSupport
import Testing
import Training

/// The maximal update parametrization against the rules of Tensor Programs V, and what it is for.
@Suite struct MaximalUpdateTests {
    static func model(width: Int, family: Model.Family = .gpt) -> Model {
        Model(
            family: family, layers: 2, hidden: width, heads: width / 8, vocab: 64, sequence: 16, tiedEmbeddings: false)
    }

    static func units(_ model: Model, baseWidth: Int?) -> [ParameterLayout.Unit] {
        let units = ParameterLayout.units(model: model, layers: 0..<model.layers, isFirst: true, isLast: true)
        return baseWidth.map { base in units.map { $0.following(MaximalUpdate(baseWidth: base), model) } } ?? units
    }

    @Test(arguments: [Model.Family.gpt, .llama]) func atTheBaseWidthNothingChanges(family: Model.Family) {
        let model = Self.model(width: 32, family: family)
        #expect(Self.units(model, baseWidth: 32) == Self.units(model, baseWidth: nil))
    }

    /// Table 3 of the paper for Adam at four times the base width.
    @Test(arguments: [Model.Family.gpt, .llama]) func factorsAreThoseOfThePaper(family: Model.Family) {
        let model = Self.model(width: 128, family: family)
        var (matrices, others) = (0, 0)
        for (plain, unit) in zip(Self.units(model, baseWidth: nil), Self.units(model, baseWidth: 32)) {
            for (before, after) in zip(plain.tensors, unit.tensors) {
                let isHidden = before.name.hasPrefix("h.") || before.name.hasPrefix("model.layers.")
                let isMatrix = isHidden && before.shape.count == 2
                let factors: (start: Float, rate: Double) =
                    before.name == model.head.name ? (1.0 / 4, 1.0 / 4) : isMatrix ? (1.0 / 2, 1.0 / 4) : (1, 1)
                #expect(after.learningRateFactor == factors.rate, "\(before.name)")
                if case .normal(let deviation) = before.start {
                    #expect(after.start == .normal(deviation * factors.start), "\(before.name)")
                } else {
                    #expect(after.start == before.start, "\(before.name)")
                }
                if isMatrix { matrices += 1 } else { others += 1 }
            }
        }
        #expect(matrices >= 8 && others >= 4)
    }

    /// Steps of a unit take each tensor with its own rate, and the decay of the base width.
    @Test func aStepTakesEachTensorAtItsRate() {
        let model = Self.model(width: 64)
        let sets = [nil, 16].map { base in
            let set = ParameterSet(
                stages: [(0, Self.units(model, baseWidth: base))],
                rule: .adamw(AdamW(weightDecay: 0.5), halfMoments: false))
            for unit in set.units {
                for index in 0..<unit.count { (unit.weights[index], unit.gradients[index]) = (1, 1) }
            }
            set.optimise(OptimizerStep(set.rule(0.5), number: 1, learningRate: 0.01, gradientScale: 1))
            return set
        }
        // The sets own the memory of their units.
        defer { withExtendedLifetime(sets) {} }
        for (plain, followed) in zip(sets[0].units, sets[1].units) {
            for slot in followed.slots {
                let factor = Float(slot.tensor.learningRateFactor)
                let decay: Float = slot.tensor.decays ? 0.01 * 0.5 : 0
                for place in [slot.offset, slot.offset + slot.count - 1] {
                    // Adam's first step is the rate, whatever the gradient.
                    #expect(abs(plain.weights[place] - (1 - decay - 0.01)) < 1e-5, "\(slot.tensor.name)")
                    #expect(abs(followed.weights[place] - (1 - decay - 0.01 * factor)) < 1e-5, "\(slot.tensor.name)")
                }
            }
        }
    }

    /// The coordinate check (appendix D.1 of the paper): after a few steps of Adam, blocks' outputs have moved as far at every
    /// width with μP. In the standard parametrization they move farther the wider the model is.
    @Test func outputsMoveAsFarAtEveryWidth() throws {
        func moved(_ width: Int, isMup: Bool) throws -> Double {
            try Self.movement(of: Self.model(width: width), baseWidth: isMup ? 32 : nil)
        }
        let (small, wide) = (try moved(32, isMup: true), try moved(256, isMup: true))
        let (plainSmall, plainWide) = (try moved(32, isMup: false), try moved(256, isMup: false))
        #expect(small == plainSmall)
        #expect(wide / small > 0.5 && wide / small < 2, "μP: \(wide / small)")
        #expect(plainWide / plainSmall > 3, "standard: \(plainWide / plainSmall)")
    }

    /// Root of the mean square by which three steps of Adam change the blocks' outputs of the same inputs.
    private static func movement(of model: Model, baseWidth: Int?) throws -> Double {
        let shape = MicrobatchShape(model: model, sequences: 2)
        let all = units(model, baseWidth: baseWidth)
        let blocks = all.filter { if case .block = $0.kind { true } else { false } }
        let rule = UpdateRule(Optimizer(), TrainSettings(data: "", steps: 1, weightDecay: 0))
        let parameters = ParameterSet(stages: [(0, blocks)], rule: rule)
        parameters.initialise(seed: 1)
        // The set owns the memory of the stage's weights.
        defer { withExtendedLifetime(parameters) {} }
        let context = StageContext(model: model, shape: shape, parameters: parameters)
        let stage = ModelStage(
            model: model, index: 0, layers: 0..<model.layers, isFirst: false, isLast: false, parameters: parameters,
            context: context)
        let activations = SavedStage(
            shape: shape, blocks: stage.kinds, recompute: stage.recompute, savesOutputs: true)
        let count = shape.boundaryCount
        let buffers = (0..<3).map { _ in Storage<Float>(count: count) }
        func matrix(_ number: Int) -> Matrix {
            Matrix(buffers[number].pointer, rows: shape.streamRows, columns: shape.hidden)
        }
        func outputs() throws -> [Float] {
            // Inputs of size 1, the same at every width: what a token is does not change as a model grows.
            for index in 0..<count { buffers[0].pointer[index] = (index * 7919) % 13 < 6 ? 1 : -1 }
            activations.input = matrix(0)
            try stage.forward(activations, output: matrix(2), shape: shape)
            return Array(UnsafeBufferPointer(start: buffers[2].pointer, count: count))
        }
        let before = try outputs()
        for step in 1...3 {
            parameters.clearGradients()
            _ = try outputs()
            // The gradient by every output has one sign a column.
            for index in 0..<count {
                buffers[1].pointer[index] = (index % shape.hidden) % 3 == 0 ? 1e-2 : -1e-2
            }
            try stage.backward(activations, gradient: matrix(1), tokens: nil, weightsLater: false)
            parameters.optimise(OptimizerStep(rule, number: step, learningRate: 0.003, gradientScale: 1))
        }
        let after = try outputs()
        let sum = zip(before, after).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        return (sum / Double(count)).squareRoot()
    }
}

extension ParameterSet {
    /// AdamW with this decay.
    fileprivate func rule(_ decay: Double) -> UpdateRule { .adamw(AdamW(weightDecay: decay), halfMoments: false) }
}
