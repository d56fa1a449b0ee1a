import Foundation
import Interchange
import Models
import Numbers
import Plans
import Reading
import Schedules
import TestSupport
import Testing

/// Plans that go out to other tools' files come back as they were.
@Suite struct OwnerRoundTripTests {
    /// A plan of random features, most of which hold together.
    static func text(_ random: inout SplitMix64) -> String {
        func pick<T>(_ values: [T]) -> T { values[Int(random.next() % UInt64(values.count))] }
        let tensor = pick([1, 1, 2, 4])
        let pipeline = pick([1, 1, 2, 4])
        let context = pick([1, 1, 2])
        let data = pick([1, 2, 4, 8])
        let hasExperts = pick([true, false, false])
        var model = "family: llama, layers: 8, hidden: 1024, heads: 16, ffn: 2816, vocab: 32000, sequence: 4096"
        model += ", tiedEmbeddings: \(pick(["true", "false"]))"
        let isLatent = hasExperts && pick([true, false])
        model +=
            isLatent
            ? ", mla: {queryRank: \(pick([0, 512])), kvRank: 256, nopeSize: 64, ropeSize: 32, valueSize: 64}"
            : ", kvHeads: 4" + pick(["", ", qkNorm: head", ", biases: [attentionInput]", ", headSize: 128"])
        if hasExperts {
            model +=
                ", moe: {experts: 16, topK: 2, ffn: 512" + pick(["", ", shared: 2", ", shared: 1, sharedFfn: 1024"])
                + pick(["", ", firstDense: 1"]) + pick(["", ", routerCorrection: true"]) + "}"
        }
        let virtual = pipeline > 1 ? pick([1, 1, 2]) : 1
        let sharding = pick(["none", "optimizer", "gradients", "parameters"])
        var layout =
            "data: \(data), tensor: \(tensor), pipeline: \(pipeline), context: \(context), microbatch: \(pick([1, 2]))"
        layout += ", sharding: \(sharding), recompute: \(pick(["none", "selective", "full"]))"
        if virtual > 1 { layout += ", virtualStages: 2" }
        if tensor > 1 { layout += ", sequenceParallel: \(pick(["true", "false"]))" }
        if context > 1 { layout += ", contextExchange: \(pick(["ring", "gather", "heads"]))" }
        if pipeline == 2, virtual == 1 { layout += pick(["", ", layersPerStage: [5, 3]"]) }
        if sharding != "none", data == 8, !hasExperts { layout += pick(["", ", shardGroup: \(4 * context)"]) }
        if hasExperts, data * tensor * context % 2 == 0 {
            layout += ", expert: 2, expertTensor: \(data * tensor * context % 4 == 0 ? pick([1, 1, 2]) : 1)"
        }
        if sharding == "parameters" {
            layout += pick(["", "", ", offload: {optimizer: true, gradients: true, parameters: true}"])
        } else if sharding == "optimizer" {
            layout += pick(["", "", ", offload: {optimizer: true}"])
        }
        let precision = pick(["bf16", "bf16", "fp16", "fp32"])
        if precision == "bf16" { layout += pick(["", ", gradients: bf16"]) }
        let optimizer = pick([
            "adamw", "adamw", "lion", "sgd", "{name: adamw, moments: bf16}", "{name: adamw, moments: 8bit}",
            precision == "fp32" ? "adamw" : "{name: adamw, moments: bf16, master: none}",
        ])
        return """
            name: random
            model: {\(model)}
            tokens: \(1000 * 64 * 4096)
            cluster: h100-80g-sxm
            batch: 64
            precision: \(precision)
            optimizer: \(optimizer)
            loss: \(pick(["standard", "standard", "{kind: chunked, chunks: 8}", "fused"]))
            layout: {\(layout)}
            """
    }

    static let context = ExportContext(
        source: "random.yaml", version: "0", stepSeconds: 1, peakGiB: 10, capacityGiB: 80, steps: 1000, saveEvery: nil,
        days: nil, planText: "")

    /// What two plans must share, as words. Keys without effect have one value.
    static func words(_ plan: Plan, holdsModel: Bool, target: ExportTarget) -> [String] {
        var model = plan.model
        model.name = nil
        guard let layout = plan.layout else { return ["no layout"] }
        let isFSDP = layout.sharding == .gradients || layout.sharding == .parameters
        let offload = layout.offload.map { "\($0.fields)" } ?? "none"
        var words = [
            "devices \(plan.devices)", "data \(layout.data)", "tensor \(layout.tensor)", "pipeline \(layout.pipeline)",
            "context \(layout.context)", "sharding \(layout.data * layout.context > 1 ? layout.sharding : .none)",
            "group \(layout.shardRanks)",
            "exchange \(layout.context > 1 ? layout.contextExchange.rawValue : "")",
            "sequence \(layout.tensor > 1 && layout.sequenceParallel)", "virtual \(layout.virtualStages)",
            "schedule \(layout.pipeline > 1 ? layout.schedule.rawValue : "")", "precision \(plan.precision)",
            "stages \(layout.pipeline > 1 ? StagePartition(layout, model: plan.model).sizes : [])",
            "offload \(offload)",
        ]
        // The training script decides what accelerate starts, and recomputation where it shards nothing.
        if target != .accelerate || isFSDP { words.append("recompute \(layout.recompute) \(layout.recomputed)") }
        if plan.model.mixtureLayers > 0 { words.append("expert \(layout.expert) \(layout.expertTensor)") }
        if holdsModel { words += model.yaml }
        guard target != .accelerate else { return words }
        words += [
            "batch \(plan.batch)", "microbatch \(layout.microbatch)",
            "gradients \((layout.gradients ?? (plan.precision == .fp16 ? .fp16 : .fp32)).rawValue)",
            "optimizer \(plan.optimizer)",
        ]
        if target != .deepspeed { words.append("loss \(plan.loss.yaml) tokens \(plan.tokens ?? 0)") }
        return words
    }

    @Test(arguments: [ExportTarget.torchtitan, .deepspeed, .accelerate, .transformers])
    func importsOfExports(target: ExportTarget) throws {
        var random = SplitMix64(seed: 7)
        let file =
            [
                ExportTarget.torchtitan: "torchtitan.args", .deepspeed: "deepspeed.json",
                .accelerate: "accelerate.yaml",
                .transformers: "training_args.yaml",
            ][target] ?? ""
        let format = try #require(ImportFormat(rawValue: target.rawValue))
        var (read, compared, exact) = (0, 0, 0)
        for _ in 0..<200 {
            let text = Self.text(&random)
            guard let plan = try? Plan.read(text: text, path: "random.yaml", library: Checkout.library) else {
                continue
            }
            read += 1
            let export = target.export(plan, context: Self.context)
            guard !export.files.isEmpty else {
                #expect(export.gaps.contains { $0.nearest == nil })
                continue
            }
            if export.gaps.isEmpty {
                exact += 1
                #expect(export.plan == plan)
            }
            let folder = try TemporaryFolder()
            for exported in export.files { try folder.write(exported.text, as: exported.name) }
            let holdsModel = target == .torchtitan
            // What holds no model gets the plan's as a configuration would name it: its shape, by a file of ours.
            let models = try folder.write(
                (["name: shape"] + plan.model.yaml).joined(separator: "\n") + "\n", as: "shape.yaml")
            _ = models
            let library = Library(folders: [folder.path, Checkout.root])
            try FileManager.default.createDirectory(atPath: folder["models"], withIntermediateDirectories: true)
            try FileManager.default.moveItem(atPath: folder["shape.yaml"], toPath: folder["models/shape.yaml"])
            let request = ImportRequest(devices: export.plan.devices, model: holdsModel ? nil : "shape")
            let imported = try format.read(
                text: try folder.read(file), path: folder[file], request: request, library: library)
            let wanted = Self.words(export.plan, holdsModel: holdsModel, target: target)
            let found = Self.words(imported.plan, holdsModel: holdsModel, target: target)
            #expect(wanted == found, "\(text)\n\(Set(wanted).symmetricDifference(Set(found)))")
            compared += 1
        }
        #expect(
            read > 50 && compared > 30 && exact > 2, "\(target): \(read) read, \(compared) compared, \(exact) exact")
    }

    /// A configuration that transformers' class reads is one that our own reader counts alike.
    @Test func configurationsCountAlike() throws {
        var random = SplitMix64(seed: 11)
        var compared = 0
        for _ in 0..<150 {
            let text = Self.text(&random)
            guard let plan = try? Plan.read(text: text, path: "random.yaml", library: Checkout.library) else {
                continue
            }
            let export = ExportTarget.transformers.export(plan, context: Self.context)
            guard let file = export.files.first(where: { $0.name == "config.json" }) else { continue }
            let folder = try TemporaryFolder()
            try folder.write(file.text, as: "config.json")
            var files = ReadFiles()
            let read = try HuggingFaceModel.read(
                folder["config.json"], library: Checkout.library, files: &files
            ).model
            #expect(read.parameters().total == plan.model.parameters().total, "\(text)\n\(file.text)")
            #expect(read.layers == plan.model.layers && read.moe?.experts == plan.model.moe?.experts)
            compared += 1
        }
        #expect(compared > 20)
    }
}
