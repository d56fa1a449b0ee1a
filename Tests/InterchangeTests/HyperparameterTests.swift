import Foundation
import Interchange
import Models
import Plans
import Reading
import TestSupport
import Testing

/// Settings of a run that change no price go through an import and out again.
@Suite struct HyperparameterTests {
    private static let llama = """
        --num-layers 4 --hidden-size 512 --ffn-hidden-size 1536 --num-attention-heads 8 --seq-length 1024
        --max-position-embeddings 1024 --position-embedding-type rope --normalization RMSNorm --swiglu
        --disable-bias-linear --untie-embeddings-and-output-weights --vocab-size 32000
        --micro-batch-size 1 --global-batch-size 64 --bf16 --train-iters 1000 --use-distributed-optimizer
        """
    private static let course = """

        --lr 1e-4 --min-lr 2e-5 --lr-decay-style linear --lr-warmup-iters 77 --adam-beta1 0.8 --adam-beta2 0.97
        --adam-eps 1e-7 --weight-decay 0.3 --clip-grad 0.6 --seed 99 --rotary-base 750000
        """

    private static let context = ExportContext(
        source: "run.yaml", version: "0", stepSeconds: 1, peakGiB: 10, capacityGiB: 80, steps: 1000, saveEvery: nil,
        days: nil, planText: "")

    @Test func ofMegatronLM() throws {
        let imported = try Imported.plan(Self.llama + Self.course, .megatronLM, devices: 8)
        let own = try #require(imported.plan.hyperparameters)
        #expect(own.learningRate == 1e-4 && own.minLearningRate == 2e-5 && own.schedule == .linear && own.warmup == 77)
        #expect(own.betas == [0.8, 0.97] && own.epsilon == 1e-7 && own.weightDecay == 0.3 && own.clip == 0.6)
        #expect(own.seed == 99 && own.rotaryBase == 750_000)
        #expect(imported.text.contains("rotaryBase: 750000"))
        // Written out, the plan says the same.
        let again = try Plan.read(
            text: imported.plan.yaml(library: Checkout.library), path: "again.yaml", library: Checkout.library)
        #expect(again.hyperparameters == own)
    }

    @Test(arguments: [
        ("--train-iters 1000 --lr-warmup-fraction 0.02", 20), ("--train-iters 1000 --lr-warmup-iters 30", 30),
        ("--train-samples 64000 --lr-warmup-samples 6400", 100),
        ("--train-samples 64000 --lr-warmup-fraction 0.5", 500),
        ("--train-samples 64000 --lr-warmup-samples 6401", 101),
        ("--train-iters 1000 --lr-decay-iters 500 --lr-warmup-fraction 0.1", 50),
    ]) func warmUps(_ flags: String, _ steps: Int) throws {
        let text = Self.llama.replacing("--train-iters 1000", with: flags)
        #expect(try Imported.plan(text, .megatronLM, devices: 8).plan.hyperparameters?.warmup == steps)
    }

    @Test func twoWarmUpsContradict() {
        let found = Imported.problems(
            Self.llama + " --lr-warmup-iters 5 --lr-warmup-fraction 0.1", .megatronLM, devices: 8)
        #expect(found.contains { $0.contains("--lr-warmup-fraction") && $0.contains("contradicts --lr-warmup-iters") })
    }

    @Test func aCourseThatNoPlanHasIsLeftOut() throws {
        let text = Self.llama + " --lr 1e-4 --lr-decay-style WSD --lr-wsd-decay-iters 100"
        let left = try Imported.plan(text, .megatronLM, devices: 8).left.joined(separator: "\n")
        #expect(left.contains("--lr-decay-style WSD") && left.contains("--lr-wsd-decay-iters"))
    }

    /// Megatron-LM's defaults, which other tools do not have.
    @Test func defaultsAreConcluded() throws {
        let imported = try Imported.plan(Self.llama + " --lr 1e-4", .megatronLM, devices: 8)
        let own = try #require(imported.plan.hyperparameters)
        #expect(own.betas == [0.9, 0.999] && own.weightDecay == 0.01 && own.minLearningRate == 0 && own.clip == 1)
        #expect(own.schedule == .linear && own.rotaryBase == 10_000)
        #expect(imported.inferred.contains { $0.contains("Megatron-LM's defaults") && $0.contains("--adam-beta1") })
    }

    /// Words that each target's file must hold.
    @Test(arguments: [
        (
            ExportTarget.megatronLM,
            [
                "--lr 0.0001", "--lr-warmup-samples 4928", "--lr-decay-style linear", "--adam-beta2 0.97",
                "--adam-eps 1e-07",
                "--weight-decay 0.3", "--clip-grad 0.6", "--seed 99", "--rotary-base 750000\n",
            ]
        ),
        (
            .torchtitan,
            [
                "--training.max_norm 0.6", "--debug.seed 99", "theta=750000.0", "decay_type=\"linear\"",
                "\"warmup\": 77",
                "\"betas\": [0.8, 0.97]", "\"weight_decay\": 0.3",
            ]
        ),
        (
            .deepspeed,
            [
                "\"gradient_clipping\": 0.6", "\"betas\": [0.8, 0.97]", "\"type\": \"WarmupDecayLR\"",
                "\"warmup_num_steps\": 77", "\"warmup_min_lr\": 2e-05", "\"weight_decay\": 0.3",
            ]
        ),
        (
            .transformers,
            [
                "learning_rate: 0.0001", "warmup_steps: 77", "adam_beta2: 0.97", "max_grad_norm: 0.6",
                "lr_scheduler_type: polynomial", "lr_end: 2.0e-05", "seed: 99", "\"rope_theta\": 750000",
            ]
        ),
        (
            .nanotron,
            [
                "learning_rate: 0.0001", "lr_warmup_steps: 77", "lr_decay_style: linear", "adam_beta2: 0.97",
                "clip_grad: 0.6",
                "rope_theta: 750000", "seed: 99",
            ]
        ),
        (
            .gptNeoX,
            [
                "lr: 0.0001", "warmup: 0.077", "lr_decay_style: linear", "weight_decay: 0.3", "gradient_clipping: 0.6",
                "rotary_emb_base: 750000", "seed: 99",
            ]
        ),
        (
            .megatronBridge,
            [
                "lr: 0.0001", "lr_warmup_iters: 77", "lr_decay_style: linear", "adam_beta2: 0.97", "clip_grad: 0.6",
                "rotary_base: 750000", "seed: 99",
            ]
        ),
        (
            .nemo,
            ["Not in this file: seed 99.", "lr: 0.0001", "adam_beta2: 0.97", "clip_grad: 0.6", "rotary_base: 750000"]
        ),
    ]) func goOutAgain(_ target: ExportTarget, _ words: [String]) throws {
        let plan = try Imported.plan(Self.llama + Self.course, .megatronLM, devices: 8).plan
        var (fitted, files) = (target.export(plan, context: Self.context), "")
        if fitted.files.isEmpty { fitted = target.export(fitted.plan, context: Self.context) }
        files = fitted.files.map(\.text).joined(separator: "\n")
        for word in words { #expect(files.contains(word), "\(target): \(word)") }
    }

    private static func files(_ target: ExportTarget, _ plan: Plan) -> String {
        var fitted = target.export(plan, context: context)
        if fitted.files.isEmpty { fitted = target.export(fitted.plan, context: context) }
        return fitted.files.map(\.text).joined(separator: "\n")
    }

    @Test(arguments: [
        ("--rampup-batch-size 16 16 480 --global-batch-size 64 --train-samples 64000 --lr-warmup-samples 480", 19),
        ("--rampup-batch-size 16 16 480 --global-batch-size 64 --train-samples 64000 --lr-warmup-samples 160", 10),
        ("--global-batch-size 64 --train-samples 64000 --lr-warmup-samples 480", 8),
    ]) func aWarmUpFollowsTheGrowingBatch(_ flags: String, _ steps: Int) throws {
        let text = Self.llama.replacing("--global-batch-size 64", with: "").replacing(
            "--train-iters 1000", with: flags)
        #expect(try Imported.plan(text, .megatronLM, devices: 8).plan.hyperparameters?.warmup == steps)
    }

    @Test func unequalGrowthLeavesTheWarmUp() throws {
        let text = Self.llama.replacing("--global-batch-size 64", with: "").replacing(
            "--train-iters 1000",
            with: "--step-batch-size-schedule 0:16,100K:24,300K:64 --train-samples 64000 --lr-warmup-samples 480")
        let imported = try Imported.plan(text, .megatronLM, devices: 8)
        #expect(imported.plan.hyperparameters?.warmup == nil)
        #expect(imported.left.contains { $0.contains("--lr-warmup-samples") })
    }

    @Test(arguments: ["2", "'([0,1]*2)'", "'([0]*1+[1]*2+[0]*1)'"]) func listsOfExpertsGoBack(_ pattern: String) throws
    {
        let experts = " --num-experts 8 --moe-router-topk 2 --moe-ffn-hidden-size 512 --moe-layer-freq \(pattern)"
        let plan = try Imported.plan(Self.llama + experts, .megatronLM, devices: 8).plan
        let own = (0..<4).map(plan.model.hasExperts)
        for target in [ExportTarget.megatronLM, .nemo, .megatronBridge] {
            var fitted = target.export(plan, context: Self.context)
            #expect(fitted.gaps.allSatisfy { $0.nearest != nil }, "\(target): \(fitted.gaps)")
            if fitted.files.isEmpty { fitted = target.export(fitted.plan, context: Self.context) }
            let text = try #require(fitted.files.first).text
            let format: ImportFormat =
                target == .megatronLM ? .megatronLM : target == .nemo ? .nemo : .megatronBridge
            let again = try Imported.plan(text, format, devices: 8).plan
            #expect((0..<4).map(again.model.hasExperts) == own, "\(target)")
        }
    }

    @Test func aConstantRateStaysConstant() throws {
        let text = Self.llama + " --lr 1e-4 --min-lr 2e-5 --lr-decay-style constant"
        let plan = try Imported.plan(text, .megatronLM, devices: 8).plan
        #expect(Self.files(.nanotron, plan).contains("min_decay_lr: 0.0001"))
    }

    @Test(arguments: [Hyperparameters.Schedule.linear, .cosine]) func transformersReadsTheSmallestRate(
        _ schedule: Hyperparameters.Schedule
    ) throws {
        var plan = try Imported.plan(Self.llama + Self.course, .megatronLM, devices: 8).plan
        plan.hyperparameters?.schedule = schedule
        plan.layout?.sharding = .parameters
        let text = try #require(
            Self.files(.transformers, plan).split(separator: "\n{", maxSplits: 1).first.map(String.init))
        #expect(text.contains("lr_scheduler_kwargs"))
        let again = try Imported.plan(text, .transformers, devices: 8, model: "llama3.1-8b").plan.hyperparameters
        #expect(again?.schedule == schedule && again?.minLearningRate == 2e-5)
    }

    @Test func settingsThatThePlanLacksAreNamed() throws {
        var plan = try Imported.plan(Self.llama, .megatronLM, devices: 8).plan
        plan.hyperparameters = Hyperparameters()
        plan.hyperparameters?.learningRate = 6e-4
        #expect(plan.training.minLearningRate == 6e-5)
        for target in [ExportTarget.nanotron, .gptNeoX, .nemo, .megatronBridge, .torchtitan, .deepspeed, .transformers]
        {
            let line = Self.files(target, plan).split(separator: "\n").first {
                $0.contains("Not in the plan, and usual")
            }
            let words = try #require(line, "\(target)")
            #expect(words.contains("weightDecay") && !words.contains(" learningRate"), "\(target): \(words)")
        }
    }

    @Test func aVocabularyIsPaddedForTensorRanks() throws {
        let text = Self.llama.replacing("32000", with: "50277") + " --tensor-model-parallel-size 2 --sequence-parallel"
        let plan = try Imported.plan(text, .megatronLM, devices: 8).plan
        let fitted = ExportTarget.gptNeoX.export(plan, context: Self.context)
        #expect(fitted.gaps.contains { $0.field == "model.vocab" && $0.nearest == "50278" })
        #expect(fitted.plan.model.vocab == 50278)
    }

    @Test func aLogarithmicWarmUpIsSaid() throws {
        func left(_ kind: String) throws -> String {
            let text = """
                {"train_batch_size": 64, "train_micro_batch_size_per_gpu": 2, "bf16": {"enabled": true},
                 "optimizer": {"type": "AdamW", "params": {"lr": 1e-4}}, "zero_optimization": {"stage": 2},
                 "scheduler": {"type": "WarmupLR", "params": {"warmup_num_steps": 50\(kind)}}}
                """
            return try Imported.plan(text, .deepspeed, devices: 8, model: "llama3.1-8b").left.joined(separator: "\n")
        }
        #expect(try left("").contains("warmup_type log"))
        #expect(try !left(", \"warmup_type\": \"linear\"").contains("warmup_type"))
    }

    @Test func aPlanStatesThemOnce() {
        let text = """
            model: {family: gpt, layers: 4, hidden: 256, heads: 4, vocab: 256, sequence: 128}
            batch: 32
            train: {data: a.txt, steps: 3}
            hyperparameters: {learningRate: 1e-3, minLearningRate: 1e-2, betas: [0.9], warmup: -1}
            """
        do throws(PlanProblems) {
            _ = try Plan.read(text: text, path: "plan.yaml", library: Checkout.library)
            Issue.record("read")
        } catch {
            let found = error.problems.map(\.description).joined(separator: "\n")
            #expect(found.contains("beside train") && found.contains("must not exceed learningRate"), "\(found)")
            #expect(found.contains("hyperparameters.betas") && found.contains("hyperparameters.warmup"), "\(found)")
        }
    }
}
