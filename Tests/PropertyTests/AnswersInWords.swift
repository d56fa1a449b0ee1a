import Costs
import Foundation
import Plans
import Reports

/// The lines of `--explain` beside the figures they explain.
enum ExplainedValues {
    static func outcome(_ estimate: Estimate) throws -> Property.Outcome {
        let iteration = estimate.iteration
        let parts = iteration.breakdown
        var figures: [String: Double] = [
            "parameters": estimate.parameters, "model FLOPs": iteration.modelFLOPs,
            "hardware FLOPs": iteration.hardwareFLOPs, "compute": parts.compute, "recompute": parts.recompute,
            "tensorComm": parts.tensorComm, "pipelineBubble": parts.pipelineBubble, "pipelineComm": parts.pipelineComm,
            "dataComm": parts.dataComm, "contextComm": parts.contextComm, "optimizer": parts.optimizer,
            "other": parts.other, "seconds": iteration.seconds, "MFU": estimate.mfu,
        ]
        if let full = estimate.memoryByRank.max(by: { $0.peak < $1.peak }) {
            figures["weights"] = full.weights
            figures["gradients"] = full.gradients
            figures["optimizer state"] = full.optimizer
            figures["activations"] = full.activations
            figures["other memory"] = full.other
        }
        var outcomes: [Property.Outcome] = []
        for line in estimate.explanation {
            guard let figure = figures.removeValue(forKey: line.figure) else { continue }
            guard let printed = number(line.value) else {
                outcomes.append(.fails("\(line.figure): no number in '\(line.value)'"))
                continue
            }
            outcomes.append(agree("\(line.figure) '\(line.value)'", printed, figure))
        }
        if let missing = figures.keys.sorted().first { outcomes.append(.fails("\(missing) is not explained")) }
        return .all(outcomes)
    }

    /// What goes into memory: the ranks that share the state out, and what is reserved.
    static func inputs(_ estimate: Estimate) throws -> Property.Outcome {
        let layout = estimate.layout
        let framework = estimate.plan.framework(for: layout)
        var outcomes: [Property.Outcome] = []
        for line in estimate.explanation {
            if line.figure == "weights", layout.sharding != .none, let ranks = after("over ", in: line.inputs) {
                outcomes.append(Property.equal("weights over", ranks, Double(layout.shardRanks), tolerance: 0))
            }
            if line.figure == "other memory", let reserved = after("reserved ", in: line.inputs) {
                let bytes = framework.reservedBytes ?? estimate.plan.cluster.device.reservedBytes
                outcomes.append(agree("reserved", reserved, bytes))
            }
        }
        return .all(outcomes)
    }

    /// Equal as far as four digits say, or a tenth of a percent point in a share.
    private static func agree(_ what: String, _ printed: Double, _ figure: Double) -> Property.Outcome {
        abs(printed - figure) <= 6e-4 * abs(figure) + 1e-12 || (figure < 1.5 && abs(printed - figure) <= 5.1e-4)
            ? .holds : .fails("\(what) where the answer has \(figure)")
    }

    private static func after(_ word: String, in text: String) -> Double? {
        text.range(of: word).flatMap { number(String(text[$0.upperBound...])) }
    }

    /// The number a text begins with, in base units.
    static func number(_ text: String) -> Double? {
        let pieces = text.split(separator: " ")
        guard let first = pieces.first, let value = Double(first.replacing(",", with: "")) else { return nil }
        let unit = pieces.count > 1 ? String(pieces[1].prefix { $0.isLetter || $0 == "%" || $0 == "µ" }) : ""
        let sizes: [String: Double] = [
            "%": 0.01, "ms": 1e-3, "µs": 1e-6, "KiB": 1024, "MiB": 1_048_576, "GiB": 1_073_741_824, "kFLOP": 1e3,
            "MFLOP": 1e6, "GFLOP": 1e9, "TFLOP": 1e12, "PFLOP": 1e15, "EFLOP": 1e18, "ZFLOP": 1e21,
        ]
        return value * (sizes[unit] ?? 1)
    }
}

/// The layout as `plan --json` prints it, pasted into a plan.
enum JSONLayout {
    static func outcome(_ plan: Plan, _ estimate: Estimate) throws -> Property.Outcome {
        let text = try EstimateReport(estimate).json()
        guard let document = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
            let layout = document["layout"]
        else { return .fails("no layout in the JSON") }
        let map = try JSONSerialization.data(withJSONObject: layout, options: [.sortedKeys])
        let lines = plan.yaml.split(separator: "\n").filter { !$0.hasPrefix("layout:") }
        let file = lines.joined(separator: "\n") + "\nlayout: \(String(decoding: map, as: UTF8.self))\n"
        let read: Plan
        do { read = try Plan.reading(file) } catch { return .fails("refused: \(error)") }
        guard let found = read.layout else { return .fails("no layout is read") }
        let (one, other) = (spelled(found, plan), spelled(estimate.layout, plan))
        guard one == other else { return .fails("read back as \(one.yaml), was \(other.yaml)") }
        guard read.devices == plan.devices, read.batch == plan.batch else { return .fails("another batch or devices") }
        return .holds
    }

    /// What the planner would choose written out, so that saying it and leaving it open compare equal.
    private static func spelled(_ layout: Layout, _ plan: Plan) -> Layout {
        var spelled = layout.spelled(plan)
        spelled.gradients = layout.gradients ?? (plan.precision == .fp16 ? .fp16 : .fp32)
        if spelled.sharding != .none { spelled.shardGroup = layout.shardGroup ?? layout.data * layout.context }
        return spelled
    }
}
