import Interchange
import Models
import Plans
import Reading
import Schedules
import TestSupport

/// The facts of a plan that a file of another tool holds, in one form for plans that mean the same.
struct HeldPlan: Hashable {
    var facts: [String: String] = [:]

    init(_ plan: Plan, _ layout: Layout) {
        add(plan.model)
        add(layout, plan)
        let hasExperts = plan.model.mixtureLayers > 0
        if hasExperts {
            facts["expert"] = "\(layout.expert) \(layout.expertTensor) \((layout.dispatcher ?? .alltoall).rawValue)"
            facts["overlap.expert"] = "\(layout.expert > 1 && layout.overlap.expert) \(layout.overlap.sharedExperts)"
        }
        facts["devices"] = "\(plan.devices)"
        facts["batch"] = "\(plan.batch) \(plan.rampup.map { "\($0)" } ?? "")"
        facts["precision"] = "\(plan.precision)"
        // Transformer Engine's scaling where a plan names none.
        let recipe = plan.recipe ?? (plan.precision == .fp8 ? Recipe(.delayed) : nil)
        facts["recipe"] = recipe.map { "\($0)" } ?? ""
        add(plan.optimizer)
        facts["loss"] = plan.loss.yaml
    }

    private mutating func add(_ model: Model) {
        let own = model.conventions
        facts["model"] = "\(model.layers) \(model.hidden) \(model.vocab) \(model.sequence) \(model.tiedEmbeddings)"
        facts["conventions"] = "\(own.norm) \(own.positions) \(own.biases.sorted())"
        if own.positions == .learned { facts["positions"] = "\(model.positionEntries ?? model.sequence)" }
        facts["mtp"] = "\(model.predictors)"
        facts["blocks"] = BlockKinds(model).kindOfBlock.prefix(model.layers).map { kind in
            var shape = BlockKinds(model).shapes[kind]
            // How evenly tokens are spread is a price's matter.
            shape.moe?.imbalance = 1
            // Shared experts are one network as wide as all of them.
            if var moe = shape.moe {
                (moe.sharedFfn, moe.shared) = (moe.sharedWidth, moe.sharedWidth > 0 ? 1 : 0)
                if moe.capacityFactor == nil { moe.tokenDropPolicy = .probs }
                shape.moe = moe
                // A block of experts has no dense network of its own.
                shape.ffn = 0
            }
            if shape.mla != nil { (shape.kvHeads, shape.headSize, shape.qkNorm) = (0, 0, .none) }
            return "\(shape)"
        }.joined(separator: "\n")
        facts["parameters"] = "\(model.parameters().total)"
    }

    private mutating func add(_ layout: Layout, _ plan: Plan) {
        facts["degrees"] =
            "data \(layout.data) tensor \(layout.tensor) pipeline \(layout.pipeline) context \(layout.context) "
            + "virtual \(layout.virtualStages) microbatch \(layout.microbatch)"
        if layout.pipeline > 1 {
            facts["schedule"] = layout.schedule.rawValue
            facts["stages"] = "\(StagePartition(layout, model: plan.model).sizes)"
            if layout.virtualStages > 1 { facts["overlap.pipeline"] = "\(layout.overlap.pipeline)" }
        }
        if layout.context > 1 {
            let heads = layout.contextExchange == .headsAndRing ? layout.contextHeads : nil
            facts["exchange"] = "\(layout.contextExchange) \(heads ?? 0)"
        }
        if layout.tensor > 1 {
            facts["tensor"] = "\(layout.sequenceParallel) \(layout.overlap.tensor)"
        }
        let blocks = layout.recompute == .full ? layout.recomputed : .all
        facts["recompute"] =
            "\(layout.recompute) \(layout.modulesAgain.rawValue) \(blocks == .runs(1) ? .all : blocks)"
        facts["sharding"] = "\(layout.sharding) \(layout.shardRanks) \(layout.sharesOptimizer)"
        facts["attention"] = "\(layout.flashAttention)"
        let gradients = layout.gradients ?? (plan.precision == .fp16 ? .fp16 : .fp32)
        facts["gradients"] = "\(gradients)"
        if layout.data * layout.context > 1 { facts["overlap.data"] = "\(layout.overlap.data)" }
        facts["offload"] = layout.offload.map { "\($0)" } ?? ""
    }

    private mutating func add(_ optimizer: Optimizer) {
        facts["optimizer"] = "\(optimizer.name) \(optimizer.momentum)"
        if optimizer.keepsFirst { facts["firstMoment"] = "\(optimizer.firstMoment)" }
        if optimizer.keepsSecond { facts["secondMoment"] = "\(optimizer.secondMoment)" }
        facts["master"] = "\(optimizer.master)"
        if optimizer.name == .muon { facts["muon"] = "\(optimizer.newtonSchulzSteps) \(optimizer.tensorMode)" }
    }

    /// The facts that differ, in words.
    func differences(from other: HeldPlan) -> [String] {
        Set(facts.keys).union(other.facts.keys).sorted().filter { facts[$0] != other.facts[$0] }.map {
            "\($0): \(facts[$0] ?? "none") became \(other.facts[$0] ?? "none")"
        }
    }
}

/// A plan that went out to another tool's file and came back.
struct RoundTrip {
    /// The plan that the files say.
    var sent: HeldPlan
    var received: HeldPlan
    var text: String

    /// nil: the target cannot say anything near the plan.
    init?(_ plan: Plan, target: ExportTarget, format: ImportFormat, file: String) throws {
        let export = target.export(
            plan,
            context: ExportContext(
                source: "plan.yaml", version: "test", stepSeconds: 1, peakGiB: 1, capacityGiB: 80, steps: 10,
                saveEvery: 100,
                days: 1, planText: ""))
        guard let text = export.files.first(where: { $0.name == file })?.text, let layout = export.plan.layout,
            layout.problems(for: export.plan.model, batch: plan.batch, devices: plan.devices).isEmpty
        else { return nil }
        let request = ImportRequest(devices: plan.devices, cluster: plan.cluster.name, framework: "auto")
        let imported: ImportedPlan
        do {
            imported = try format.read(text: text, path: file, request: request, library: Checkout.library)
        } catch {
            throw Refused(text: text, problems: "\(error)")
        }
        guard let back = imported.plan.layout else { return nil }
        (sent, received) = (HeldPlan(export.plan, layout), HeldPlan(imported.plan, back))
        if target == .nanotron || target == .gptNeoX {
            // These leave it to the software to divide the blocks among stages, which is another one here.
            (sent.facts["stages"], received.facts["stages"]) = (nil, nil)
        }
        self.text = text
    }

    struct Refused: Error, CustomStringConvertible {
        var text: String
        var problems: String
        var description: String { "\(problems)\n\(text)" }
    }
}
