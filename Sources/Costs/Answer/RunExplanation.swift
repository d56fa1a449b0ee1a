internal import Foundation
internal import Models
internal import Plans

/// Explains the whole run: steps, interruptions, days, cost, energy.
struct RunExplanation {
    private let work: LayoutWork
    var plan: Plan { work.plan }
    private var totals: RunTotals { RunTotals(work) }

    init(_ work: LayoutWork) { self.work = work }

    /// - Parameter seconds: seconds of a step.
    func addRun(to lines: inout Derivation, seconds: Double) {
        guard let tokens = plan.tokens else { return }
        lines.define("D", tokens, "tokens", "tokens to train on")
        var perStep = "B·s"
        if plan.padding > 0 {
            lines.define("π", plan.padding, "share", "tokens of a step that only fill up sequences")
            perStep = "B·s·(1 − π)"
        }
        let rampup = RampupTotals(work, tokens: tokens, seconds: seconds)
        if let rampup {
            lines.define("steps_r", rampup.steps, "steps", "steps while the batch grows")
            lines.define("seconds_r", rampup.seconds, "s", "seconds of these steps, each batch by its own price")
            lines.define("D_r", rampup.tokens, "tokens", "tokens of these steps")
        }
        lines.derive(
            "steps", as: "steps", rampup == nil ? "ceil(D/(\(perStep)))" : "steps_r + ceil((D − D_r)/(\(perStep)))",
            "steps", after: rampup == nil ? "" : "Megatron-LM, --rampup-batch-size")
        addGoodput(to: &lines)
        let band = ErrorBand(plan: plan, layout: work.layout, framework: work.framework)
        lines.define("δ_l", band.low, "share", "share a step may be shorter by (\(band.reason))")
        lines.define("δ_h", band.high, "share", "share a step may be longer by (\(band.reason))")
        addShares(to: &lines)
        if plan.anchor != nil {
            lines.define("φ_m", exp(band.shift), "", "a step as measurements make it expected over its prediction")
        }
        lines.derive(
            "days of the steps", as: "days_s",
            rampup == nil ? "steps·seconds/86400" : "(seconds_r + (steps − steps_r)·seconds)/86400", "days")
        lines.derive(
            "days", as: "days", "days_s\(plan.anchor == nil ? "" : "·φ_m")·φ_p·(1 + φ_e + φ_d + φ_i)/goodput", "days",
            note: "steps, what teams take over the fastest layout, evaluation, data, stops, failures and checkpoints")
        lines.derive("fewest days", as: "days_low", "days·(1 − δ_l)", "days", note: "holds nine in ten runs")
        lines.derive("most days", as: "days_high", "days·(1 + δ_h)", "days", note: "holds nine in ten runs")
        // Idle devices are paid for, but their energy is not counted.
        if plan.idleDevices > 0 { lines.define("n_i", plan.idleDevices, "devices", "devices that stay idle") }
        lines.derive("GPU-hours", as: "hours", plan.idleDevices > 0 ? "days·24·(n + n_i)" : "days·24·n", "hours")
        lines.derive("GPU-months", as: "months", "hours/730", "months")
        if let groups = plan.cluster.groups { return addGroups(groups, to: &lines) }
        if let price = plan.cluster.pricePerDeviceHour {
            lines.define("price", price, "dollars", "dollars a GPU-hour")
            lines.derive("cost", as: "cost", "hours·price", "dollars", after: "price of the cluster file")
        }
        if let watts = plan.cluster.device.watts {
            lines.define("watts", watts, "W", "power of a board")
            lines.derive(
                "energy", as: "energy", "days·24·n·watts/10^6", "MWh",
                after: "board power for every hour, as published totals are counted")
        }
        guard totals.nodeWatts != nil else { return }
        if let stated = plan.cluster.device.nodeWatts {
            lines.define("watts_node", stated, "W", "what a node draws over its devices, of the cluster file")
        } else {
            let power = CostConstants.nodePower
            lines.derive(
                "power of a node over its devices", as: "watts_node", "watts·\(power.drawn)/\(power.boards)", "W",
                after: "Newkirk et al. 2025: nodes of H100 draw \(power.drawn) W for each board of \(power.boards) W")
        }
        lines.define("PUE", totals.powerUsageEffectiveness, "", "energy of the site over that of its nodes")
        lines.derive("wall energy", as: "wall", "days·24·n·watts_node·PUE/10^6", "MWh", note: "nodes and cooling")
    }

    /// Defines what whole runs take beyond steps and failures.
    private func addShares(to lines: inout Derivation) {
        func meaning(_ text: String, _ isStated: Bool, _ source: String) -> String {
            "\(text) (\(isStated ? "stated" : source))"
        }
        let run = plan.run
        lines.define(
            "φ_p", plan.practice, "",
            "a step as teams ran it over the fastest layout that a search finds; 1 for a stated layout")
        lines.define(
            "φ_e", plan.evaluationShare, "share",
            meaning("evaluation over steps", run.evaluation != nil, "BloombergGPT: 53 days for 52.4 of steps"))
        lines.define(
            "φ_d", plan.dataShare, "share",
            meaning("waiting for data over steps", run.data != nil, "MegaScale: read ahead"))
        lines.define(
            "φ_i", plan.idleShare, "share",
            meaning(
                "stops and repeated steps over steps", run.idle != nil,
                "nine whole runs: 90 % of the time trains in the median"))
    }

    private func addGoodput(to lines: inout Derivation) {
        guard let all = plan.meanTimeBetweenFailures, let goodput = totals.goodput else {
            return lines.derive("goodput", as: "goodput", "1", "share", note: "no failures are known")
        }
        if let groups = plan.cluster.groups {
            lines.define("nodes_g", groups.nodes, "nodes", "nodes of all groups")
        } else if let single = plan.cluster.meanTimeBetweenFailures {
            lines.define("θ_1", single, "s", "mean time between failures of a device")
            lines.define("n_node", max(plan.cluster.devicesPerNode, 1), "devices", "devices of a node")
        }
        lines.define("β_s", CostConstants.checkpointBytesPerSecond, "bytes/s", "what a node writes to storage")
        lines.define("R", CostConstants.restartSeconds, "s", "seconds from a failure to training again")
        let trained = plan.model.tuning == nil ? "N" : "N_r"
        if plan.model.tuning != nil {
            lines.define("N_r", plan.model.trainedParameters, "parameters", "parameters that training changes")
        }
        lines.derive(
            "mean time between failures of all devices", as: "θ",
            plan.cluster.groups.map { addFailures($0, to: &lines) } ?? "θ_1/n", "s")
        let matrices = work.matrices?.wholeBytes(work)
        if let matrices {
            lines.define(
                "B_m", matrices, "bytes", "what the optimizer keeps of matrices over what it keeps of other weights")
        }
        let state = "(b_w + b_o)·\(trained)"
        lines.derive(
            "seconds of a checkpoint", as: "δ",
            "\(matrices == nil ? state : "(\(state) + B_m)")/(\(plan.cluster.groups == nil ? "ceil(n/n_node)" : "nodes_g")·β_s)",
            "s",
            note: "weights and optimizer, written once, by all nodes together")
        let often = totals.checkpointSeconds < 2 * all
        lines.derive(
            "seconds between checkpoints", as: "τ",
            often ? "sqrt(2·δ·θ)·(1 + sqrt(δ/(2·θ))/3 + δ/(2·θ)/9) − δ" : "θ", "s", after: "Daly 2006, equation 37")
        lines.derive(
            "goodput", as: "goodput", "τ/(θ·exp(R/θ)·(exp((τ + δ)/θ) − 1))", "share",
            note: goodput.share > 0 ? "" : "failures come faster than training goes on", after: "Daly 2006, equation 20"
        )
    }

    func addRates(to lines: inout Derivation, peak: Double) {
        if let groups = plan.cluster.groups {
            addPeaks(groups, to: &lines)
        } else {
            lines.define("Φ", peak, "FLOP/s", "datasheet peak of all devices (\(plan.precision.rawValue))")
        }
        lines.derive("MFU", as: "MFU", "M/(seconds·Φ)", "share", after: "Chowdhery et al. 2022, appendix B")
        lines.derive("HFU", as: "HFU", "H/(seconds·Φ)", "share", after: "Korthikanti et al. 2022, appendix A")
    }
}
