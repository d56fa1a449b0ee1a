internal import Foundation
internal import Models
internal import Plans

/// Explains the whole run: steps, interruptions, days, cost, energy.
struct RunExplanation {
    let work: LayoutWork
    var plan: Plan { work.plan }
    var totals: RunTotals { RunTotals(work) }

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
        // Idle and spare devices are paid for, but their energy is not counted.
        var paid = "n"
        if plan.idleDevices > 0 {
            lines.define("n_i", plan.idleDevices, "devices", "devices that stay idle")
            paid += " + n_i"
        }
        let spare = plan.rentedDevices - plan.paidDevices
        if spare > 0 {
            lines.define("n_s", spare, "devices", "devices of spare nodes")
            paid += " + n_s"
        }
        lines.derive("GPU-hours", as: "hours", paid == "n" ? "days·24·n" : "days·24·(\(paid))", "hours")
        lines.derive("GPU-months", as: "months", "hours/730", "months")
        if let groups = plan.cluster.groups {
            addGroups(groups, to: &lines)
        } else {
            addPrice(to: &lines)
            addEnergy(to: &lines)
        }
        addCosts(to: &lines)
    }

    /// Adds energy and emissions of a cluster of one kind of nodes.
    private func addEnergy(to lines: inout Derivation) {
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
        if let factor = plan.cluster.gridFactor {
            lines.define("γ", factor, "g/kWh", "CO2 for a kilowatt-hour of the grid")
            lines.derive("emissions", as: "CO2", "wall·γ/1000", "t", note: "CO2 of the energy at the wall")
        }
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
