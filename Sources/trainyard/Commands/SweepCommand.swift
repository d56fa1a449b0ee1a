internal import ArgumentParser
internal import Costs
internal import Foundation
internal import Models
internal import Numbers
internal import Options
internal import Output
internal import Planner
internal import Plans
internal import Reading
internal import Reports
internal import Schedules

/// `trainyard sweep FILE`: prices a plan over several values of one property, or finds the devices that keep a limit.
struct SweepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep",
        abstract:
            "What if: more devices, another batch, model, sequence, network; or how many devices a deadline takes.",
        discussion: """
            Every point is searched for its own best layout. Over --devices there are two tables: strong scaling (the \
            batch stays) and weak scaling (the batch grows with the devices), with marks where the batch limits it. \
            Values are given with commas, or as a range that doubles. Without a variable, --deadline finds the fewest \
            devices that keep it, --cost and --gpu-months the fastest run within them; with --largest each finds the \
            largest model instead.

              trainyard sweep plans/100b-3t-1024.yaml --devices 256..16384 \\
                  --svg scaling.svg
              trainyard sweep plans/100b-3t-1024.yaml \\
                  --clusters a100-80g-sxm,h100-80g-sxm,b200-sxm
              trainyard sweep plans/100b-3t-1024.yaml --network-speed 0.5,1,2
              trainyard sweep plans/100b-3t-1024.yaml --deadline 90d
              trainyard sweep plans/100b-3t-1024.yaml --gpu-months 4000 --largest
            """)

    @Argument(help: "The plan file.")
    var file: String

    @Option(help: "Numbers of devices: 256..16384 doubles, 512,768,1024 lists.")
    var devices: String?
    @Option(help: "Batches, sequences a step.")
    var batch: String?
    @Option(help: "Tokens a sequence; the batch keeps its tokens.")
    var sequence: String?
    @Option(help: "Parameters of dense models, such as 7B,70B.")
    var params: String?
    @Option(help: "Devices such as H100, clusters in cluster/ or cluster files.")
    var clusters: String?
    @Option(help: "Speed of the network between nodes as a multiple of the cluster's, such as 0.5,1,2.")
    var networkSpeed: String?
    @Option(help: "The run must end in this time, such as 90d.")
    var deadline: String?
    @Option(help: "The run may cost this much, such as 5M. Without --deadline it may take five years.")
    var cost: String?
    @Option(help: "The run may take this many GPU-months. Without --deadline it may take five years.")
    var gpuMonths: String?
    @Flag(help: "Find the largest model on the plan's devices instead.")
    var largest = false
    @Option(help: "Most devices that are tried for a deadline or a cost.")
    var mostDevices: Count = 65_536
    @Option(help: "Write the scaling curves with the ideal line to this SVG file.")
    var svg: String?
    @OptionGroup(title: "Constraints") var space: SearchSpaceOptions
    @OptionGroup var price: PriceOption
    @OptionGroup var width: WidthOption
    @Flag(help: "Print one JSON document.")
    var json = false

    func validate() throws {
        try check("--most-devices", mostDevices, in: 1...1_000_000)
    }

    mutating func run() throws {
        let files = [NamedPath("--svg", svg)].compactMap(\.self)
        try OutputFile.check(files)
        let limits = try limits()
        let asked = [devices, batch, sequence, params, clusters, networkSpeed].compactMap(\.self).count
        guard asked <= 1 else {
            throw Failure.input(
                "give one of --devices, --batch, --sequence, --params, --clusters and --network-speed, not \(asked)")
        }
        guard asked == 1 || !limits.isOpen else {
            throw Failure.input(
                "a sweep over nothing: give --devices, --batch, --sequence, --params, --clusters or --network-speed, "
                    + "or a limit: --deadline, --cost or --gpu-months")
        }
        guard asked == 0 || limits.isOpen else {
            throw Failure.input("--deadline, --cost and --gpu-months find their own value: leave the variable out")
        }
        guard !largest || !limits.isOpen else {
            throw Failure.input("--largest needs a limit: --deadline, --cost or --gpu-months")
        }
        guard svg == nil || devices != nil else { throw Failure.input("--svg draws scaling over --devices") }
        let settings = try space.settings()
        var sources = ReadFiles()
        var plan = try PlanFile.read(file, files: &sources)
        try space.apply(to: &plan)
        try price.apply(to: &plan)
        // Measured steps are of the plan's own model and cluster.
        let others = [
            ("--sequence", sequence), ("--params", params), ("--clusters", clusters), ("--network-speed", networkSpeed),
        ]
        if let other = others.first(where: { $0.1 != nil }) { plan = plan.withoutMeasurements(because: other.0) }
        if largest { plan = plan.withoutMeasurements(because: "--largest") }
        plan = try plan.anchored().open
        plan.remarks += plan.anchoredRemarks
        Console.notes(plan.firmRemarks)
        let progress = SearchProgress()
        defer { progress.clear() }
        if !limits.isOpen {
            try answer(plan, limits, settings, progress)
            return
        }
        let wanted = try series(plan, &sources)
        try OutputFile.check(files, reading: [NamedPath("the plan", file)], sources)
        for point in wanted.flatMap(\.points) where !Bounds.batch.contains(point.plan.batch) {
            throw Failure.input(
                "\(point.label) would make a batch of \(Figures.grouped(point.plan.batch)) sequences; at most "
                    + "\(Figures.grouped(Bounds.batch.upperBound)) are taken")
        }
        let reports = wanted.map { name, variable, points in
            SweepReport(
                sweep(points, settings: settings) { progress.show("\(name): \(points[$0].label)") }, name: name,
                variable: variable, searched: SearchedSpace(settings.space, plan))
        }
        progress.clear()
        if let svg {
            guard let drawing = SweepReport.svg(reports) else {
                throw Failure.input("--svg needs at least two numbers of devices that have a layout")
            }
            try OutputFile.write(drawing, to: svg)
        }
        let notes = plan.notes(with: reports.flatMap(\.estimates))
        Console.notes(
            notes.filter { note in !wanted.contains { $0.points.contains { $0.plan.firmRemarks.contains(note) } } })
        try print(
            json
                ? SweepReport.json(reports, notes: notes)
                : reports.map { $0.text(width: width.columns) }.joined(separator: "\n\n"))
        guard !reports.contains(where: \.hasAnswer) else { return }
        Console.error("no point of the sweep has a layout that fits")
        throw ExitCode(Failure.doesNotFit)
    }

    /// Answers a question about limits: how many devices keep them, or which model does.
    private func answer(
        _ plan: Plan, _ limits: RunLimits, _ settings: SearchSettings, _ progress: SearchProgress
    ) throws {
        let found =
            largest
            ? try largestModel(plan, keeping: limits, settings: settings) {
                progress.show("trying \(Int(saturating: $0 / 1e6))M")
            }
            : try limitedRun(plan, keeping: limits, most: mostDevices.value, settings: settings) {
                progress.show("trying \($0) devices")
            }
        progress.clear()
        let notes = plan.notes(with: [found.estimate])
        Console.notes(notes.filter { !plan.firmRemarks.contains($0) })
        if json {
            try print(
                EstimateReport(found.estimate, searched: SearchedSpace(settings.space, plan), notes: notes).json())
            return
        }
        try print(
            EstimateText(
                found.estimate, found: [found.remark, SearchedSpace(settings.space, plan).description],
                width: max(60, width.columns ?? 100), isColoured: Console.isColoured
            ).text())
    }

    private func limits() throws -> RunLimits {
        var limits = RunLimits()
        limits.days = try DeadlineOption.days(deadline)
        limits.cost = try positive(cost, "--cost", .count)
        limits.gpuMonths = try positive(gpuMonths, "--gpu-months", .count)
        return limits
    }

    private func positive(_ text: String?, _ option: String, _ unit: Quantity.Unit) throws -> Double? {
        guard let text else { return nil }
        guard let value = try? Quantity.parse(text, as: unit), value > 0 else {
            throw Failure.input("\(option): '\(text)' is not \(unit.example) above zero")
        }
        return value
    }

    private typealias Series = (name: String, variable: SweepVariable, points: [SweepPoint])

    private func series(_ plan: Plan, _ sources: inout ReadFiles) throws -> [Series] {
        func points(
            _ text: String, _ option: String, whole: Bool = true, _ change: (inout Plan, Double) -> Void
        ) throws -> [SweepPoint] {
            try values(text, option, whole: whole).map { value in
                var changed = plan
                change(&changed, value)
                let isCount = whole && option != "--params"
                let label = isCount ? Figures.grouped(Int(saturating: value)) : Figures.magnitude(value)
                return SweepPoint(label: label, value: value, plan: changed)
            }
        }
        if let devices {
            let strong = try points(devices, "--devices") { $0.devices = Int(saturating: $1) }
            let weak = strong.map { point in
                var point = point
                // The sequences of each device stay as in the plan.
                let share = point.value / Double(max(1, plan.devices))
                point.plan.batch = max(1, Int(saturating: (Double(plan.batch) * share).rounded()))
                point.plan.wantedBatch = point.plan.batch
                return point
            }
            return [
                (
                    "strong scaling: batch \(plan.wantedBatch == nil ? "" : "about ")\(Figures.grouped(plan.batch))",
                    .devices, strong
                ),
                (
                    "weak scaling: batch grows with the devices, \(Figures.grouped(plan.batch)) on \(Figures.grouped(plan.devices))",
                    .devices, weak
                ),
            ]
        }
        if let batch {
            return [
                (
                    "batch", .batch,
                    try points(batch, "--batch") {
                        ($0.batch, $0.wantedBatch) = (Int(saturating: $1), nil)
                    }
                )
            ]
        }
        if let sequence {
            guard !plan.model.hasPicture else {
                throw Failure.input("--sequence: the tokens of a sequence follow from the plan's image or video")
            }
            let tokens = Double(plan.batch * plan.model.sequence)
            return [
                (
                    "tokens a sequence, as many tokens a step", .sequence,
                    try points(sequence, "--sequence") {
                        $0.model.sequence = Int(saturating: $1)
                        $0.batch = max(1, Int(saturating: (tokens / $1).rounded()))
                        if $0.wantedBatch != nil { $0.wantedBatch = $0.batch }
                    }
                )
            ]
        }
        if let params {
            let shaped = try points(params, "--params") { _, _ in }
            for point in shaped where !Model.shapeableParameters.contains(point.value) {
                throw Failure.input("--params: a shape is chosen for 10 million to 20 trillion parameters")
            }
            return [
                (
                    "parameters of a dense model", .parameters,
                    shaped.map { point in
                        var point = point
                        point.plan.model = Model.shaped(parameters: point.value, sequence: plan.model.sequence)
                        return point
                    }
                )
            ]
        }
        if let networkSpeed {
            return [
                (
                    "speed of the network between nodes, times the cluster's", .networkSpeed,
                    try points(networkSpeed, "--network-speed", whole: false) { plan, factor in
                        plan.cluster.scaleOutermost(by: factor)
                    }
                )
            ]
        }
        var moved = try onClusters(plan, clusters, file: file, sources: &sources)
        for index in moved.indices { try price.apply(to: &moved[index]) }
        return [
            (
                "clusters", .cluster,
                moved.enumerated().map { SweepPoint(label: $1.cluster.name, value: Double($0), plan: $1) }
            )
        ]
    }

    /// The numbers of a list with commas. Where a group of digits cannot be a number of its own, as in `1,024`, the
    /// commas may group digits: the text is then one number or refused.
    private func list(_ text: String, _ option: String, _ number: (String) throws -> Double) throws -> [Double] {
        let words = text.split(separator: ",").map { String($0.trimmingPrefix(" ")) }
        guard words.contains(where: { $0.count == 3 && $0.first == "0" && $0.allSatisfy(\.isNumber) }) else {
            return try words.map(number)
        }
        if let count = Count(argument: text) { return [try number(count.description)] }
        throw Failure.input(
            "\(option): commas stand between the values of '\(text)'; write the values without, such as 1024")
    }

    /// The numbers of `a,b,c`, or of `a..b`, which doubles from a to b.
    private func values(_ text: String, _ option: String, whole: Bool) throws -> [Double] {
        func number(_ word: String) throws -> Double {
            guard let value = try? Quantity.parse(word, as: .count), value > 0, value <= 1e15,
                !whole || value == value.rounded()
            else {
                throw Failure.input("\(option): '\(word)' is not \(whole ? "a whole number" : "a number") above zero")
            }
            return value
        }
        let found: [Double]
        if let dots = text.range(of: "..") {
            let ends = try [text[..<dots.lowerBound], text[dots.upperBound...]].map { word in
                // In a range, commas group digits.
                let count = whole ? Count(argument: String(word)) : nil
                return try number(count?.description ?? String(word))
            }
            guard ends[0] <= ends[1] else { throw Failure.input("\(option): the range \(text) runs backwards") }
            found = Swift.sequence(first: ends[0]) { 2 * $0 }.prefix { $0 < ends[1] } + [ends[1]]
        } else {
            found = try list(text, option, number)
        }
        guard !found.isEmpty else { throw Failure.input("\(option) names no value") }
        if !whole, let odd = found.first(where: { !(1e-6...1e6).contains($0) }) {
            throw Failure.input("\(option) takes 1e-6 to 1e6, not \(odd)")
        }
        if option != "--params", let most = found.max(), most > 1_000_000 {
            throw Failure.input("\(option) takes at most 1,000,000, not \(Figures.magnitude(most))")
        }
        return found
    }
}
