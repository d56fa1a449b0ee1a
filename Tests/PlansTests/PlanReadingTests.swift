import Foundation
import Models
import Reading
import Schedules
import TestSupport
import Testing

import Plans

@Suite struct PlanReadingTests {
    @Test func countsOfAFileMayBeGrouped() throws {
        let plan = try PlanText.read(BadPlan.good.replacing("batch: 64", with: "batch: 4,096"))
        #expect(plan.batch == 4096)
    }

    /// A real run needs no cluster file; only the price beside it does.
    @Test func aRunIsReadWithoutAClusterFile() throws {
        let folder = try TemporaryFolder()
        func read(_ precision: String, isRun: Bool) throws -> Plan {
            let text =
                "model: {family: gpt, layers: 2, hidden: 32, heads: 2, vocab: 256, sequence: 16}\nbatch: 8\n"
                + "precision: \(precision)\nlayout: {tensor: 2, pipeline: 2}\ntrain: {data: text, steps: 2}\n"
            let path = try folder.write(text, as: "run.yaml")
            return try Plan.read(path: path, library: Library(folders: [folder.path]), isRun: isRun)
        }
        for precision in ["fp32", "bf16"] {
            let plan = try read(precision, isRun: true)
            #expect(plan.precision.rawValue == precision && plan.devices == 4 && plan.remarks.isEmpty)
        }
        #expect(throws: PlanProblems.self) { try read("fp8", isRun: true) }
        let priced = #expect(throws: PlanProblems.self) { try read("fp32", isRun: false) }
        #expect(priced?.description.contains("cluster: is missing") == true)
    }

    static let trained = """
        name: tiny
        model: {family: gpt, layers: 4, hidden: 64, heads: 4, vocab: 256, sequence: 32}
        batch: 8
        layout: {pipeline: 2, microbatch: 1}
        train:
          data: corpus.txt
          order: sequential
          steps: 20
          learningRate: 1e-3
          minLearningRate: 1e-4
          warmup: 5
          schedule: constant
          betas: [0.9, 0.99]
          eps: 1e-7
          weightDecay: 0.01
          clip: none
          seed: 7
          checkpoint: {every: 10, path: runs/tiny, keep: 3}
        """

    @Test func aRunInBF16IsPricedAtTheFP32RateWhereTheClusterHasNoOther() throws {
        let plan = try PlanText.read("precision: bf16\n" + Self.trained)
        #expect(plan.precision == .bf16)
        #expect(plan.cluster.device.peakFLOPs[.bf16] == plan.cluster.device.peakFLOPs[.fp32])
        #expect(plan.remarks.contains { $0.text.contains("has no rate for bf16") }, "\(plan.remarks)")
    }

    @Test func everyKeyOfThePlanIsRead() throws {
        let plan = try PlanText.read(
            """
            name: full
            model:
              family: llama
              layers: 8
              hidden: 512
              heads: 8
              kvHeads: 4
              headSize: 32
              ffn: 1024
              mlp: geglu
              vocab: 32000
              sequence: 2K
              tiedEmbeddings: true
            tokens: 1.5B
            cluster: {extends: a100-80g-sxm, devicesPerNode: 4, nicGbps: 100, nicsPerNode: 2, price: 3.5}
            devices: 32
            batch: 64
            precision: fp16
            layout:
              tensor: 2
              sequenceParallel: true
              pipeline: 2
              virtualStages: 2
              context: 2
              microbatch: 2
              recompute: selective
              sharding: optimizer
              flashAttention: false
              gradients: fp32
              overlap: {data: false, tensor: true, pipeline: false}
              layersPerStage: [3, 2, 2, 1]
            """)
        #expect(
            plan.model
                == Model(
                    family: .llama, layers: 8, hidden: 512, heads: 8, kvHeads: 4, headSize: 32, ffn: 1024, mlp: .geglu,
                    vocab: 32_000, sequence: 2000, tiedEmbeddings: true))
        #expect(plan.tokens == 1.5e9)
        #expect(plan.cluster.devicesPerNode == 4)
        #expect(plan.cluster.networks.map(\.devices) == [4, Network.everything])
        #expect(plan.cluster.networks.last?.bytesPerSecond == 100e9 / 8 * 2 / 4)
        #expect(plan.cluster.pricePerDeviceHour == 3.5)
        #expect(plan.precision == .fp16)
        let expected = Layout(
            data: 4, tensor: 2, pipeline: 2, virtualStages: 2, context: 2, microbatch: 2, schedule: .interleaved,
            recompute: .selective, sharding: .optimizer, sequenceParallel: true, flashAttention: false,
            gradients: .fp32, overlap: Layout.Overlap(data: false, tensor: true, pipeline: false),
            layersPerStage: [3, 2, 2, 1])
        #expect(plan.layout == expected)
        #expect(plan.train == nil)
    }

    @Test func aPlanThatIsOnlyTrainedNeedsNoClusterAndNoTokens() throws {
        let plan = try PlanText.read(Self.trained)
        #expect(plan.tokens == nil)
        #expect(plan.devices == 2)
        #expect(plan.precision == .fp32)
        #expect(plan.layout == Layout(pipeline: 2))
        let train = try #require(plan.train)
        #expect(train.order == .sequential)
        #expect(train.steps == 20)
        #expect(train.learningRate == 1e-3)
        #expect(train.minLearningRate == 1e-4)
        #expect(train.warmup == 5)
        #expect(train.schedule == .constant)
        #expect(train.betas == [0.9, 0.99])
        #expect(train.epsilon == 1e-7)
        #expect(train.weightDecay == 0.01)
        #expect(train.clip == nil)
        #expect(train.seed == 7)
        #expect(train.checkpoint == TrainSettings.Checkpoint(every: 10, path: "runs/tiny", keep: 3))
        #expect(plan.remarks.contains { $0.text.contains("no cluster is named") && $0.text.contains(".yaml") })
    }

    @Test func ratesThatFollowTheWidthAreReadAndWritten() throws {
        let plan = try PlanText.read(
            """
            model: {family: gpt, layers: 1, hidden: 8, heads: 1, vocab: 256, sequence: 8}
            batch: 2
            train: {data: a.txt, steps: 3, mup: {baseWidth: 4}}
            """)
        #expect(plan.train?.mup == MaximalUpdate(baseWidth: 4))
        #expect(try PlanText.read(plan.yaml(library: Checkout.library)).train?.mup == plan.train?.mup)
        // One table cannot follow two rules.
        #expect(MaximalUpdate.problem(plan)?.field == "model.tiedEmbeddings")
        var other = plan
        other.model.tiedEmbeddings = false
        #expect(MaximalUpdate.problem(other) == nil)
        other.optimizer = Optimizer(.muon)
        #expect(MaximalUpdate.problem(other)?.field == "optimizer.name")
        other = plan
        other.train?.mup = nil
        #expect(MaximalUpdate.problem(other) == nil)
    }

    @Test func savingAndGoingOnAreRead() throws {
        let text = """
            model: {family: gpt, layers: 1, hidden: 8, heads: 1, vocab: 256, sequence: 8}
            batch: 2
            train: {data: a.txt, steps: 3, resume: auto, checkpoint: {every: auto, asynchronous: true, keep: 5},
              stateCheck: {every: 7}, maxSkippedSteps: 4}
            """
        let plan = try PlanText.read(text)
        let checkpoint = TrainSettings.Checkpoint(every: nil, path: nil, keep: 5, isAsynchronous: true)
        #expect(plan.train?.checkpoint == checkpoint && plan.train?.resume == .auto)
        let again = try PlanText.read(plan.yaml(library: Checkout.library))
        #expect(again.train?.checkpoint == checkpoint && again.train?.resume == .auto)
        for train in [plan.train, again.train] {
            #expect(train?.stateCheckInterval == 7 && train?.skipLimit == 4)
        }
        let unchecked = try PlanText.read(text.replacing("{every: 7}", with: "off"))
        #expect(unchecked.train?.stateCheckInterval == nil && unchecked.train?.stateCheck == 0)
        #expect(try PlanText.read(unchecked.yaml(library: Checkout.library)).train?.stateCheck == 0)
    }

    @Test func corporaAreReadAndWritten() throws {
        let plan = try PlanText.read(
            """
            model: {family: gpt, layers: 1, hidden: 8, heads: 1, vocab: 256, sequence: 8}
            batch: 2
            train:
              data: [{path: a.txt, weight: 0.75}, b.bin]
              steps: 3
              tokenizer: some/tokenizer.json
              documents: packed
              endOfDocument: 7
              validation: {share: 5 %, every: 10, batches: 3}
            """)
        let again = try PlanText.read(plan.yaml(library: Checkout.library))
        for train in [plan.train, again.train] {
            let train = try #require(train)
            #expect(train.files == [.init(path: "a.txt", weight: 0.75), .init(path: "b.bin")])
            #expect(train.tokenizer == "some/tokenizer.json")
            #expect(train.documents == .packed && train.endOfDocument == 7)
            #expect(train.validation == TrainSettings.Validation(share: 0.05, every: 10, batches: 3))
            #expect((1...30).filter(train.validates) == [3, 10, 20, 30])
        }
    }

    @Test func trainingDefaultsAreTheUsualOnes() throws {
        let plan = try PlanText.read(
            """
            model: {family: gpt, layers: 1, hidden: 8, heads: 1, vocab: 256, sequence: 8}
            batch: 2
            train: {data: a.txt, steps: 3}
            """)
        #expect(plan.name == "plan")
        #expect(plan.train == TrainSettings(data: "a.txt", steps: 3))
        #expect(plan.layout == Layout())
    }

    @Test func aNamedModelTakesOverrides() throws {
        let plan = try PlanText.read(
            """
            model: {name: llama2-70b, sequence: 8192, vocab: 64000}
            cluster: h100-80g-sxm
            devices: 64
            """)
        #expect(plan.model.layers == 80)
        #expect(plan.model.sequence == 8192)
        #expect(plan.model.vocab == 64_000)
        #expect(plan.model.name == "llama2-70b")
        #expect(plan.layout == nil)
        #expect(plan.remarks.contains { $0.text.contains("no batch is given") })
    }

    @Test func aModelMayBeOneWord() throws {
        let plan = try PlanText.read("model: gpt3-175b\ncluster: a100-80g-sxm\ndevices: 1024\nbatch: 1536\n")
        #expect(plan.model.parameters().total == 174_615_846_912)
    }

    @Test func devicesGivenByHandMoveTheDataDegree() throws {
        let text = """
            model: gpt3-175b
            cluster: a100-80g-sxm
            devices: 1024
            batch: 1536
            layout: {tensor: 8, pipeline: 16, data: 8, recompute: full}
            """
        #expect(try PlanText.read(text, devices: 2048).layout?.data == 16)
        #expect(try PlanText.read(text).layout?.data == 8)
        // Nobody wrote the degree that would follow, nor what follows from it.
        let problems = PlanText.problems(text, devices: 1000)
        #expect(problems.count == 1)
        #expect(
            problems.contains {
                $0.contains(
                    "layout: --devices, 1000, must be a multiple of tensor 8 · pipeline 16 = 128; use 896 or 1024, or change a degree"
                )
            }, "\(problems)")
        // What divides may still not divide the batch, and then the message says where the degree is from.
        let odd = PlanText.problems(text, devices: 640)
        #expect(
            odd.count == 1 && odd[0].contains("must divide batch 1536, where --devices 640 makes data 5"), "\(odd)")
    }

    @Test func aQuestionNeedsNoFile() throws {
        let plan = try Plan.question(
            parameters: 100e9, modelName: nil, tokens: 3e12, gpu: "a100-80g-sxm", gpus: 1024, library: Checkout.library)
        #expect(plan.layout == nil)
        #expect(plan.batch == 1536)
        #expect(plan.precision == .bf16)
        #expect(plan.name == "100B-3T-1024")
        #expect(plan.model == Model.shaped(parameters: 100e9))
    }

    @Test(arguments: [("v100-32g-sxm", Precision.fp16), ("h100-80g-sxm", .bf16), ("laptop", .fp32)])
    func precisionFollowsTheDevice(_ cluster: String, _ precision: Precision) throws {
        let plan = try PlanText.read("model: llama2-7b\ncluster: \(cluster)\ndevices: 8\nbatch: 8\n")
        #expect(plan.precision == precision)
    }

    @Test func aQuestionReportsEverythingWrong() throws {
        let error = #expect(throws: PlanProblems.self) {
            try Plan.question(
                parameters: 5, modelName: nil, tokens: 0, gpu: "a100-80g-smx", gpus: 0, batch: -1,
                library: Checkout.library)
        }
        let lines = error?.problems.map(\.description) ?? []
        #expect(lines.count == 5)
        #expect(lines.contains { $0.contains("did you mean 'a100-80g-sxm'?") })
    }

    @Test(arguments: [
        "plans/100b-3t-1024.yaml", "plans/gpt3-175b-1024-a100.yaml", "plans/gpt3-175b-64-a100.yaml",
    ])
    func shippedPlansAreSound(_ path: String) throws {
        let plan = try Plan.read(path: "\(Checkout.root)/\(path)", library: Checkout.library)
        #expect(plan.tokens != nil)
    }

    @Test func everyShippedModelAndClusterIsSound() throws {
        let models = Checkout.library.modelNames
        #expect(models.count >= 10)
        for name in models { #expect(try Model.read(name, library: Checkout.library).name == name) }
        let clusters = Checkout.library.clusterNames
        #expect(clusters.count >= 6)
        for name in clusters where name != "local" {
            #expect(try Cluster.read(name, library: Checkout.library).name == name)
        }
    }

    /// `none` takes every key away that a plan or a layout may leave out.
    @Test func noneTakesAway() throws {
        let plan = """
            model: {params: 7B}
            cluster: h100-80g-sxm
            devices: 8
            batch: 64
            """
        let keys = [
            "tokens", "samples", "offload", "train", "lora", "frozen", "quantized", "packing", "padding",
            "rampupBatchSize", "accumulation", "measured",
        ]
        let all = plan + "\n" + keys.map { "\($0): none" }.joined(separator: "\n") + "\n"
        let (without, with) = (try PlanText.read(plan), try PlanText.read(all))
        #expect(with.yaml(library: Checkout.library) == without.yaml(library: Checkout.library))
        let ofLayout = [
            "contextHeads", "dispatcher", "vocabularyParallel", "recomputeModules", "recomputeLayers", "recomputeEvery",
            "shardGroup", "layersPerStage", "pipelineLayout", "decoderFirstPipelineNumLayers",
            "decoderLastPipelineNumLayers", "offload",
        ]
        let layout = "{data: 8, " + ofLayout.map { "\($0): none" }.joined(separator: ", ") + "}"
        let own = try PlanText.read(plan + "\nlayout: \(layout)\n")
        let plain = try PlanText.read(plan + "\nlayout: {data: 8}\n")
        #expect(own.layout == plain.layout)
        // What is stated to be none is no default.
        #expect(!own.openDefaults.contains(.offload) && !own.openDefaults.contains(.dispatcher))
    }
}
