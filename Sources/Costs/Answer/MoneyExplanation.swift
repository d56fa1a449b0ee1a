internal import Foundation
internal import Models
internal import Plans

extension RunExplanation {
    /// Adds the cost of the devices of a cluster of one kind of nodes.
    func addPrice(to lines: inout Derivation) {
        guard let price = plan.cluster.price else { return }
        let words = plan.currency.words
        if price.rent == nil, let bought = price.purchase {
            lines.define("price_d", bought.perGpu, words, "price of a device that is bought")
            lines.define("years", bought.years, "years", "years until it is written off")
            lines.define("residual", bought.residual, "share", "what it is worth then")
            lines.define("use", bought.utilisation, "share", "hours in which it is used")
            lines.define("upkeep", bought.upkeepPerGpuHour, words, "power, hosting and repair for an hour")
            lines.derive(
                "price of an hour", as: "price", "price_d·(1 − residual)/(years·8766·use) + upkeep", words,
                after: "straight-line depreciation")
        } else {
            lines.define("price", price.perHour, words, "\(words) a GPU-hour")
        }
        lines.derive(
            plan.money.costs.isEmpty ? "cost" : "cost of devices", as: "cost", "hours·price", words,
            after: "price of the cluster file")
    }

    /// Adds what the run costs beside its devices, and the sum.
    func addCosts(to lines: inout Derivation) {
        let costs = plan.money.costs
        guard !costs.isEmpty, plan.cluster.kinds.contains(where: { $0.price != nil }) else { return }
        let words = plan.currency.words
        var terms = ["cost"]
        lines.derive("months of the run", as: "months_r", "days·24/730", "months")
        if let held = costs.storage {
            lines.define("V_s", held.bytes / 1e12, "TB", "storage that is held")
            lines.define("p_s", held.perTerabyteMonth, words, "\(words) a terabyte and month")
            terms.append("V_s·p_s·months_r")
        }
        if let sent = costs.egress {
            lines.define("V_e", sent.bytes / 1e12, "TB", "data that leaves the site")
            lines.define("p_e", sent.perTerabyte, words, "\(words) a terabyte")
            terms.append("V_e·p_e")
        }
        if let staff = costs.staff {
            lines.define("people", staff.people, "people", "people who work on the run")
            lines.define("p_m", staff.perMonth, words, "\(words) for one a month")
            terms.append("people·p_m·months_r")
        }
        if let price = costs.perKilowattHour, plan.cluster.kinds.allSatisfy({ $0.siteWatts != nil }) {
            lines.define("p_k", price, words, "\(words) a kilowatt-hour")
            terms.append("1000·wall·p_k")
        }
        lines.derive("cost", as: "cost_all", terms.joined(separator: " + "), words, note: "devices and all else stated")
    }

    /// Adds failures, checkpoints and goodput.
    func addGoodput(to lines: inout Derivation) {
        guard let interruptions = totals.interruptions else {
            return lines.derive("goodput", as: "goodput", "1", "share", note: "no failures are known")
        }
        let failures = plan.failures
        if plan.cluster.groups == nil {
            lines.define("n_node", max(plan.cluster.devicesPerNode, 1), "devices", "devices of a node")
        }
        if let detection = failures.detection {
            lines.define("R_d", detection, "s", "seconds from a failure until it is noticed")
            lines.define("R_r", failures.restart ?? Failures.usualRestart, "s", "seconds from then to training again")
            lines.derive("seconds from a failure to training again", as: "R", "R_d + R_r", "s")
        } else {
            lines.define("R", failures.outage, "s", "seconds from a failure to training again")
        }
        lines.derive(
            "mean time between failures of all devices", as: "θ",
            plan.cluster.groups.map { addFailures($0, to: &lines) } ?? addFailures(to: &lines), "s")
        addCheckpoint(to: &lines)
        let often = interruptions.checkpoint < 2 * interruptions.between
        lines.derive(
            "seconds between checkpoints", as: "τ",
            often ? "sqrt(2·δ·θ)·(1 + sqrt(δ/(2·θ))/3 + δ/(2·θ)/9) − δ" : "θ", "s", after: "Daly 2006, equation 37")
        let note = interruptions.goodput > 0 ? "" : "failures come faster than training goes on"
        let share = "τ/(θ·exp(R/θ)·(exp((τ + δ)/θ) − 1))"
        guard interruptions.wait > 0 else {
            return lines.derive("goodput", as: "goodput", share, "share", note: note, after: "Daly 2006, equation 20")
        }
        addWait(to: &lines)
        lines.derive(
            "goodput", as: "goodput", "\(share)/(1 + W/θ)", "share", note: note,
            after: "Daly 2006, equation 20; nothing fails while training waits")
    }

    /// Defines how often devices of one kind of nodes fail.
    /// - Returns: the formula of the mean time between failures of all devices.
    private func addFailures(to lines: inout Derivation) -> String {
        var rates: [String] = []
        if let perDay = plan.failures.perDay {
            lines.define("f_d", perDay, "", "failures a day of all devices")
            rates.append("f_d/86400")
        } else if let perNodeDay = plan.failures.perNodeDay {
            lines.define("f_n", perNodeDay, "", "failures of a node a day")
            rates.append("f_n·ceil(n/n_node)/86400")
        } else if let single = plan.cluster.meanTimeBetweenFailures {
            lines.define("θ_1", single, "s", "mean time between failures of a device")
            rates.append("n/θ_1")
        }
        if let taken = plan.cluster.price?.preemptionsPerNodeDay {
            lines.define("f_s", taken, "", "times a day that a spot node is taken away")
            rates.append("f_s·ceil(n/n_node)/86400")
        }
        return rates == ["n/θ_1"] ? "θ_1/n" : "1/(\(rates.joined(separator: " + ")))"
    }

    /// Adds the seconds of a checkpoint.
    private func addCheckpoint(to lines: inout Derivation) {
        if plan.failures.checkpointTime != nil {
            return lines.define(
                "δ", totals.checkpointSeconds, "s", "seconds for which a checkpoint blocks training (stated)")
        }
        lines.define(
            "β_s", plan.failures.nodeWrite ?? Failures.usualNodeWrite, "bytes/s", "what a node writes to storage")
        if plan.cluster.groups != nil { lines.define("nodes_g", plan.nodes, "nodes", "nodes of all groups") }
        var rate = "\(plan.cluster.groups == nil ? "ceil(n/n_node)" : "nodes_g")·β_s"
        if let most = plan.failures.storageWrite {
            lines.define("β_a", most, "bytes/s", "what the storage takes from all nodes")
            rate = "min(\(rate), β_a)"
        } else {
            rate = "(\(rate))"
        }
        let trained = plan.model.tuning == nil ? "N" : "N_r"
        if plan.model.tuning != nil {
            lines.define("N_r", plan.model.trainedParameters, "parameters", "parameters that training changes")
        }
        let matrices = work.matrices?.wholeBytes(work)
        if let matrices {
            lines.define(
                "B_m", matrices, "bytes", "what the optimizer keeps of matrices over what it keeps of other weights")
        }
        let state = "(b_w + b_o)·\(trained)"
        lines.derive(
            "seconds of a checkpoint", as: "δ", "\(matrices == nil ? state : "(\(state) + B_m)")/\(rate)", "s",
            note: "weights and optimizer, written once, by all nodes together")
    }

    /// Adds the wait for a node that is being repaired.
    private func addWait(to lines: inout Derivation) {
        let spares = plan.spareNodes
        lines.define("T_r", plan.failures.repair ?? 0, "s", "seconds until a failed node is back")
        lines.define("k", spares, "nodes", "spare nodes")
        lines.derive("nodes in repair if training never waited", as: "a", "T_r/θ", "nodes")
        // The sum of Erlang's formula has k + 1 terms, so its result is stated.
        let load = (plan.failures.repair ?? 0) / (plan.meanTimeBetweenFailures ?? .infinity)
        lines.define(
            "E_k", Plan.erlangLoss(load: load, servers: spares), "share",
            "failures that find every spare node in repair: Erlang's loss formula of a and k")
        lines.derive(
            "mean wait for a repaired node", as: "W", "T_r/(k + 1)·E_k", "s",
            note: "until the first of k + 1 nodes is back", after: "Erlang 1917")
    }
}
