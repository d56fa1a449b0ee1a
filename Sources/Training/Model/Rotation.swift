internal import Models
internal import Tensors

extension RotaryFrequencies {
    /// The frequencies of a model's rotary positions; nil with other positions.
    init?(_ model: Model) {
        guard model.conventions.isRotary else { return nil }
        let base = model.baseOfRotation
        let plain = RotaryFrequencies(base: base, headSize: model.headSize)
        guard let scaling = model.rotaryScaling else {
            self = plain
            return
        }
        let length = Double(scaling.originalLength ?? model.sequence)
        switch scaling.kind {
        case .linear: self = plain.interpolated(factor: scaling.factor)
        case .llama3:
            self = plain.llama3(
                factor: scaling.factor, originalLength: length, low: scaling.lowFrequencyFactor ?? 1,
                high: scaling.highFrequencyFactor ?? 4)
        case .yarn:
            self = plain.yarn(
                base: base, factor: scaling.factor, originalLength: length, fast: scaling.betaFast ?? 32,
                slow: scaling.betaSlow ?? 1, amplitude: scaling.attentionFactor, truncates: scaling.truncate)
        // `RuntimeSupport` refuses these.
        case .dynamic, .longrope: self = plain
        }
    }
}
