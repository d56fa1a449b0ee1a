import Foundation
import Models
import Plans
import Schedules
import Training

/// Small valid inputs that between them use every key.
enum SeedPlans {
    static let texts = [
        """
        name: dense
        model: {name: llama2-7b}
        tokens: 300B
        cluster: v100-32g-sxm
        devices: 64
        batch: 512
        layout: {data: 8, tensor: 4, pipeline: 2, virtualStages: 2, microbatch: 2, schedule: interleaved-1f1b, recompute: full, recomputeLayers: 3, sharding: optimizer, sequenceParallel: true}

        """,
        """
        model: {family: gpt, layers: 10, hidden: 1024, heads: 16, vocab: 51200, sequence: 2048}
        tokens: 1B
        cluster:
          name: mixed
          groups:
            - {extends: v100-32g-sxm, nodes: 1}
            - {extends: v100-32g-sxm, nodes: 2, devicesPerNode: 4, price: 1.2}
          between: {name: ethernet, nicGbps: 100, nicsPerNode: 2, latency: 25 us, efficiency: 0.8, allReduceEfficiency: 0.7, inNetworkReduction: false}
        batch: 64
        layout: {tensor: 2, pipeline: 4, data: 2, layersPerStage: [3, 3, 2, 2]}

        """,
        """
        model: {family: llama, layers: 8, hidden: 1024, heads: 16, ffn: 2816, vocab: 32000, sequence: 2048, moe: {experts: 8, topK: 2, ffn: 1024, shared: 1}}
        cluster: h100-80g-sxm
        batch: 64
        layout: {pipeline: 6, pipelineLayout: "E|(tt|)*4,L", recompute: selective, recomputeModules: [moe_act, layernorm, shared_experts]}

        """,
        """
        model: {family: gpt, layers: 6, hidden: 1024, heads: 16, vocab: 51200, sequence: 2048}
        cluster: a100-80g-sxm
        batch: 64
        layout: {pipeline: 4, virtualStages: 2, accountForEmbeddingInPipelineSplit: true, accountForLossInPipelineSplit: true, recompute: full, recomputeMethod: uniform, recomputeLayers: 2}

        """,
        """
        model: {family: gpt, layers: 10, hidden: 1024, heads: 16, vocab: 51200, sequence: 2048}
        cluster: a100-80g-sxm
        batch: 64
        layout: {pipeline: 4, decoderFirstPipelineNumLayers: 1, decoderLastPipelineNumLayers: 3, recompute: full, recomputeEvery: 2}

        """,
        """
        model: {family: llama, layers: 8, hidden: 1024, heads: 16, kvHeads: 4, ffn: 4096, vocab: 32000, sequence: 8192, moe: {experts: 16, topK: 2, ffn: 512, shared: 1, nodeLimit: 2}}
        cluster: {extends: h100-80g-sxm, networks: [{name: nvlink, bandwidth: 450 GB/s, latency: 5 us, efficiency: 0.8}, {name: leaf, devices: 64, bandwidth: 50 GB/s, latency: 5 us, efficiency: 0.8, oversubscription: 3}, {name: spine, bandwidth: 50 GB/s, latency: 5 us, efficiency: 0.8, railOnly: true}]}
        devices: 64
        batch: 64
        layout: {data: 8, context: 8, contextExchange: headsAndRing, contextHeads: 2, expert: 8, dispatcher: deepep, sharding: parameters, shardGroup: 8, outerSharding: optimizer, overlap: {sharedExperts: true}}

        """,
        """
        model: {family: llama, layers: 24, hidden: 2048, heads: 16, kvHeads: 4, ffn: 5632, vocab: 32000, sequence: 4096}
        cluster: {extends: a100-80g-sxm, host: {memory: 1 TiB, bandwidth: 204 GB/s, link: 16 GB/s, linkEfficiency: 0.8, bandwidthEfficiency: 0.5}}
        devices: 16
        batch: 64
        layout: {data: 8, pipeline: 2, sharding: parameters, offload: {optimizer: 1, gradients: true, parameters: true, activations: true, overlap: false}}

        """,
        """
        model: {family: gpt, layers: 24, hidden: 1024, heads: 16, headSize: 64, ffn: 4096, mlp: gelu, vocab: 51200, sequence: 2048, tiedEmbeddings: true}
        tokens: 1T
        cluster: v100-32g-sxm
        devices: 32
        batch: 256
        precision: fp16
        framework: torch-fsdp
        layout: {data: 8, tensor: 2, pipeline: 2, microbatch: 4, schedule: zb-h1, flashAttention: false, gradients: fp32, layersPerStage: [11, 13], overlap: {data: true, tensor: true, pipeline: false, expert: true, sharedExperts: false}}

        """,
        """
        model:
          family: llama
          layers: 12
          hidden: 2048
          heads: 16
          kvHeads: 4
          ffn: 5632
          mlp: swiglu
          vocab: 32000
          sequence: 32768
        tokens: 3e12
        cluster:
          extends: v100-32g-sxm
          price: 2.5
          meanTimeBetweenFailures: 5 y
        batch: 64
        layout:
          data: 4
          tensor: 2
          context: 2
          pipeline: 4
          virtualStages: 1
          sharding: parameters
          shardGroup: 4
          schedule: 1f1b
        measured: {seconds: 12.5, memory: 30 GiB, memoryKind: reserved, source: somewhere}

        """,
        """
        model: {family: llama, layers: 8, hidden: 1024, heads: 16, ffn: 4096, vocab: 32000, sequence: 4096, moe: {experts: 16, topK: 2, ffn: 1024, shared: 1, sharedFfn: 512, firstDense: 2, every: 2, imbalance: 1.2, nodeLimit: 2}}
        tokens: 1e12
        cluster: v100-32g-sxm
        devices: 32
        batch: 128
        layout: {data: 16, tensor: 2, expert: 8, expertTensor: 2, microbatch: 1, sharding: gradients, recompute: selective}

        """,
        """
        model: {family: llama, layers: 8, hidden: 1024, heads: 16, ffn: 4096, vocab: 32000, sequence: 4096, moe: {experts: 8, topK: 2, ffn: 512}, mla: {queryRank: 256, kvRank: 128, nopeSize: 64, ropeSize: 32, valueSize: 64}}
        tokens: 1e12
        cluster: laptop
        precision: fp32
        devices: 8
        batch: 32
        layout: auto

        """,
        """
        model: {params: 1.3e9, sequence: 2048}
        tokens: 100B
        cluster: v100-32g-sxm
        devices: 16
        batch: 256
        layout: auto

        """,
        """
        model: {name: gpt3-175b, layers: 16, sequence: 4096}
        tokens: 300B
        cluster: v100-32g-sxm
        batch: 96
        layout: {data: 2, tensor: 8, pipeline: 8, microbatch: 1, schedule: auto}

        """,
        """
        model: {family: gpt, layers: 16, hidden: 512, heads: 8, vocab: 1000, sequence: 1024}
        cluster: v100-32g-sxm
        batch: 128
        layout: {data: 2, pipeline: 8, virtualStages: 2, microbatch: 2, schedule: dualpipev}
        train: {data: text, steps: 10, learningRate: 1e-3, minLearningRate: 1e-4, warmup: 2, schedule: cosine, betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, clip: 1, seed: 7, order: shuffled, tokenizer: bytes, checkpoint: {every: 5, path: runs/x, keep: 2}}

        """,
        """
        model: {family: llama, layers: 32, hidden: 4096, heads: 32, ffn: 11008, vocab: 32000, sequence: 4096}
        tokens: 2T
        cluster:
          name: own
          device: {name: chip, memory: 64 GiB, bandwidth: 1.6 TB/s, bandwidthEfficiency: 0.8, peak: {bf16: 320 TFLOP/s, fp8: 640 TFLOP/s}, matmulEfficiency: {1G: 0.2, 64G: 0.7}, attentionEfficiency: {1K: 0.2, 8K: 0.5}, launch: 5 us, reserved: 2 GiB, power: 400 W}
          devicesPerNode: 8
          nicGbps: 200
          nicsPerNode: 8
          networks:
            - {name: inner, bandwidth: 200 GB/s, latency: 5 us, efficiency: 0.8, inNetworkReduction: true, allReduceEfficiency: 0.7}
            - {name: outer, latency: 10 us, efficiency: {100: 0.9, 400: 0.7}}
        batch: 1024
        layout: {data: 32, tensor: 4, pipeline: 4, microbatch: 1, schedule: zbv}

        """,
    ]

    static let clusters = [
        """
        name: own
        source: a test
        device:
          name: chip
          source: a test
          memory: 64 GiB
          bandwidth: 1.6 TB/s
          bandwidthEfficiency: 0.8
          peak: {bf16: 320 TFLOP/s, fp16: 320 TFLOP/s, fp32: 40 TFLOP/s}
          matmulEfficiency: {1G: 0.2, 64G: 0.7}
          attentionEfficiency: {1K: 0.2, 8K: 0.5}
          matmulShape: {units: 108, sustained: 0.8, fill: 200, quantised: 0.5, overhead: 2 us}
          sustained: 0.9
          portableAttention: 0.7
          launch: 5 us
          reserved: 2 GiB
          power: 400 W
        devicesPerNode: 8
        nicGbps: 200
        nicsPerNode: 4
        price: 2
        meanTimeBetweenFailures: 5 y
        networks:
          - {name: inner, devices: 8, bandwidth: 200 GB/s, latency: 5 us, efficiency: 0.8}
          - {name: outer, latency: 10 us, efficiency: 0.8}

        """,
        """
        extends: v100-32g-sxm
        price: 3
        networks:
          - {name: all, bandwidth: 200 GB/s, latency: 5 us, efficiency: 0.8}

        """,
        """
        extends: laptop
        device: {products: {m: [1, 64], n: [1, 64], k: [1, 64], thousandths: "500 600 500 600 500 600 500 600"}}

        """,
    ]

    /// Names and keys of plans that the texts above do not hold.
    static let words =
        ScheduleName.allCases.map(\.rawValue) + [
            "auto", "none", "optimal", "relu", "geglu", "squaredRelu", "fp8", "sequential", "off", "framework",
            "extends", "hf",
        ]

    /// The lists of every schedule, as JSON and as rows of commas.
    static var actionLists: [String] {
        ScheduleName.allCases.flatMap { name -> [String] in
            let stages = name.fixedVirtualStages ?? 2
            guard let schedule = try? name.schedule(ranks: 4, virtualStages: stages, microbatches: 8) else { return [] }
            let rows = schedule.actions.map { $0.map(\.description) }
            let json = rows.map { "[" + $0.map { "\"\($0)\"" }.joined(separator: ",") + "]" }.joined(separator: ",\n")
            let placement = schedule.placement
            let reverse =
                placement.reverseStageToRank.map { "\"reverseStageToRank\":\($0),\"split\":\(placement.split)," } ?? ""
            return [
                rows.map { $0.joined(separator: ",") }.joined(separator: "\n") + "\n",
                "{\"schedule\":\"\(name.rawValue)\",\"ranks\":4,\"virtualStages\":\(stages),\"microbatches\":8,\n"
                    + "\"stageToRank\":\(placement.stageToRank),\(reverse)\n\"actions\":[\(json)]}\n",
            ]
        }
    }

    /// Headers of checkpoints, one tensor a line.
    static var headers: [String] {
        let models = [
            Model(family: .gpt, layers: 1, hidden: 8, heads: 2, vocab: 256, sequence: 8),
            Model(family: .llama, layers: 1, hidden: 8, heads: 2, kvHeads: 1, ffn: 16, vocab: 256, sequence: 8),
            Model(
                family: .llama, layers: 2, hidden: 8, heads: 2, ffn: 16, vocab: 256, sequence: 8,
                moe: Model.Mixture(experts: 2, topK: 1, ffn: 8, shared: 1, firstDense: 1)),
        ]
        return models.compactMap { model in
            let encoder = JSONEncoder()
            guard let shape = try? encoder.encode(model),
                let header = try? SafeTensorsFile.header(
                    tensors: ParameterLayout.allTensors(model: model),
                    metadata: [Checkpoint.modelKey: String(decoding: shape, as: UTF8.self), Checkpoint.stepKey: "3"])
            else { return nil }
            return String(decoding: header.dropFirst(8), as: UTF8.self).replacingOccurrences(of: "},", with: "},\n")
        }
    }
}
