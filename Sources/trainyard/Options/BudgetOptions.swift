internal import ArgumentParser
internal import Numbers
internal import Options
internal import Plans
internal import Planner
internal import Reading
internal import ScalingLaws

/// The options that state the budget of a training run.
struct BudgetOptions: ParsableArguments {
    @Option(help: ArgumentHelp("FLOPs of the training, 6·N·D.", valueName: "5.76e23"))
    var flops: String?

    @Option(help: "GPU-months of 730 hours, spent on --gpu.")
    var gpuMonths: String?

    @Option(help: ArgumentHelp("Money, spent on --gpu at its price.", valueName: "2M"))
    var cost: String?

    @Option(help: ArgumentHelp("Days that the run takes on --gpu.", valueName: "30"))
    var days: String?

    @Option(help: "A device such as H100 (`trainyard gpus` lists them), a cluster in cluster/, or a cluster file.")
    var gpu: String?

    @Option(help: "Number of devices; with --days and --cost or --gpu-months it follows from them.")
    var devices: Count?

    @OptionGroup var price: PriceOption

    func validate() throws { try check("--devices", devices, in: Bounds.devices) }

    /// The options that are given, as they are spelt.
    var stated: [String] {
        [
            ("--flops", flops != nil), ("--gpu-months", gpuMonths != nil), ("--cost", cost != nil),
            ("--days", days != nil), ("--gpu", gpu != nil), ("--devices", devices != nil),
            ("--price", price.price != nil),
        ].filter(\.1).map(\.0)
    }

    /// The FLOPs of `--flops`.
    func statedFLOPs() throws -> Double? {
        try flops.map { text in
            guard let value = try? Quantity.parse(text, as: .flops), Self.mostFLOPs.contains(value) else {
                throw Failure.input("--flops: '\(text)' is not a number of FLOPs from 1e6 to 1e36, such as 5.76e23")
            }
            return value
        }
    }

    private static let mostFLOPs = 1e6...1e36

    /// The limits on a run; open where none is stated.
    func limits() throws -> RunLimits {
        var limits = RunLimits()
        limits.gpuMonths = try positive(gpuMonths, "--gpu-months")
        limits.cost = try positive(cost, "--cost")
        limits.days = try days.map { text in
            let days =
                (try? Quantity.parse(text, as: .plain))
                ?? (try? Quantity.parse(text, as: .seconds)).map { $0 / 86_400 }
            guard let days, (1e-3...1e5).contains(days) else {
                throw Failure.input("--days: '\(text)' is not a time such as 30 or 30d, at most 100,000 days")
            }
            return days
        }
        return limits
    }

    private func positive(_ text: String?, _ option: String) throws -> Double? {
        guard let text else { return nil }
        guard let value = try? Quantity.parse(text, as: .count), value > 0, value <= 1e18 else {
            throw Failure.input("\(option): '\(text)' is not \(Quantity.Unit.count.example) above zero")
        }
        return value
    }

    /// Refuses budgets that say the same in two ways, or say too little.
    /// - Parameter file: whether a plan states cluster and devices.
    func checkConsistency(_ limits: RunLimits, hasPlan: Bool) throws {
        let amounts = [("--days", limits.days), ("--cost", limits.cost), ("--gpu-months", limits.gpuMonths)].filter {
            $0.1 != nil
        }.map(\.0)
        if flops != nil {
            let others = stated.filter { $0 != "--flops" } + (hasPlan ? ["a plan"] : [])
            guard others.isEmpty else {
                throw Failure.input(
                    "--flops states the whole budget: leave out \(Wording.alternatives(others, "and")), or --flops")
            }
            return
        }
        if limits.cost != nil, limits.gpuMonths != nil {
            throw Failure.input("--cost and --gpu-months are two budgets of one kind: give one of them")
        }
        guard !hasPlan else {
            if gpu != nil { throw Failure.input("--gpu: the plan states the cluster; leave one of the two out") }
            guard amounts.count <= 1 else {
                throw Failure.input(
                    "\(Wording.alternatives(amounts, "and")): on the plan's devices one of them follows from the other; give one"
                )
            }
            return
        }
        guard !amounts.isEmpty else {
            guard stated.isEmpty else {
                throw Failure.input(
                    "\(Wording.alternatives(stated, "and")): how much is there to spend? add --days, --cost or --gpu-months"
                )
            }
            throw Failure.input(
                "there is no budget: give --flops, or --days, --cost or --gpu-months with --gpu, or a plan file")
        }
        guard gpu != nil else {
            throw Failure.input(
                "\(Wording.alternatives(amounts, "and")): spent on what? add --gpu, such as --gpu H100")
        }
        if devices != nil {
            guard amounts.count == 1 else {
                throw Failure.input(
                    "\(Wording.alternatives(amounts, "and")) with --devices: one follows from the others; leave one out"
                )
            }
        } else if amounts.count == 1 {
            throw Failure.input(
                limits.days == nil
                    ? "\(amounts[0]): on how many devices, or in which time? add --devices or --days"
                    : "--days: on how many devices, or for how much? add --devices, --cost or --gpu-months")
        }
    }

    /// The devices that spend the limits in the stated days.
    func devices(_ limits: RunLimits, price: Double?) throws -> Int {
        if let devices { return devices.value }
        let hours =
            limits.gpuMonths.map { $0 * RunCosts.hoursPerMonth }
            ?? limits.cost.flatMap { cost in price.map { cost / $0 } }
        guard let hours, let days = limits.days else {
            throw Failure.input("--cost: \(gpu ?? "the cluster") states no price; give --price")
        }
        let count = (hours / (days * 24)).rounded(.down)
        guard count >= 1, count <= Double(Bounds.devices.upperBound) else {
            throw Failure.input(
                "the budget is that of \(Figures.significant(hours / (days * 24))) devices for "
                    + "\(Figures.significant(days)) days: at least one and at most "
                    + "\(Figures.grouped(Bounds.devices.upperBound)) are needed")
        }
        return Int(saturating: count)
    }
}
