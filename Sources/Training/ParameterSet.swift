package import Tensors

/// Weights, gradients and AdamW moments of the stages one rank holds, each a flat array: the decayed tensors of every
/// stage first, then the others, so that the optimizer runs over two ranges and a reduction over one.
package final class ParameterSet {
    /// One tensor's place in the flat arrays.
    package struct Slot: Hashable, Sendable {
        package var tensor: ParameterTensor
        package var stage: Int
        package var offset: Int
    }

    package let slots: [Slot]
    package let count: Int
    /// Elements at the front that AdamW decays.
    package let decayedCount: Int
    private let weightStorage: FloatStorage
    private let gradientStorage: FloatStorage
    private let firstMoment: FloatStorage
    private let secondMoment: FloatStorage
    private let lookup: [Key: Slot]

    private struct Key: Hashable {
        var stage: Int
        var name: String
    }

    /// `stages`: the tensors of each stage of this rank, by stage number. All values start at zero.
    package init(stages: [(stage: Int, tensors: [ParameterTensor])]) {
        var slots: [Slot] = []
        var offset = 0
        var decayed = 0
        for decays in [true, false] {
            for (stage, tensors) in stages {
                for tensor in tensors where tensor.decays == decays {
                    slots.append(Slot(tensor: tensor, stage: stage, offset: offset))
                    // Every tensor starts on a cache line.
                    offset += (tensor.count + 15) / 16 * 16
                }
            }
            if decays { decayed = offset }
        }
        self.slots = slots
        count = offset
        decayedCount = decayed
        weightStorage = FloatStorage(count: offset)
        gradientStorage = FloatStorage(count: offset)
        firstMoment = FloatStorage(count: offset)
        secondMoment = FloatStorage(count: offset)
        lookup = Dictionary(
            slots.map { (Key(stage: $0.stage, name: $0.tensor.name), $0) },
            uniquingKeysWith: { first, _ in first })
    }

    package var weights: UnsafeMutablePointer<Float> { weightStorage.pointer }
    package var gradients: UnsafeMutablePointer<Float> { gradientStorage.pointer }

    /// Where a stage's tensor begins in the flat arrays. The name must be one of the stage's.
    package func offset(stage: Int, name: String) -> Int {
        guard let slot = slot(stage: stage, name: name) else {
            preconditionFailure("stage \(stage) holds no \(name)")
        }
        return slot.offset
    }

    /// A stage's tensor, or nil when the stage is not held here or has no tensor of that name.
    package func slot(stage: Int, name: String) -> Slot? { lookup[Key(stage: stage, name: name)] }

    package func clearGradients() { gradients.update(repeating: 0, count: count) }

    /// One AdamW step over everything this rank holds; gradients are multiplied by `gradientScale` first (clipping).
    package func optimise(_ settings: AdamW, step: Int, learningRate: Double, gradientScale: Float) {
        for (range, decays) in [(0..<decayedCount, true), (decayedCount..<count, false)] where !range.isEmpty {
            settings.step(
                parameters: weights + range.lowerBound, gradients: gradients + range.lowerBound,
                firstMoment: firstMoment.pointer + range.lowerBound,
                secondMoment: secondMoment.pointer + range.lowerBound, count: range.count, step: step,
                learningRate: learningRate, decay: decays, gradientScale: gradientScale)
        }
    }

    /// Fills every tensor from a weights file.
    package func load(from file: SafeTensorsFile) throws(TrainingError) {
        for slot in slots { try file.copy(slot.tensor, to: weights + slot.offset) }
    }

    /// Fills every tensor from its name and `seed`.
    package func initialise(seed: UInt64) {
        for slot in slots { Initialisation.fill(weights + slot.offset, tensor: slot.tensor, seed: seed) }
    }
}
