import Costs
import Foundation
import Models
import Plans
import Reports

/// The lines of `--explain`, worked out by hand, beside the figures they explain.
enum ExplainedValues {
    /// Every figure of an answer by the name its explanation has.
    private static func figures(_ estimate: Estimate) -> [String: Double] {
        let iteration = estimate.iteration
        let parts = iteration.breakdown
        var figures: [String: Double] = [
            "parameters": estimate.parameters, "active parameters": estimate.activeParameters,
            "model FLOPs": iteration.modelFLOPs, "hardware FLOPs": iteration.hardwareFLOPs, "compute": parts.compute,
            "recompute": parts.recompute, "tensorComm": parts.tensorComm, "pipelineBubble": parts.pipelineBubble,
            "pipelineComm": parts.pipelineComm, "dataComm": parts.dataComm, "contextComm": parts.contextComm,
            "expertComm": parts.expertComm, "optimizer": parts.optimizer, "other": parts.other,
            "seconds": iteration.seconds, "MFU": estimate.mfu, "HFU": estimate.hfu,
        ]
        if let copies = parts.hostComm { figures["hostComm"] = copies }
        if let full = estimate.fullest {
            figures["weights"] = full.weights
            figures["gradients"] = full.gradients
            figures["optimizer state"] = full.optimizer
            figures["activations"] = full.activations
            figures["fragmentation"] = full.unused
            figures["other memory"] = full.other
            figures["peak memory"] = full.peak
            if estimate.layout.offload != nil { figures["memory on the host"] = full.host }
        }
        guard let run = estimate.run else { return figures }
        figures["steps"] = run.steps
        figures["goodput"] = run.goodput
        figures["days"] = run.days
        figures["fewest days"] = run.lowDays
        figures["most days"] = run.highDays
        figures["GPU-hours"] = run.gpuHours
        figures["GPU-months"] = run.gpuMonths
        figures["cost"] = run.cost
        figures["energy"] = run.energyMWh
        figures["wall energy"] = run.wallEnergyMWh
        return figures
    }

    /// Every line of the document gives its value, and every figure of the answer is the value of its line.
    static func document(_ estimate: Estimate) throws -> Property.Outcome {
        let estimate = try estimate.explained()
        let lines = try PrintedLine.lines(json: EstimateReport(estimate, explained: true).json())
        var figures = figures(estimate)
        var symbols: [String: Double] = [:]
        var outcomes: [Property.Outcome] = []
        for line in lines {
            let value = try FormulaByHand.value(line.formula, line.inputs)
            // Differences of seconds are as exact as what they are taken from.
            let slack = line.formula.contains("still") ? 1e-14 * (line.inputs["still"] ?? 0) : 0
            outcomes.append(
                abs(value - line.value) <= slack
                    ? .holds
                    : Property.equal("\(line.figure) = \(line.formula) with \(line.inputs)", value, line.value))
            if let figure = figures.removeValue(forKey: line.figure) {
                let slack = line.figure.hasPrefix("pipeline") ? 1e-12 * estimate.iteration.seconds : 0
                outcomes.append(
                    abs(line.value - figure) <= slack
                        ? .holds : Property.equal("\(line.figure), which is explained", line.value, figure))
            }
            for (symbol, value) in line.inputs {
                outcomes.append(
                    Property.equal("\(symbol) in \(line.figure)", value, symbols[symbol] ?? value, tolerance: 0))
                symbols[symbol] = value
            }
        }
        if let missing = figures.keys.sorted().first { outcomes.append(.fails("\(missing) is not explained")) }
        return .all(outcomes)
    }

    /// Every line of the text gives its value, as far as its digits say; it has those of the document.
    static func text(_ estimate: Estimate) throws -> Property.Outcome {
        let estimate = try estimate.explained()
        let lines = try PrintedLine.lines(text: ExplanationText(estimate).text())
        guard lines.map(\.figure) == estimate.explanation.map(\.figure) else {
            return .fails("other lines in the text")
        }
        var outcomes: [Property.Outcome] = []
        for (line, exact) in zip(lines, estimate.explanation) {
            let value = try FormulaByHand.value(line.formula, line.inputs)
            let words = "\(line.figure) = \(line.formula) with \(line.inputs): \(value), printed \(line.value)"
            outcomes.append(
                value == line.value || abs(value - line.value) <= 1.001 * line.digit ? .holds : .fails(words))
            outcomes.append(
                line.value == exact.value || abs(line.value - exact.value) <= 0.501 * line.digit
                    ? .holds : .fails("\(line.figure): printed \(line.value), is \(exact.value)"))
            for input in exact.inputs {
                let printed = line.inputs[input.symbol] ?? .nan
                outcomes.append(
                    abs(printed - input.value) <= 5e-6 * abs(input.value)
                        ? .holds : .fails("\(line.figure): \(input.symbol) printed \(printed), is \(input.value)"))
            }
        }
        return .all(outcomes)
    }

    /// What goes into memory: the ranks that share the state out, and what is reserved.
    static func inputs(_ estimate: Estimate) throws -> Property.Outcome {
        let estimate = try estimate.explained()
        let layout = estimate.layout
        let framework = estimate.plan.framework(for: layout)
        let reserved = framework.reservedBytes ?? estimate.plan.cluster.device.reservedBytes
        var outcomes: [Property.Outcome] = []
        for input in estimate.explanation.flatMap(\.inputs) {
            if input.symbol == "S" {
                outcomes.append(Property.equal("ranks", input.value, Double(layout.shardRanks), tolerance: 0))
            }
            if input.symbol == "reserved" {
                outcomes.append(Property.equal("reserved", input.value, reserved, tolerance: 0))
            }
        }
        return .all(outcomes)
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
        // Even stages are not printed.
        spelled.layersPerStage = StagePartition(layout, model: plan.model).sizes
        if spelled.sharding != .none { spelled.shardGroup = layout.shardGroup ?? layout.data * layout.context }
        return spelled
    }
}
