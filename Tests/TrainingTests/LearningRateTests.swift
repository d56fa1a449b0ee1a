import Plans
import Testing
import Training

@Suite struct LearningRateTests {
    @Test func warmUpThenCosine() {
        let settings = TrainSettings(
            data: "x", steps: 100, learningRate: 1e-3, minLearningRate: 1e-4, warmup: 20, schedule: .cosine)
        #expect(abs(settings.learningRate(step: 0) - 1e-3 / 20) < 1e-15)
        #expect(abs(settings.learningRate(step: 19) - 1e-3) < 1e-15)
        #expect(abs(settings.learningRate(step: 20) - 1e-3) < 1e-15)
        #expect(abs(settings.learningRate(step: 60) - 5.5e-4) < 1e-12)
        #expect(settings.learningRate(step: 99) > 1e-4)
        #expect(abs(settings.learningRate(step: 100) - 1e-4) < 1e-15)
        #expect(abs(settings.learningRate(step: 500) - 1e-4) < 1e-15)
    }

    /// `get_cosine_schedule_with_warmup(optimizer, 4, 20)` of transformers after the warm-up:
    /// max(0, 0.5 · (1 + cos(π · (step − 4) / (20 − 4)))), computed in Python.
    @Test func theCosineIsTransformers() {
        let settings = TrainSettings(
            data: "x", steps: 20, learningRate: 1, minLearningRate: 0, warmup: 4, schedule: .cosine)
        let golden: [Int: Double] = [
            4: 1.0,
            5: 0.9903926402016152,
            8: 0.8535533905932737,
            12: 0.5,
            16: 0.14644660940672627,
            19: 0.009607359798384785,
        ]
        for (step, rate) in golden {
            #expect(abs(settings.learningRate(step: step) - rate) < 1e-12, "step \(step)")
        }
    }

    @Test func constantStaysAndOneStepIsFine() {
        let constant = TrainSettings(data: "x", steps: 5, learningRate: 3e-4, schedule: .constant)
        #expect((0..<5).allSatisfy { constant.learningRate(step: $0) == 3e-4 })
        let single = TrainSettings(data: "x", steps: 1, learningRate: 3e-4, schedule: .cosine)
        #expect(abs(single.learningRate(step: 0) - 3e-4) < 1e-15)
    }
}
