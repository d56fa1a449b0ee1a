import Inference
import Models
import Numbers
import Plans
import TestSupport
import Testing

/// What holds for any question about serving.
@Suite struct ServingPropertyTests {
    private static let models = [
        "llama2-7b", "llama3-70b", "deepseek-v3", "qwen3-235b-a22b", "gemma-2-27b", "gpt-oss-120b", "mistral-7b-v0.1",
        "qwen3-next-80b-a3b-thinking", "deepseek-v3.2",
    ]

    private static func random<Value>(_ choices: [Value], _ draws: inout SplitMix64) -> Value {
        choices[Int(draws.next() % UInt64(choices.count))]
    }

    /// A device on which a product's efficiency does not depend on its size, so that no larger one is slower for each row.
    private static func even(_ name: String) throws -> Cluster {
        var cluster = try Cluster.read(name, library: Checkout.library)
        let curve = EfficiencyCurve(points: [.init(size: 1, share: 0.6)])
        (cluster.device.products, cluster.device.matmulShape) = (nil, nil)
        (cluster.device.matmulEfficiency, cluster.device.attentionEfficiency) = (curve, curve)
        return cluster
    }

    @Test(arguments: 0..<200)
    func invariants(seed: Int) throws {
        var draws = SplitMix64(seed: UInt64(seed))
        let model = try Model.read(Self.random(Self.models, &draws), library: Checkout.library)
        let cluster = try Self.even(Self.random(["h100-80g-sxm", "b200-sxm", "mi300x", "a100-80g-sxm"], &draws))
        var work = Workload(
            weights: Self.random([.bf16, .fp8, .int4, .mxfp4], &draws), cache: Self.random([.bf16, .fp8], &draws),
            batch: Self.random([1, 3, 16, 64], &draws), prompt: Self.random([1, 100, 3000, 20_000], &draws),
            output: Self.random([1, 2, 500], &draws), overlaps: Self.random([true, false], &draws))
        var question = ServingQuestion(model: model, cluster: cluster, work: work, devices: 16)
        (question.tensor, question.pipeline) = (Self.random([1, 2, 4], &draws), Self.random([1, 2], &draws))
        question.expert = 1
        let copies = 16 / ((question.tensor ?? 1) * (question.pipeline ?? 1))
        work.batch *= copies
        question.work = work
        guard let estimate = try? question.estimate() else { return }
        let seconds = estimate.tokenSeconds
        #expect(seconds.first > 0 && estimate.prefillSeconds > 0)
        #expect(seconds.first <= seconds.middle && seconds.middle <= seconds.last)
        #expect(estimate.memory.fits && estimate.memory.total > 0)

        // Twice the sequences: never fewer tokens a second in all, never less memory.
        var more = question
        more.work.batch *= 2
        if let doubled = try? more.estimate() {
            #expect(doubled.decodeTokensPerSecond >= 0.999999 * estimate.decodeTokensPerSecond)
            #expect(doubled.memory.total >= estimate.memory.total)
            #expect(doubled.tokenSeconds.middle >= 0.999999 * seconds.middle)
        }

        // Narrower weights and a narrower cache: never more bytes, never later.
        var narrow = question
        narrow.work.cache = .fp8
        let narrowed = try narrow.estimate()
        #expect(narrowed.memory.total <= estimate.memory.total)
        #expect(narrowed.answerSeconds <= 1.000001 * estimate.answerSeconds)

        // A longer prompt: never less memory, never earlier.
        var longer = question
        longer.work.prompt *= 2
        if let longer = try? longer.estimate() {
            #expect(longer.memory.total >= estimate.memory.total)
            #expect(longer.prefillSeconds >= 0.999999 * estimate.prefillSeconds)
        }
    }

    /// More devices that cut a matrix, or more stages: never more bytes on each.
    @Test(arguments: models)
    func moreDevicesHoldLessEach(name: String) throws {
        let model = try Model.read(name, library: Checkout.library)
        var last = (tensor: Double.infinity, pipeline: Double.infinity)
        for degree in [1, 2, 4, 8] {
            func weights(tensor: Int, pipeline: Int) throws -> Double? {
                var question = ServingQuestion(
                    model: model, cluster: try Cluster.read("mi355x", library: Checkout.library),
                    work: Workload(weights: .int4, batch: 8, prompt: 1000, output: 100), devices: tensor * pipeline)
                (question.tensor, question.pipeline, question.expert) = (tensor, pipeline, 1)
                return (try? question.estimate()).map { $0.memory.weights + $0.memory.cache }
            }
            if let bytes = try weights(tensor: degree, pipeline: 1) {
                #expect(bytes <= last.tensor)
                last.tensor = bytes
            }
            if let bytes = try weights(tensor: 1, pipeline: degree) {
                #expect(bytes <= last.pipeline)
                last.pipeline = bytes
            }
        }
        #expect(last.tensor.isFinite && last.pipeline.isFinite)
    }
}
