package import Costs
package import Numbers
package import Plans

/// Figures of a plan and of its run, as tables print them.
extension Figures {
    /// `1,024`, or `992 of 1,000` where some stay idle.
    package static func devices(_ plan: Plan) -> String {
        plan.idleDevices > 0 ? "\(grouped(plan.devices)) of \(grouped(plan.paidDevices))" : grouped(plan.devices)
    }

    /// `1,024 × NVIDIA H100`, or `32 × NVIDIA H100 + 16 × NVIDIA A100` on a cluster of several groups.
    package static func onDevices(_ plan: Plan) -> String {
        plan.cluster.groups == nil ? "\(devices(plan)) × \(plan.cluster.device.name)" : plan.cluster.deviceWords
    }

    /// Device-months of a run that ends.
    package static func gpuMonths(_ run: Estimate.Run?) -> String {
        (run?.ended).map { words($0.gpuMonths) } ?? none
    }

    /// The cost of a run that ends and has a price, without its currency.
    package static func cost(_ run: Estimate.Run?) -> String { (run?.ended?.cost).map(words) ?? none }

    /// The cost of a run that ends and has a price: `21.5 million dollars`.
    package static func money(_ run: Estimate.Run?) -> String? {
        run?.ended.flatMap { run in run.cost.map { "\(words($0)) \(run.currency.words)" } }
    }

    /// Days of a run, or that it never ends.
    package static func days(_ run: Estimate.Run?) -> String {
        guard let run else { return none }
        return run.ends ? fixed(run.days, 1) : "never"
    }
}
