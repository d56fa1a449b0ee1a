import Costs
import Models
import Plans
import PricingSupport
import Schedules
import Testing

/// Counts against the worked examples, which outside sources confirm.
@Suite struct GoldenTests {
    /// The examples count the vocabulary as it is, without padding.
    private func work(_ example: WorkedExample) throws -> LayoutWork {
        try Pricer(plan: example.plan, options: CostOptions(dropout: example.shape.family == .gpt))
            .work(example.layout)
    }

    @Test func everyDenseExampleIsRead() {
        #expect(WorkedExample.dense.count == 12)
    }

    @Test(arguments: WorkedExample.dense.map(\.example))
    func parameters(_ example: WorkedExample) {
        let model = example.shape
        #expect(Double(model.parameters().total) == example.parameters["total"] ?? nil)
        #expect(
            Double(model.layers) * ModelParts(model).blocks[0].parameters.held(tensor: 1)
                == (example.parameters["blocks"] ?? nil))
    }

    @Test(arguments: WorkedExample.dense.map(\.example))
    func flops(_ example: WorkedExample) {
        let model = example.shape
        let flops = FLOPs(model: model, sequences: example.parallel.global_batch)
        let golden = example.flops_per_iteration
        #expect(flops.required == golden["model_flops_noncausal"])
        #expect(flops.requiredCausal == golden["model_flops_causal"])
        if let selective = golden["korthikanti_hardware_selective"] { #expect(flops.hardwareSelective == selective) }
        if let full = golden["narayanan_eq3_full_recompute"] { #expect(flops.hardwareFull == full) }
        let parameters = Double(model.parameters().total)
        let tokens = example.tokens_per_iteration
        #expect(6 * parameters * tokens == golden["six_N_tokens"])
        #expect(FLOPs.palm(model: model, parameters: parameters, tokens: tokens) == golden["palm_6N_plus_12LHQT"])
    }

    @Test(arguments: WorkedExample.dense.map(\.example))
    func parametersAndStateByRank(_ example: WorkedExample) {
        let model = example.shape
        let state = StateBytes(precision: .bf16, gradients: nil)
        for stage in example.stages {
            let held = ModelParts(model).deviceParameters(
                blocks: [example.parallel.layers_per_stage[stage.rank]], tensor: example.parallel.t,
                vocabulary: model.vocab, holdsEmbedding: stage.has_embedding, holdsHead: stage.has_head)
            #expect(held == stage.params_per_gpu)
            let bytes = state.held(
                parameters: held, sharding: example.layout.sharding, group: example.parallel.d * example.parallel.c)
            #expect(bytes.weights + bytes.gradients + bytes.optimizer == stage.weight_grad_optimizer_bytes)
        }
    }

    @Test(arguments: WorkedExample.dense.map(\.example))
    func activationsByRank(_ example: WorkedExample) throws {
        let work = try work(example)
        #expect(ActivationBytes(work).kept == example.activation_bytes_per_layer_per_microbatch[0])
        for stage in example.stages {
            #expect(work.inFlight(rank: stage.rank) == stage.in_flight_stage_activations)
            #expect(LayoutMemory(work).blockActivationBytes(rank: stage.rank) == stage.activation_bytes_layers)
            let mask = LayoutMemory(work).embeddingMaskBytes(rank: stage.rank)
            #expect(abs(mask - stage.activation_bytes_first_stage_extra) < 1e-3)
            if let logits = stage.transient_last_stage["logits_fp32_one_microbatch"] {
                let padding = Double(work.vocabulary) / Double(example.shape.vocab)
                #expect(abs(LayoutMemory(work).logitBytes(rank: stage.rank) / (logits * padding) - 1) < 1e-12)
            }
            if let inputs = stage.transient_last_stage["final_norm_and_head_input"] {
                #expect(LayoutMemory(work).headInputBytes(rank: stage.rank) == inputs)
            }
        }
    }

    @Test(arguments: WorkedExample.dense.map(\.example))
    func traffic(_ example: WorkedExample) throws {
        let work = try work(example)
        let middle = example.parallel.p / 2
        let traffic = Traffic(work, rank: middle)
        // Of messages that tensor ranks send in parts each sends one, and gathers the others'.
        let t = Double(example.parallel.t)
        let parts = work.scattersMessages ? t : 1
        let gathered = (example.communication.pp?.sent_bytes_middle_stage ?? 0) * (parts - 1) / parts
        if let golden = example.communication.tp {
            // One stage has the embedding, the head and the loss too: an all-reduce or its halves each, three of 4 bytes a
            // token.
            let tokens = Double(example.parallel.microbatch * example.shape.sequence)
            let ends = (4 * 2 * tokens * Double(example.shape.hidden) + 3 * 2 * 4 * tokens) * (t - 1) / t
            let alone = Double(work.shape.microbatches) * (example.parallel.p == 1 ? ends : 0)
            #expect(traffic.tensor == golden.sent_bytes_middle_stage + gathered + alone)
        }
        if let golden = example.communication.pp {
            #expect(work.boundaryBytes == golden.message_bytes)
            #expect(traffic.pipeline == golden.sent_bytes_middle_stage / parts)
            #expect(Traffic(work, rank: 0).pipeline == golden.sent_bytes_rank0 / parts)
        }
        if let golden = example.communication.dp {
            #expect(traffic.gradients == golden.grad_reduce_scatter_sent)
            if example.layout.sharding != .none { #expect(traffic.weights == golden.param_all_gather_sent) }
        }
        if let golden = example.communication.cp { #expect(traffic.context == golden.sent_bytes_middle_stage) }
    }

    /// Korthikanti et al. 2022, figure 1: GiB of activations on the first rank, tensor parallelism alone and with
    /// sequence parallelism and selective recomputation.
    @Test(arguments: [
        (48, 6144, 64, 8, 1, 1, 4, 59.25, 9.5625), (96, 12288, 96, 8, 8, 3, 1, 66.84375, 12.3515625),
        (105, 20480, 128, 8, 35, 3, 1, 114.0234375, 23.076171875), (128, 25600, 160, 8, 64, 1, 1, 131.25, 26.5625),
    ])
    func figureOne(
        layers: Int, hidden: Int, heads: Int, tensor: Int, pipeline: Int, virtual: Int, batch: Int, baseline: Double,
        present: Double
    ) throws {
        let model = TestModel.gpt(layers: layers, hidden: hidden, heads: heads)
        func gib(_ recompute: Layout.Recompute, _ sequenceParallel: Bool) throws -> Double {
            let layout = Layout(
                tensor: tensor, pipeline: pipeline, virtualStages: virtual, microbatch: batch,
                schedule: virtual > 1 ? .interleaved : .oneForwardOneBackward, recompute: recompute,
                sequenceParallel: sequenceParallel, flashAttention: false)
            let plan = Plan(
                name: "", model: model, tokens: nil, cluster: TestCluster.a100(), devices: layout.devices,
                batch: batch * pipeline * 2, precision: .bf16, layout: layout)
            let work = try Pricer(plan: plan, options: CostOptions(dropout: true)).work(layout)
            return LayoutMemory(work).blockActivationBytes(rank: 0) / 1_073_741_824
        }
        #expect(try gib(.none, false) == baseline)
        #expect(try gib(.selective, true) == present)
    }

    /// Korthikanti et al. 2022, figure 7: a block's activations as a share of tensor parallelism alone.
    @Test(arguments: [
        (TestModel.gpt22B, 66.77, 49.37, 16.14, 7.59), (TestModel.gpt175B, 61.96, 56.52, 18.48, 8.70),
    ])
    func figureSeven(model: Model, sequence: Double, selective: Double, both: Double, full: Double) {
        func kept(_ recompute: Layout.Recompute, _ sequenceParallel: Bool) -> Double {
            ActivationBytes(
                ModelParts(model).blocks[0], sequence: model.sequence, tokens: 2048, tensor: 8,
                sequenceParallel: sequenceParallel, recompute: recompute,
                flashAttention: false, dropout: true, elementBytes: 2
            ).kept
        }
        let baseline = kept(.none, false) / 100
        #expect(abs(kept(.none, true) / baseline - sequence) < 0.006)
        #expect(abs(kept(.selective, false) / baseline - selective) < 0.006)
        #expect(abs(kept(.selective, true) / baseline - both) < 0.006)
        #expect(abs(kept(.full, false) / baseline - full) < 0.006)
    }

    /// Megatron-LM's and the ZeRO paper's table of bytes a parameter.
    @Test(arguments: stateCases)
    func bytesAParameter(_ row: StateCase) {
        let held = StateBytes(precision: row.precision, gradients: row.gradients)
            .held(parameters: 1000, sharding: row.sharding, group: 8)
        #expect(held.weights + held.gradients + held.optimizer == 1000 * row.bytes)
    }

    struct StateCase: Sendable {
        var precision: Precision
        var gradients: Precision?
        var sharding: Layout.Sharding
        var bytes: Double
    }

    static let stateCases: [StateCase] = [
        StateCase(precision: .bf16, sharding: .none, bytes: 18),
        StateCase(precision: .bf16, sharding: .optimizer, bytes: 6 + 12.0 / 8),
        StateCase(precision: .bf16, sharding: .gradients, bytes: 2 + 16.0 / 8),
        StateCase(precision: .bf16, sharding: .parameters, bytes: 18.0 / 8),
        StateCase(precision: .bf16, gradients: .bf16, sharding: .none, bytes: 16),
        StateCase(precision: .bf16, gradients: .bf16, sharding: .optimizer, bytes: 4 + 12.0 / 8),
        StateCase(precision: .bf16, gradients: .bf16, sharding: .gradients, bytes: 2 + 14.0 / 8),
        StateCase(precision: .bf16, gradients: .bf16, sharding: .parameters, bytes: 16.0 / 8),
        StateCase(precision: .fp16, sharding: .none, bytes: 20),
        StateCase(precision: .fp16, sharding: .optimizer, bytes: 4 + 16.0 / 8),
        StateCase(precision: .fp32, sharding: .none, bytes: 16),
        StateCase(precision: .fp32, sharding: .optimizer, bytes: 8 + 8.0 / 8),
        StateCase(precision: .fp8, sharding: .none, bytes: 18),
    ]
}
