import Foundation
import Plans
import Reading
import TestSupport
import Testing
import Training

/// Every key that a plan of a real run may hold, and what the run makes of it: nothing is set and silently ignored.
@Suite struct RuntimeKeyTests {
    /// Fate of a key whose value differs from that of a plan without the key.
    enum Fate: Hashable {
        /// The run does it; the word says where that is tested.
        case done(String)
        case refused(String)
        /// It cannot change the result of the run.
        case remarked(String)
    }

    /// A key, a value for it, and its fate. `beside`: other lines of its map.
    struct Row {
        var map: String
        var key: String
        var value: String
        var fate: Fate
        var beside: [String] = []

        init(_ map: String, _ key: String, _ value: String, _ fate: Fate, beside: [String] = []) {
            (self.map, self.key, self.value, self.fate, self.beside) = (map, key, value, fate, beside)
        }
    }

    private static let layouts = Fate.done("Tests/RuntimeChecks/LayoutCase.swift")
    private static let parity = Fate.done("Tests/EndToEndTests/ParityTests.swift")
    private static let corpora = Fate.done("Tests/EndToEndTests/CorpusRunTests.swift")
    private static let stages = Fate.done("StageGradientTests")
    private static let picture = "{height: 32, width: 32, patch: 8}"
    /// Keys of a text that a row takes away.
    private static let textless = ["-vocab", "-sequence"]

    static let rows: [Row] = [
        Row("layout", "data", "1", layouts), Row("layout", "tensor", "1", layouts),
        Row("layout", "pipeline", "1", layouts), Row("layout", "virtualStages", "1", layouts),
        Row("layout", "context", "1", layouts), Row("layout", "expert", "1", layouts),
        Row(
            "layout", "contextExchange", "heads", .refused("layout.contextExchange: needs context above 1")),
        Row(
            "layout", "contextExchange", "gather", .refused("layout.contextExchange: must be ring in a real run"),
            beside: ["context: 2"]),
        Row("layout", "contextHeads", "2", .refused("layout.contextHeads: belongs to contextExchange headsAndRing")),
        Row("layout", "dispatcher", "deepep", .refused("layout.dispatcher: the model has no experts")),
        Row("layout", "expertTensor", "1", layouts), Row("layout", "microbatch", "2", layouts),
        Row("layout", "schedule", "gpipe", layouts), Row("layout", "recompute", "selective", layouts),
        Row("layout", "recomputeLayers", "1", layouts, beside: ["recompute: full"]),
        Row("layout", "recomputeModules", "[core_attn]", layouts, beside: ["recompute: selective"]),
        Row(
            "layout", "recomputeModules", "[mlp]",
            .refused("layout.recomputeModules: must be [core_attn] in a real run"),
            beside: ["recompute: selective"]),
        Row("layout", "recomputeEvery", "2", layouts, beside: ["recompute: full"]),
        Row(
            "layout", "recomputeMethod", "uniform",
            .refused("layout.recomputeMethod: must keep the input of every block"),
            beside: ["recompute: full", "recomputeLayers: 2"]),
        Row("layout", "sharding", "optimizer", .remarked("sharding optimizer does nothing with one")),
        Row("layout", "shardGroup", "1", .remarked("shardGroup 1 does nothing with sharding none")),
        Row("layout", "outerSharding", "optimizer", .refused("layout.outerSharding: needs sharding parameters")),
        Row(
            "layout", "vocabularyParallel", "vocab-2",
            .refused("layout.vocabularyParallel: needs an output projection of its own"),
            beside: ["pipeline: 2"]),
        Row("layout", "sequenceParallel", "false", layouts),
        Row("layout", "flashAttention", "false", .refused("layout.flashAttention: must be true in a real run")),
        Row("layout", "gradients", "bf16", .refused("layout.gradients: must be fp32 in a real run")),
        Row("layout", "layersPerStage", "[4]", layouts),
        Row("layout", "pipelineLayout", "'Et*4L'", layouts),
        Row("layout", "accountForEmbeddingInPipelineSplit", "true", layouts),
        Row("layout", "accountForLossInPipelineSplit", "true", layouts),
        Row(
            "layout", "decoderFirstPipelineNumLayers", "1", layouts,
            beside: ["pipeline: 2", "decoderLastPipelineNumLayers: 3"]),
        Row(
            "layout", "decoderLastPipelineNumLayers", "3", layouts,
            beside: ["pipeline: 2", "decoderFirstPipelineNumLayers: 1"]),
        Row("layout", "offload", "{optimizer: true}", .refused("layout.offload: must be absent in a real run")),
        Row("layout.offload", "optimizer", "true", .refused("layout.offload: must be absent in a real run")),
        Row(
            "layout.offload", "gradients", "true", .refused("layout.offload.gradients: needs sharding gradients")),
        Row(
            "layout.offload", "parameters", "true", .refused("layout.offload.parameters: needs sharding parameters")),
        Row("layout.offload", "activations", "true", .refused("layout.offload: must be absent in a real run")),
        Row("layout.offload", "overlap", "false", .refused("says how an optimizer on the host steps")),
        Row("layout", "overlap", "{data: false}", .refused("layout.overlap.data: must be true in a real run")),
        Row("layout", "globalBatch", "4", .done("LayoutReadingTests")),
        Row("layout", "microbatches", "4", .done("LayoutReadingTests")),
        Row("layout.overlap", "data", "false", .refused("layout.overlap.data: must be true")),
        Row("layout.overlap", "tensor", "true", .refused("layout.overlap.tensor: must be false")),
        Row("layout.overlap", "pipeline", "false", .refused("layout.overlap.pipeline: must be true")),
        Row("layout.overlap", "expert", "true", .refused("layout.overlap.expert: must be false")),
        Row(
            "layout.overlap", "sharedExperts", "true", .refused("layout.overlap.sharedExperts: the model has no shared")
        ),

        Row("model", "family", "llama", stages, beside: ["ffn: 48"]), Row("model", "layers", "4", stages),
        Row("model", "hidden", "32", stages), Row("model", "heads", "4", stages),
        Row("model", "kvHeads", "2", .refused("model.kvHeads: 2 cannot be run")),
        Row("model", "headSize", "16", stages), Row("model", "ffn", "48", stages),
        Row("model", "mlp", "relu", stages), Row("model", "vocab", "128", layouts),
        Row("model", "sequence", "16", layouts), Row("model", "tiedEmbeddings", "false", stages),
        Row("model", "moe", "{experts: 4, topK: 2, ffn: 16}", .refused("model.moe: (given) cannot be run")),
        Row(
            "model", "mla", "{kvRank: 8, nopeSize: 8, ropeSize: 8, valueSize: 8}",
            .refused("model.mla: (given) cannot be run")),
        Row("model", "name", "mine", .done("a name alone")),
        Row("model", "params", "20M", .done("chooses a shape"), beside: ["-"]),
        Row("model", "hf", "config.json", .refused("no Hugging Face configuration there")),
        Row("model", "norm", "layerNormNoBias", .refused("model.norm: layerNormNoBias cannot be run")),
        Row("model", "positions", "alibi", .refused("model.positions: alibi cannot be run")),
        Row("model", "positionEntries", "64", .done("HuggingFaceRunTests")),
        Row("model", "positionEntries", "2", .refused("model.positionEntries: 2 cannot be run")),
        Row("model", "normEpsilon", "1e-6", .done("HuggingFaceTests")),
        Row("model", "rotaryBase", "500000", .refused("model.rotaryBase: needs rotary positions")),
        Row("model", "rotaryScaling", "{factor: 2}", .refused("model.rotaryScaling: needs rotary positions")),
        Row("model", "biases", "[head]", .refused("model.biases: [head] cannot be run")),
        Row("model", "embeddingNorm", "true", .refused("model.embeddingNorm: true cannot be run")),
        Row("model", "finalNorm", "false", .refused("model.finalNorm: false cannot be run")),
        Row("model", "embeddingSize", "8", .refused("model.embeddingSize: 8 cannot be run")),
        Row("model", "otherParameters", "8", .refused("model.otherParameters: 8 cannot be run")),
        Row(
            "model", "mtp", "{layers: 1}", .refused("model.mtp: (given) cannot be run"),
            beside: ["family: llama", "ffn: 48"]),
        Row("model", "qkNormKind", "rmsNorm", .refused("model.qkNormKind: rmsNorm cannot be run")),
        Row("model", "image", picture, .refused("model.image: (given) cannot be run"), beside: textless),
        Row(
            "model", "video", "{frames: 4, height: 32, width: 32, patch: 8}",
            .refused("model.video: (given) cannot be run"), beside: textless),
        Row(
            "model", "text", "{tokens: 4, width: 8}", .refused("model.image: (given) cannot be run"),
            beside: textless + ["image: \(picture)", "crossAttention: {norm: none}"]),
        Row(
            "model", "diffusion", "{scalars: 1}", .refused("model.image: (given) cannot be run"),
            beside: textless + ["image: \(picture)"]),
        Row(
            "model", "classes", "10", .refused("model.image: (given) cannot be run"),
            beside: textless + ["image: \(picture)"]),
        Row("model", "causal", "false", .refused("model.causal: false cannot be run")),
        Row("model", "modulation", "6", .refused("model.modulation: needs an image or a video")),
        Row("model", "stream", "single", .refused("model.stream: needs an image or a video")),
        Row("model", "crossAttention", "{norm: none}", .refused("model.crossAttention: needs an image or a video")),
        Row("model", "valueSize", "8", .refused("model.valueSize: 8 cannot be run")),
        Row("model", "queryRank", "8", .refused("model.queryRank: 8 cannot be run")),
        Row(
            "model", "outputGroups", "2", .refused("model.outputGroups: 2 cannot be run"), beside: ["outputRank: 4"]),
        Row(
            "model", "outputRank", "4", .refused("model.outputGroups: 2 cannot be run"), beside: ["outputGroups: 2"]),
        Row("model", "window", "8", stages),
        Row("model", "chunk", "8", .refused("model.chunk: 8 cannot be run")),
        Row(
            "model", "keyBlocks", "{size: 4, topK: 2, heads: 2, headSize: 8}",
            .refused("model.keyBlocks: (given) cannot be run")),
        Row(
            "model", "keyCompression", "{ratio: 4}", .refused("model.keyCompression: (given) cannot be run"),
            beside: ["window: 8", "kvHeads: 1", "keyValues: keysAreValues"]),
        Row("model", "qkNorm", "head", stages),
        Row("model", "qkNorm", "whole", .refused("model.qkNorm: whole cannot be run")),
        Row("model", "outputGate", "head", .refused("model.outputGate: head cannot be run")),
        Row("model", "sinks", "true", .refused("model.sinks: true cannot be run")),
        Row("model", "keyValues", "keysAreValues", .refused("model.keyValues: keysAreValues cannot be run")),
        Row("model", "halves", "attention", .refused("model.halves: attention cannot be run")),
        Row("model", "norms", "both", .refused("model.norms: both cannot be run")),
        Row("model", "parallel", "twoNorms", .refused("model.parallel: twoNorms cannot be run")),
        Row(
            "model", "mamba2", "{heads: 4, headSize: 16, stateSize: 8}",
            .refused("model.mamba2: (given) cannot be run")),
        Row("model", "mamba", "{inner: 64, stepRank: 2}", .refused("model.mamba: (given) cannot be run")),
        Row(
            "model", "gatedDeltaNet", "{keyHeads: 2, valueHeads: 4, keySize: 8, valueSize: 8}",
            .refused("model.gatedDeltaNet: (given) cannot be run")),
        Row(
            "model", "kimiDeltaAttention", "{heads: 4, headSize: 8}",
            .refused("model.kimiDeltaAttention: (given) cannot be run")),
        Row(
            "model", "lightningAttention", "{heads: 4, headSize: 8}",
            .refused("model.lightningAttention: (given) cannot be run")),
        Row("model", "shortConvolution", "{kernel: 3}", .refused("model.shortConvolution: (given) cannot be run")),
        Row("model", "rgLRU", "{width: 32, blocks: 4}", .refused("model.rgLRU: (given) cannot be run")),
        Row("model", "rwkv", "{attentionSize: 32}", .refused("model.rwkv: (given) cannot be run")),
        Row(
            "model", "mLSTM", "{heads: 4, keySize: 4, valueSize: 8}", .refused("model.mLSTM: (given) cannot be run")),
        Row(
            "model", "besideAttention", "true", .refused("cannot be run"),
            beside: ["rwkv: {attentionSize: 32}"]),
        Row("model", "extraParameters", "8", .refused("model.extraParameters: 8 cannot be run")),
        Row(
            "model", "kinds", "{local: {window: 8}}", .refused("model.kinds: (given) cannot be run"),
            beside: ["pattern: local*4"]),
        Row(
            "model", "pattern", "local*4", .refused("model.kinds: (given) cannot be run"),
            beside: ["kinds: {local: {window: 8}}"]),
        Row(
            "model.moe", "sharedGate", "true", .refused("model.moe.sharedGate: (given) cannot be run"),
            beside: ["shared: 1"]),
        Row("model.moe", "routerCorrection", "true", .refused("model.moe.routerCorrection: (given) cannot be run")),
        Row("model.moe", "latentSize", "8", .refused("model.moe.latentSize: (given) cannot be run")),
        Row("model.moe", "denseFfn", "8", .refused("model.moe.denseFfn: (given) cannot be run")),
        Row("model.moe", "experts", "4", stages), Row("model.moe", "topK", "2", stages),
        Row("model.moe", "ffn", "16", stages), Row("model.moe", "shared", "1", stages),
        Row("model.moe", "sharedFfn", "8", stages, beside: ["shared: 1"]), Row("model.moe", "firstDense", "1", layouts),
        Row("model.moe", "every", "2", layouts),
        Row("model.moe", "imbalance", "2", .remarked("model.moe.imbalance 2 prices alone")),
        Row(
            "model.moe", "capacityFactor", "1.25", .refused("model.moe.capacityFactor: (given) cannot be run")),
        Row(
            "model.moe", "padToCapacity", "true", .refused("model.moe.capacityFactor: (given) cannot be run"),
            beside: ["capacityFactor: 1"]),
        Row(
            "model.moe", "tokenDropPolicy", "position", .refused("model.moe.capacityFactor: (given) cannot be run"),
            beside: ["capacityFactor: 1"]),
        Row("model.moe", "nodeLimit", "2", .refused("model.moe.nodeLimit: 2 cannot be run")),

        Row("train", "data", "text", parity), Row("train", "steps", "2", parity),
        Row("train", "tokenizer", "gpt2", .refused("train.tokenizer: must be bytes")),
        Row("train", "tokenizer", "x/tokenizer.json", corpora),
        Row("train", "documents", "apart", layouts, beside: ["endOfDocument: 10"]),
        Row("train", "documents", "packed", .refused("train.documents: packed cannot be run")),
        Row("train", "endOfDocument", "10", layouts, beside: ["documents: packed"]),
        Row("train", "endOfDocument", "10", .refused("train.endOfDocument: ends documents, and they are joined")),
        Row("train", "validation", "{share: 0.1}", corpora), Row("train.validation", "share", "0.1", corpora),
        Row("train.validation", "data", "[text]", corpora),
        Row("train.validation", "every", "2", corpora, beside: ["share: 0.1"]),
        Row("train.validation", "batches", "2", corpora, beside: ["share: 0.1"]),
        Row("train", "order", "sequential", parity), Row("train", "learningRate", "1e-3", parity),
        Row("train", "minLearningRate", "1e-5", .done("LearningRateTests")),
        Row(
            "train", "minLearningRate", "1e-5", .remarked("train.minLearningRate does nothing"),
            beside: ["schedule: constant"]),
        Row("train", "warmup", "1", .done("LearningRateTests")), Row("train", "schedule", "constant", parity),
        Row("train", "betas", "[0.8, 0.9]", parity), Row("train", "eps", "1e-6", parity),
        Row("train", "momentum", "0.9", .remarked("train.momentum does nothing with optimizer adamw")),
        Row("train", "weightDecay", "0", parity), Row("train", "clip", "none", parity),
        Row("train", "auxiliaryLoss", "1", .remarked("train.auxiliaryLoss does nothing in a model without experts")),
        Row("train", "folder", "runs/x", .done("RunFolderTests")),
        Row("train", "seed", "2", parity), Row("train", "init", "w.safetensors", parity),
        Row("train", "checkpoint", "{path: run}", .done("TrainCommandTests")),
        Row("train.checkpoint", "every", "1", .done("TrainCommandTests")),
        Row("train.checkpoint", "path", "run", .done("TrainCommandTests")),
        Row("train", "resume", "auto", .done("ResumeTests")),
        Row("train", "stateCheck", "{every: 2}", .done("IntegrityTests")),
        Row("train.stateCheck", "every", "2", .done("IntegrityTests")),
        Row("train", "maxSkippedSteps", "2", .done("IntegrityTests")),
        Row("train", "mup", "{baseWidth: 8}", .refused("model.tiedEmbeddings: is one table under two rules")),
        Row("train.mup", "baseWidth", "8", .refused("model.tiedEmbeddings: is one table under two rules")),
        Row("train.checkpoint", "asynchronous", "true", .done("ResumeTests")),
        Row(
            "train.checkpoint", "every", "auto", .refused("train.checkpoint.every: auto cannot be run"),
            beside: ["keep: 1"]),
        Row("train.checkpoint", "keep", "1", .done("TrainCommandTests")),

        Row("", "precision", "fp16", .refused("precision")),
        Row("", "precision", "{recipe: tensorwise}", .refused("precision")),
        Row("", "optimizer", "muon", layouts), Row("", "optimizer", "{moments: bf16}", layouts),
        Row("", "optimizer", "lion", layouts), Row("", "optimizer", "{name: sgd, momentum: false}", layouts),
        Row("", "optimizer", "adafactor", .refused("optimizer.name: adafactor cannot be run")),
        Row("", "optimizer", "{moments: fp8}", .refused("optimizer.moments: fp8 cannot be run")),
        Row("", "optimizer", "{name: muon, moments: bf16}", .refused("optimizer.moments: bf16 cannot be run")),
        Row(
            "", "optimizer", "{master: no}", .refused("optimizer.master: none cannot be run"),
            beside: ["precision: bf16"]),
        Row("", "loss", "chunked", .refused("loss: chunked cannot be run")),
        Row(
            "", "offload", "{optimizer: true}",
            .refused("layout.offload: must be absent in a real run"),
            beside: ["cluster: h100-80g-sxm"]),
        Row("", "offload", "auto", .refused("offload: offloads where no layout of a search fits")),
        Row("", "gradients", "bf16", .refused("layout.gradients: must be fp32 in a real run")),
        Row("", "lora", "{rank: 2, alpha: 4, targetModules: [c_attn]}", stages),
        Row(
            "", "lora", "{rank: 2, targetModules: [linear_qkv]}",
            .refused("lora.targetModules: linear_qkv cannot be run")),
        Row("", "frozen", "[embedding, layers 0-1]", stages),
        Row("", "quantized", "nf4", .refused("quantized: nf4 cannot be run"), beside: ["lora: {rank: 2}"]),
        Row("", "packing", "{documents: 4, endOfDocument: 10}", stages),
        Row("", "packing", "{documents: 4}", .refused("packing: (given) cannot be run")),
        Row("", "padding", "0.1", .refused("padding: 0.1 cannot be run")),
        Row("", "rampupBatchSize", "[2, 2, 8]", .refused("rampupBatchSize: 2 cannot be run")),
        Row("", "accumulation", "4", .done("BadPlanTests")),
        Row("", "framework", "megatron-core", .remarked("framework megatron-core prices alone")),
    ]

    /// The reader's own list of the keys of every map, so that a key it learns has to be given a fate here.
    @Test(arguments: [
        "layout", "layout.overlap", "layout.offload", "model", "model.moe", "train", "train.checkpoint",
        "train.mup", "train.stateCheck", "train.validation",
    ])
    func everyKeyHasAFate(_ map: String) throws {
        let row = Row(map, "zzzzzzzz", "1", .refused(""))
        let said = try outcome(of: row).refusal ?? ""
        let list = try #require(said.firstMatch(of: #/zzzzzzzz: unknown key; known here: (.*)/#)?.1, "\(said)")
        let known = Set(list.split(separator: "\n")[0].split(separator: ", ").map(String.init))
        #expect(known == Set(Self.rows.filter { $0.map == map }.map(\.key)))
    }

    @Test(arguments: rows.indices) func isDoneRefusedOrRemarked(_ index: Int) throws {
        let row = Self.rows[index]
        let outcome = try outcome(of: row)
        switch row.fate {
        case .done:
            #expect(outcome.refusal == nil && outcome.remarks == [], "\(row): \(outcome)")
        case .refused(let words):
            #expect(outcome.refusal?.contains(words) == true, "\(row): \(outcome)")
        case .remarked(let words):
            #expect(outcome.refusal == nil, "\(row): \(outcome)")
            #expect(outcome.remarks.count == 1 && outcome.remarks[0].contains(words), "\(row): \(outcome)")
        }
    }

    /// What is stated and is what the runtime does is fine.
    @Test func theRuntimesOwnWaysMayBeStated() throws {
        let row = Row(
            "layout", "overlap", "{data: true, tensor: false, pipeline: true, expert: false}", .done(""),
            beside: ["flashAttention: true", "gradients: fp32"])
        let outcome = try outcome(of: row)
        #expect(outcome.refusal == nil && outcome.remarks == [])
    }

    /// Reads a plan with the row's key set, as a run does, and asks whether it can be run.
    private func outcome(of row: Row) throws -> (refusal: String?, remarks: [String]) {
        var maps: [String: [String: String]] = [
            "model": ["family": "gpt", "layers": "4", "hidden": "32", "heads": "4", "vocab": "128", "sequence": "16"],
            "train": ["data": "text", "steps": "2"], "layout": [:], "": ["batch": "4"],
        ]
        let moe = ["experts": "4", "topK": "2", "ffn": "16"]
        if row.map == "model.moe" {
            maps["model"] = (maps["model"] ?? [:]).merging(["family": "llama", "ffn": "48"]) { $1 }
        }
        if row.beside == ["-"] { maps["model"] = ["sequence": "16"] }
        var inner: [String: String] =
            row.map == "model.moe" ? moe : row.map == "train.checkpoint" ? ["path": "run"] : [:]
        for key in row.beside where key.hasPrefix("-") { maps["model"]?[String(key.dropFirst())] = nil }
        let beside = row.beside.filter { !$0.hasPrefix("-") }.map { $0.split(separator: ":", maxSplits: 1) }
        let set = Dictionary(beside.map { (String($0[0]), String($0[1])) }) { $1 }.merging([row.key: row.value]) { $1 }
        if let dot = row.map.firstIndex(of: ".") {
            inner.merge(set) { $1 }
            let text = inner.map { "\($0): \($1)" }.joined(separator: ", ")
            maps[String(row.map[..<dot])]?[String(row.map[row.map.index(after: dot)...])] = "{\(text)}"
        } else {
            maps[row.map]?.merge(set) { $1 }
        }
        var lines = (maps[""] ?? [:]).map { "\($0): \($1)" }
        for name in ["model", "layout", "train"] {
            lines.append("\(name): {" + (maps[name] ?? [:]).map { "\($0): \($1)" }.joined(separator: ", ") + "}")
        }
        let folder = try TemporaryFolder()
        let file = try folder.write(lines.joined(separator: "\n") + "\n", as: "plan.yaml")
        do {
            let plan = try Plan.read(path: file, library: Checkout.library, isRun: true)
            let (layout, settings) = (try #require(plan.layout), try #require(plan.train))
            try Trainer.check(plan: plan, layout: layout, processes: layout.devices)
            return (nil, plan.remarksOfARun(layout, settings).map(\.text))
        } catch let problems as PlanProblems {
            return (problems.description, [])
        } catch let error as TrainingError {
            return (error.description, [])
        }
    }
}
