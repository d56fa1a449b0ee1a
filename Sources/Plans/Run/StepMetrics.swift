package import Foundation

/// The figures of one training step: a line of `log.jsonl`. The properties' names are its keys; `docs/runtime.md`
/// explains them.
package struct StepMetrics: Hashable, Codable, Sendable {
    /// Number of the step, counted from 0.
    package var step: Int
    /// Mean cross-entropy over the batch's tokens, nats. NaN, in the log null, for a skipped step.
    package var loss: Double
    /// Norm of all gradients before clipping. NaN, in the log null, for a skipped step.
    package var gradNorm: Double
    package var learningRate: Double
    /// Wall-clock seconds of the step.
    package var seconds: Double
    package var tokensPerSecond: Double
    /// Model FLOPs of the whole step, the numerator of MFU.
    package var modelFLOPs: Double
    /// Fraction of the pipeline's rank-seconds without compute.
    package var bubble: Double
    /// Fraction of rank 0's step that is compute, the optimizer included.
    package var computeShare: Double
    /// Peak resident bytes of each rank.
    package var peakBytes: [Double]
    /// Whether the step changed nothing, because loss or gradients were no numbers. In the log only where it is so.
    package var isSkipped = false
    /// Whether the loss is far above that of the steps before. In the log only where it is so.
    package var isSpike = false
    /// Of the validation behind the step; nil: there was none.
    package var validation: ValidationLoss?

    package enum CodingKeys: String, CodingKey {
        case step, loss, gradNorm, learningRate, seconds, tokensPerSecond, modelFLOPs, bubble, computeShare, peakBytes
        case isSkipped = "skipped"
        case isSpike = "spike"
        case validationLoss, validationPerplexity, validationBitsPerByte
    }

    package init(
        step: Int, loss: Double, gradNorm: Double, learningRate: Double, seconds: Double, tokensPerSecond: Double,
        modelFLOPs: Double, bubble: Double, computeShare: Double, peakBytes: [Double]
    ) {
        self.step = step
        self.loss = loss
        self.gradNorm = gradNorm
        self.learningRate = learningRate
        self.seconds = seconds
        self.tokensPerSecond = tokensPerSecond
        self.modelFLOPs = modelFLOPs
        self.bubble = bubble
        self.computeShare = computeShare
        self.peakBytes = peakBytes
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func number(_ key: CodingKeys) throws -> Double { try values.decode(Double.self, forKey: key) }
        func numberOrNone(_ key: CodingKeys) throws -> Double {
            try values.decodeIfPresent(Double.self, forKey: key) ?? .nan
        }
        step = try values.decode(Int.self, forKey: .step)
        (loss, gradNorm) = (try numberOrNone(.loss), try numberOrNone(.gradNorm))
        (learningRate, seconds) = (try number(.learningRate), try number(.seconds))
        (tokensPerSecond, modelFLOPs) = (try number(.tokensPerSecond), try number(.modelFLOPs))
        (bubble, computeShare) = (try number(.bubble), try number(.computeShare))
        peakBytes = try values.decode([Double].self, forKey: .peakBytes)
        isSkipped = try values.decodeIfPresent(Bool.self, forKey: .isSkipped) ?? false
        isSpike = try values.decodeIfPresent(Bool.self, forKey: .isSpike) ?? false
        if values.contains(.validationLoss) {
            validation = ValidationLoss(
                loss: try numberOrNone(.validationLoss),
                bitsPerByte: try values.decodeIfPresent(Double.self, forKey: .validationBitsPerByte))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(step, forKey: .step)
        // JSON has no other numbers than finite ones.
        try values.encode(isSkipped ? nil : loss, forKey: .loss)
        try values.encode(isSkipped ? nil : gradNorm, forKey: .gradNorm)
        try values.encode(learningRate, forKey: .learningRate)
        try values.encode(seconds, forKey: .seconds)
        try values.encode(tokensPerSecond, forKey: .tokensPerSecond)
        try values.encode(modelFLOPs, forKey: .modelFLOPs)
        try values.encode(bubble, forKey: .bubble)
        try values.encode(computeShare, forKey: .computeShare)
        try values.encode(peakBytes, forKey: .peakBytes)
        if isSkipped { try values.encode(true, forKey: .isSkipped) }
        if isSpike { try values.encode(true, forKey: .isSpike) }
        guard let validation else { return }
        func finite(_ value: Double?) -> Double? { value.flatMap { $0.isFinite ? $0 : nil } }
        try values.encode(finite(validation.loss), forKey: .validationLoss)
        try values.encode(finite(validation.perplexity), forKey: .validationPerplexity)
        if validation.bitsPerByte != nil {
            try values.encode(finite(validation.bitsPerByte), forKey: .validationBitsPerByte)
        }
    }

    /// The step's line of the log, with its line break.
    /// - Throws: an error if a figure is not finite.
    package func line() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }

    /// The steps of a complete log.
    package static func steps(of log: String) throws -> [StepMetrics] {
        let decoder = JSONDecoder()
        return try log.split(separator: "\n").map { try decoder.decode(StepMetrics.self, from: Data($0.utf8)) }
    }

    /// The step number of a line of the log; nil if the line is incomplete.
    package static func step(ofLine line: Data) -> Int? {
        struct Number: Decodable {
            var step: Int

            init(from decoder: any Decoder) throws {
                step = try decoder.container(keyedBy: StepMetrics.CodingKeys.self).decode(Int.self, forKey: .step)
            }
        }
        return try? JSONDecoder().decode(Number.self, from: line).step
    }
}
