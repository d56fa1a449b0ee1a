import Interchange
import Plans
import TestSupport
import Testing

/// Plans as arguments of Megatron-LM.
@Suite struct MegatronExportTests {
    private func export(_ text: String) throws -> Export {
        let plan = try Plan.read(text: text, path: "plan.yaml", library: Checkout.library)
        return ExportTarget.megatronLM.export(
            plan,
            context: ExportContext(
                source: "plan.yaml", version: "test", stepSeconds: 1.25, peakGiB: 40, capacityGiB: 80, steps: 10,
                saveEvery: 77, days: 2, planText: ""))
    }

    private static let base = """
        name: small
        model: {family: llama, layers: 6, hidden: 512, heads: 8, ffn: 1408, vocab: 1000, sequence: 1024}
        cluster: h100-80g-sxm
        batch: 64
        tokens: 1G

        """

    @Test func everyFieldIsThere() throws {
        let files = try export(
            Self.base + """
                layout: {data: 4, tensor: 2, sequenceParallel: true, pipeline: 2, virtualStages: 3, context: 2, microbatch: 2,
                  sharding: optimizer, recompute: selective, recomputeModules: [core_attn, mlp], gradients: bf16}
                """
        ).files
        #expect(files.map(\.name) == ["megatron-lm.args", "megatron-lm.sh"])
        let lines = try #require(files.first).text.split(separator: "\n").map(String.init)
        for line in [
            "--num-layers 6", "--hidden-size 512", "--ffn-hidden-size 1408", "--num-attention-heads 8", "--swiglu",
            "--normalization RMSNorm", "--position-embedding-type rope", "--disable-bias-linear",
            "--untie-embeddings-and-output-weights", "--vocab-size 1000", "--tensor-model-parallel-size 2",
            "--sequence-parallel", "--pipeline-model-parallel-size 2", "--num-virtual-stages-per-pipeline-rank 3",
            "--context-parallel-size 2", "--cp-comm-type p2p", "--use-distributed-optimizer", "--overlap-grad-reduce",
            "--overlap-param-gather", "--recompute-granularity selective", "--recompute-modules core_attn mlp",
            "--bf16",
            "--grad-reduce-in-bf16", "--micro-batch-size 2", "--global-batch-size 64", "--train-samples 976563",
            "--save-interval 77",
        ] {
            #expect(lines.contains(line), "\(line)")
        }
        #expect(lines.first?.contains("Plan small (plan.yaml), written by trainyard test") == true)
        #expect(lines.contains { $0.contains("1.25 s a step, 40 of 80 GiB") })
        let script = files[1].text
        #expect(script.contains("--nproc_per_node 8") && script.contains("--nnodes 4") && files[1].isExecutable)
    }

    @Test func unevenStages() throws {
        let text = try export(
            Self.base + "layout: {data: 8, pipeline: 4, layersPerStage: [1, 2, 2, 1], microbatch: 1}"
        ).files.first?.text
        #expect(text?.contains("--pipeline-model-parallel-layout 'Et|tt|tt|tL'") == true)
    }

    @Test(arguments: [
        ("layout: {data: 8, pipeline: 2, schedule: zb-h1}", "layout.schedule", "1f1b"),
        ("layout: {data: 8, pipeline: 2, sharding: parameters}", "layout.sharding", "optimizer"),
        ("layout: {data: 8}\noptimizer: adafactor", "optimizer.name", "adamw"),
        ("layout: {data: 8, recompute: full, recomputeEvery: 2}", "layout.recomputeEvery", "all blocks"),
        ("layout: {data: 8}\nloss: chunked", "loss", "standard"),
        ("layout: {data: 8}\nloss: fused", "loss", "standard"),
        ("layout: {data: 8}\nprecision: fp8", "precision", "{recipe: delayed}"),
        ("layout: {data: 8}\npadding: 0.1", "padding", "0"),
    ]) func whatCannotBeSaid(_ added: String, _ field: String, _ nearest: String) throws {
        let export = try export(Self.base + added)
        let gap = try #require(export.gaps.first { $0.field == field })
        #expect(gap.nearest == nearest)
        // The header of the nearest plan's files names what changed.
        #expect(export.files.first?.text.contains("# Nearest: \(field)") == true)
    }

    @Test func otherModelsAreNoNearOnes() throws {
        let export = try export(
            Self.base.replacing("sequence: 1024", with: "sequence: 1024, positions: alibi") + "layout: {data: 8}")
        #expect(export.files.isEmpty)
        #expect(export.gaps.contains { $0.field == "model.positions" && $0.nearest == nil })
    }

    /// The batch grows at the sequences at which the plan's does: the thirds of 1,000 are rounded up.
    @Test func growingBatches() throws {
        let export = try export(Self.base + "rampupBatchSize: [16, 16, 1000]\nlayout: {data: 8}")
        #expect(export.gaps.isEmpty, "\(export.gaps)")
        let text = try #require(export.files.first?.text)
        let schedule = [(0, 16), (334, 32), (667, 48), (1000, 64)].map { "\($0.0 * 1024):\($0.1)" }
        #expect(
            text.contains("--step-batch-size-schedule '\(schedule.joined(separator: ","))'\n")
                || text.contains("--step-batch-size-schedule \(schedule.joined(separator: ","))\n"))
        #expect(!text.contains("--global-batch-size"))
        let request = ImportRequest(devices: export.plan.devices)
        let plan = try ImportFormat.megatronLM.read(
            text: text, path: "run.args", request: request, library: Checkout.library
        ).plan
        #expect(plan.batch == 64 && plan.rampup == BatchRampup(start: 16, increment: 16, samples: 1000))
    }
}
