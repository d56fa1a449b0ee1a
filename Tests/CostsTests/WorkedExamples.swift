import Foundation
import Models
import Plans
import Schedules
import TestSupport
import Testing

/// One case of Tests/Goldens/worked_examples.json, as far as dense models need it.
struct WorkedExample: Decodable, CustomTestStringConvertible {
    struct Parallel: Decodable {
        var t, p, d, c, v: Int
        var sequence_parallel: Bool
        var microbatch, global_batch: Int
        var distributed_optimizer: Bool
        var schedule, recompute: String
        var layers_per_stage: [Int]
    }

    struct Stage: Decodable {
        var rank: Int
        var has_embedding, has_head: Bool
        var params_per_gpu, weight_grad_optimizer_bytes: Double
        var in_flight_stage_activations: Int
        var activation_bytes_layers, activation_bytes_first_stage_extra: Double
        var transient_last_stage: [String: Double]
    }

    struct TensorTraffic: Decodable {
        var sent_bytes_middle_stage: Double
    }

    struct PipelineTraffic: Decodable {
        var message_bytes: Double
        var sent_bytes_middle_stage: Double
        var sent_bytes_rank0: Double
    }

    struct DataTraffic: Decodable {
        var grad_reduce_scatter_sent: Double
        var param_all_gather_sent: Double
    }

    struct ContextTraffic: Decodable {
        var sent_bytes_middle_stage: Double
    }

    struct Communication: Decodable {
        var tp: TensorTraffic?
        var pp: PipelineTraffic?
        var dp: DataTraffic?
        var cp: ContextTraffic?
    }

    struct Confirmation: Decodable {
        var quantity: String
        var ours: Double
        var outside: Double?
        var relative_difference: Double?
    }

    var model: String
    var parallel: Parallel
    var parameters: [String: Double?]
    var flops_per_iteration: [String: Double]
    var activation_bytes_per_layer_per_microbatch: [Double]
    var stages: [Stage]
    var communication: Communication
    var tokens_per_iteration: Double
    var confirmations: [Confirmation]

    /// Every dense case by name.
    static let dense: [(name: String, example: WorkedExample)] = {
        struct File: Decodable {
            var examples: [String: Entry]
        }
        // Cases of other model families do not have the dense ones' fields.
        struct Entry: Decodable {
            var example: WorkedExample?
            init(from decoder: any Decoder) throws { example = try? WorkedExample(from: decoder) }
        }
        let path = URL(filePath: "\(Checkout.root)/Tests/Goldens/worked_examples.json")
        guard let data = try? Data(contentsOf: path),
            let file = try? JSONDecoder().decode(File.self, from: data)
        else { return [] }
        return file.examples.sorted { $0.key < $1.key }.compactMap { name, entry in
            guard let example = entry.example, models[example.model] != nil else { return nil }
            return (name, example)
        }
    }()

    private static let models: [String: Model] = [
        "gpt-22b": TestModel.gpt22B,
        "gpt3-175b": TestModel.gpt175B,
        "mt-nlg-530b": TestModel.gpt(layers: 105, hidden: 20480, heads: 128),
        "gpt-1t": TestModel.gpt(layers: 128, hidden: 25600, heads: 160),
        "llama2-70b": TestModel.llama70B,
        "llama3-405b": llama405B(sequence: 8192),
        "llama3-405b-128k": llama405B(sequence: 131072),
    ]

    private static func llama405B(sequence: Int) -> Model {
        Model(
            family: .llama, layers: 126, hidden: 16384, heads: 128, kvHeads: 8, ffn: 53248, vocab: 128256,
            sequence: sequence)
    }

    /// The shape; its sequence is what the tokens of an iteration say.
    var shape: Model {
        var shape = Self.models[model] ?? TestModel.tiny
        shape.sequence = Int(tokens_per_iteration) / parallel.global_batch
        return shape
    }

    var testDescription: String {
        "\(model) t\(parallel.t) p\(parallel.p) v\(parallel.v) d\(parallel.d) c\(parallel.c) \(parallel.recompute)"
    }

    var layout: Layout {
        let schedule: ScheduleName = parallel.schedule == "interleaved" ? .interleaved : .oneForwardOneBackward
        let recompute: Layout.Recompute =
            switch parallel.recompute {
            case "selective": .selective
            case "full": .full
            default: .none
            }
        return Layout(
            data: parallel.d, tensor: parallel.t, pipeline: parallel.p, virtualStages: parallel.v,
            context: parallel.c, microbatch: parallel.microbatch, schedule: schedule, recompute: recompute,
            sharding: parallel.distributed_optimizer ? .optimizer : .none,
            sequenceParallel: parallel.sequence_parallel, flashAttention: parallel.recompute == "flash",
            layersPerStage: parallel.v == 1 ? parallel.layers_per_stage : nil)
    }

    var plan: Plan {
        Plan(
            name: model, model: shape, tokens: nil, cluster: TestCluster.a100(), devices: layout.devices,
            batch: parallel.global_batch, precision: .bf16, layout: layout)
    }
}
