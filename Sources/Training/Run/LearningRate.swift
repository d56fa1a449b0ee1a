package import Plans

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

extension TrainSettings {
    /// The learning rate of `step` (from 0): linear warm-up to `learningRate` over `warmup` steps, then constant or half a
    /// cosine. The cosine would reach `minLearningRate` one step after the last, as in `get_cosine_schedule_with_warmup` of
    /// `transformers`: progress = (step − warmup) / max(1, steps − warmup).
    package func learningRate(step: Int) -> Double {
        if step < warmup { return learningRate * Double(step + 1) / Double(warmup) }
        switch schedule {
        case .constant: return learningRate
        case .cosine:
            let length = max(steps - warmup, 1)
            let progress = min(Double(step - warmup) / Double(length), 1)
            return minLearningRate + (learningRate - minLearningRate) * 0.5 * (1 + cos(.pi * progress))
        }
    }
}
