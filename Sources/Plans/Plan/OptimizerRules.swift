package import Models
package import Reading

extension Optimizer {
    /// Problems of the optimizer with the format of the weights and with a layout.
    package func problems(precision: Precision, layout: Layout?) -> [PlanProblem] {
        var problems: [PlanProblem] = []
        func report(_ field: String, _ value: String, _ rule: String, _ fix: String) {
            problems.append(PlanProblem(.misfit, field: field, value: value, rule: rule, fix: fix))
        }
        if precision == .fp32, master != .fp32 {
            report(
                "optimizer.master", master.rawValue, "needs 16-bit weights: fp32 weights are their own master",
                "remove it, or set precision to bf16")
        } else if precision == .fp16, master == .remainders {
            report(
                "optimizer.master", master.rawValue, "needs bf16 weights, which are the high half of fp32 ones",
                "use fp32 or fp16, or set precision to bf16")
        }
        if let layout, !sharding.contains(layout.sharding) {
            let words = sharding.map(\.rawValue)
            report(
                "layout.sharding", layout.sharding.rawValue,
                name == .muon
                    ? "muon steps whole matrices, and this sharding cuts them"
                    : "adafactor needs whole rows and columns, which no shard has",
                "use \(Wording.alternatives(words))")
        }
        if let layout, name == .muon, layout.sharding != .none, layout.shardRanks < layout.data * layout.context {
            report(
                "layout.shardGroup", "\(layout.shardRanks)", "muon hands matrices out to all data-parallel ranks",
                "remove it")
        }
        return problems
    }
}
