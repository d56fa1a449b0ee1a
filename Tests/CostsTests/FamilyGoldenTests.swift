import Costs
import Foundation
import Models
import Plans
import PricingSupport
import Schedules
import TestSupport
import Testing

/// The worked examples of models with experts and latent attention.
@Suite struct FamilyGoldenTests {
    struct Example: Decodable {
        struct Parallel: Decodable {
            var t, p, d, c, ep, microbatch, global_batch, num_microbatches: Int
            var layers_per_stage: [Int]
        }
        struct Stage: Decodable {
            var rank, layers: Int
            var has_embedding, has_head: Bool
            var params_per_gpu, dense_params_per_gpu, expert_params_per_gpu, weight_grad_optimizer_bytes: Double
        }
        struct Exchange: Decodable {
            var sent_bytes_middle_stage: Double
        }
        struct Reduction: Decodable {
            var grad_reduce_scatter_sent, param_all_gather_sent: Double
        }
        struct Communication: Decodable {
            var ep: Exchange
            var dp: Reduction
        }
        var parallel: Parallel
        var parameters: [String: Double?]
        var flops_per_iteration: [String: Double]
        var activation_bytes_per_layer_per_microbatch: [Double]
        var stages: [Stage]
        var communication: Communication
        var tokens_per_iteration: Double
    }

    private func example(_ name: String) throws -> Example {
        struct File: Decodable {
            var examples: [String: Lenient]
        }
        struct Lenient: Decodable {
            var example: Example?
            init(from decoder: any Decoder) throws { example = try? Example(from: decoder) }
        }
        let path = URL(filePath: "\(Checkout.root)/Tests/Goldens/worked_examples.json")
        let file = try JSONDecoder().decode(File.self, from: Data(contentsOf: path))
        return try #require(file.examples[name]?.example)
    }

    static let mixtral = Model(
        family: .llama, layers: 32, hidden: 4096, heads: 32, kvHeads: 8, ffn: 14336, vocab: 32000, sequence: 4096,
        moe: .init(experts: 8, topK: 2, ffn: 14336))
    static let deepSeekV3 = Model(
        family: .llama, layers: 61, hidden: 7168, heads: 128, headSize: 128, ffn: 18432, vocab: 129280, sequence: 4096,
        moe: .init(experts: 256, topK: 8, ffn: 2048, shared: 1, firstDense: 3),
        mla: .init(queryRank: 1536, kvRank: 512, nopeSize: 128, ropeSize: 64, valueSize: 128))

    static let cases: [(name: String, model: Model)] = [
        ("mixtral-8x7b/32gpu", mixtral), ("deepseek-v3/2048", deepSeekV3),
    ]

    @Test(arguments: cases)
    func parametersAndFLOPs(_ name: String, _ model: Model) throws {
        let golden = try example(name)
        let parameters = model.parameters()
        #expect(Double(parameters.total) == golden.parameters["total"] ?? nil)
        #expect(Double(parameters.active) == golden.parameters["active"] ?? nil)
        #expect(Double(parameters.blocks) == golden.parameters["blocks"] ?? nil)
        let flops = FLOPs(model: model, sequences: golden.parallel.global_batch)
        #expect(flops.required == golden.flops_per_iteration["model_flops_noncausal"])
        #expect(flops.requiredCausal == golden.flops_per_iteration["model_flops_causal"])
        let (active, tokens) = (Double(parameters.active), golden.tokens_per_iteration)
        #expect(6 * active * tokens == golden.flops_per_iteration["six_N_tokens"])
        #expect(
            FLOPs.palm(model: model, parameters: active, tokens: tokens)
                == golden.flops_per_iteration["palm_6N_plus_12LHQT"])
    }

    @Test(arguments: cases)
    func parametersAndStateByRank(_ name: String, _ model: Model) throws {
        let golden = try example(name)
        let parallel = golden.parallel
        let state = StateBytes(precision: .bf16, gradients: nil)
        let parts = ModelParts(model)
        // DualPipe gives rank r the stages r and p − 1 − r; the others one stage each.
        let isFolded = golden.stages.map(\.layers).reduce(0, +) > model.layers
        for stage in golden.stages {
            let held = isFolded ? [stage.rank, parallel.p - 1 - stage.rank] : [stage.rank]
            let blocks = held.reduce([0, 0]) { sum, index in
                let start = parallel.layers_per_stage[..<index].reduce(0, +)
                let counts = parts.kinds.counts(in: start..<start + parallel.layers_per_stage[index])
                return zip(sum, counts + [0]).map(+)
            }
            let dense = parts.deviceParameters(
                blocks: blocks, tensor: parallel.t, vocabulary: model.vocab,
                holdsEmbedding: stage.has_embedding, holdsHead: stage.has_head)
            let experts = parts.expertParameters(
                blocks: blocks, expert: parallel.ep, expertTensor: 1)
            #expect(dense == stage.dense_params_per_gpu)
            #expect(experts == stage.expert_params_per_gpu)
            let bytes = [
                state.held(parameters: dense, sharding: .optimizer, group: parallel.d),
                state.held(parameters: experts, sharding: .optimizer, group: parallel.d / parallel.ep),
            ].reduce(0) { $0 + $1.weights + $1.gradients + $1.optimizer }
            #expect(bytes == stage.weight_grad_optimizer_bytes)
        }
    }

    @Test(arguments: cases)
    func activationsOfABlock(_ name: String, _ model: Model) throws {
        let golden = try example(name)
        func kept(mixture: Bool) throws -> Double {
            ActivationBytes(
                try #require(ModelParts(model).blocks.first { ($0.mixture != nil) == mixture }),
                sequence: model.sequence,
                tokens: Double(golden.parallel.microbatch * model.sequence), tensor: 1,
                sequenceParallel: false, recompute: .none, flashAttention: true, dropout: false, elementBytes: 2
            ).kept
        }
        let kinds = golden.activation_bytes_per_layer_per_microbatch
        #expect(try kept(mixture: true) == kinds.last)
        if kinds.count > 1 { #expect(try kept(mixture: false) == kinds[0]) }
    }

    private func mixtralWork(expert: Int) throws -> LayoutWork {
        let layout = Layout(data: 8, pipeline: 4, expert: expert, sharding: .optimizer, flashAttention: true)
        let plan = Plan(
            name: "", model: Self.mixtral, tokens: nil, cluster: TestCluster.a100(), devices: 32, batch: 128,
            precision: .bf16, layout: layout)
        return try Pricer(plan: plan).work(layout)
    }

    @Test func expertsExchangeAndReduceWhatTheExampleSays() throws {
        let golden = try example("mixtral-8x7b/32gpu").communication
        let traffic = try Traffic(mixtralWork(expert: 8), rank: 1)
        #expect(traffic.expert == golden.ep.sent_bytes_middle_stage)
        #expect(traffic.gradients == golden.dp.grad_reduce_scatter_sent)
        #expect(traffic.weights == golden.dp.param_all_gather_sent)
    }

    /// Spreading experts costs an exchange and saves memory; together they are the whole iteration's breakdown.
    @Test func expertParallelismTradesMemoryForExchanges() throws {
        let (alone, spread) = (try mixtralWork(expert: 1), try mixtralWork(expert: 8))
        #expect(LayoutMemory(spread).peak < LayoutMemory(alone).peak)
        #expect(IterationTime(alone).breakdown.expertComm == 0)
        #expect(IterationTime(spread).breakdown.expertComm > 0)
        let estimate = Estimate(spread, time: IterationTime(spread))
        #expect(estimate.activeParameters == Double(Self.mixtral.parameters().active))
        #expect(abs(estimate.iteration.breakdown.sum / estimate.iteration.seconds - 1) < 1e-12)
    }

    /// An all-to-all moves what each device keeps from itself; a node boundary makes it slower.
    @Test func allToAllCrossesEachLevelItMust() {
        let cluster = TestCluster.a100()
        let inside = DeviceGroup(size: 8, stride: 1, cluster: cluster).allToAll(ExpertTraffic(copies: 1e9))
        let across = DeviceGroup(size: 16, stride: 1, cluster: cluster).allToAll(ExpertTraffic(copies: 1e9))
        let wide = DeviceGroup(size: 64, stride: 1, cluster: cluster).allToAll(ExpertTraffic(copies: 1e9))
        #expect(inside < across)
        #expect(across < wide)
        #expect(DeviceGroup(size: 1, stride: 1, cluster: cluster).allToAll(ExpertTraffic(copies: 1e9)) == 0)
        let network = cluster.networks[0]
        let bytes = 1e9 * 7 / 8 / (network.bytesPerSecond * network.efficiency)
        #expect(abs(inside - bytes) < 10 * network.latencySeconds)
    }
}
