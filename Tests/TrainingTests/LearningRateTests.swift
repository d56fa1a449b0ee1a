import Plans
import Testing

@testable import Training

@Suite struct LearningRateTests {
    @Test func warmUpThenCosine() {
        let settings = TrainSettings(
            data: "x", steps: 101, learningRate: 1e-3, minLearningRate: 1e-4, warmup: 20, schedule: .cosine)
        #expect(abs(settings.learningRate(step: 0) - 1e-3 / 20) < 1e-15)
        #expect(abs(settings.learningRate(step: 19) - 1e-3) < 1e-15)
        #expect(abs(settings.learningRate(step: 20) - 1e-3) < 1e-15)
        #expect(abs(settings.learningRate(step: 60) - 5.5e-4) < 1e-12)
        #expect(abs(settings.learningRate(step: 100) - 1e-4) < 1e-15)
        #expect(abs(settings.learningRate(step: 500) - 1e-4) < 1e-15)
    }

    @Test func constantStaysAndOneStepIsFine() {
        let constant = TrainSettings(data: "x", steps: 5, learningRate: 3e-4, schedule: .constant)
        #expect((0..<5).allSatisfy { constant.learningRate(step: $0) == 3e-4 })
        let single = TrainSettings(data: "x", steps: 1, learningRate: 3e-4, schedule: .cosine)
        #expect(abs(single.learningRate(step: 0) - 3e-4) < 1e-15)
    }
}
