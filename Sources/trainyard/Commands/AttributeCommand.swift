internal import ArgumentParser
internal import Costs
internal import Interchange
internal import Options
internal import Planner
internal import Plans
internal import Reading

/// `trainyard attribute PLAN TRACE…`: lays a measured step over the plan's prediction.
struct AttributeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attribute",
        abstract: "Lay a measured trace over a plan's prediction: which part took longer, on which rank.",
        discussion: """
            Traces are the Chrome traces of torch.profiler (export_chrome_trace; .json or .json.gz), one file for each \
            rank, as many ranks as there are; or the one file that `trainyard train --trace` or `simulate --trace` wrote.

            A profiler that marks its steps is needed:
              from torch.profiler import profile, schedule
              with profile(schedule=schedule(wait=2, warmup=1, active=3),
                           on_trace_ready=lambda p: p.export_chrome_trace(
                               f"rank{rank}.json")) as p:
                  for batch in data:
                      train(batch)
                      p.step()

            Then, on any machine:
              trainyard attribute plan.yaml rank*.json
              trainyard attribute plan.yaml rank*.json --step 12 --json
              trainyard attribute plan.yaml new/rank*.json --against old/rank*.json
              trainyard simulate plan.yaml --slow-rank 2=1.3 --trace slow.json
              trainyard attribute plan.yaml slow.json

            The rank of a file is that of its distributedInfo, else of its name (rank3.json), else its place in the order \
            given. Of several steps the median one is taken, without the first. Communication beside compute is \
            "hidden" and takes no time of the step. Collectives are told apart by the ranks of their groups on the plan's \
            grid: tensor innermost, then context, data, pipeline.
            """)

    @Argument(help: "The plan that was run.")
    var plan: String

    @Argument(help: "Traces: one for each rank.")
    var traces: [String]

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Compare with these traces of another run of the plan, instead of with the price.", valueName: "traces"))
    var against: [String] = []

    @Option(help: "The step to look at, by the profiler's number. (default: the median one, without the first)")
    var step: Count?

    @Option(help: "Devices, instead of the plan's; the data-parallel degree of a layout follows.")
    var devices: Count?

    @OptionGroup var chooser: LayoutSearchOptions
    @OptionGroup var width: WidthOption

    @Flag(help: "Print one JSON document.")
    var json = false

    mutating func run() throws {
        var sources = ReadFiles()
        var plan = try PlanFile.read(plan, devices: devices?.value, files: &sources)
        Console.notes(plan.firmRemarks)
        let choice = try ChosenLayout(plan: plan, settings: try chooser.settings())
        let layout = choice.layout
        choice.found.forEach(Console.note)
        if let chosen = choice.estimate?.plan {
            (plan.devices, plan.idleDevices, plan.batch) = (chosen.devices, chosen.idleDevices, chosen.batch)
            plan.frameworks.assumed = chosen.frameworks.assumed
        }
        let microbatches = plan.batch / max(1, layout.data * layout.microbatch)
        let run = try TracedRun.read(traces, layout: layout, model: plan.model, microbatches: microbatches)
        let baseline =
            try against.isEmpty
            ? priced(plan, layout)
            : Attribution.Baseline(
                TracedRun.read(against, layout: layout, model: plan.model, microbatches: microbatches), step: nil,
                stages: layout.pipeline)
        let cluster = plan.cluster
        let nodes = cluster.groups == nil && cluster.devicesPerNode < plan.devices ? cluster.devicesPerNode : nil
        let attribution = try Attribution(run, against: baseline, step: step?.value, devicesPerNode: nodes)
        try print(
            json
                ? attribution.json(plan: plan.name)
                : AttributionText(attribution: attribution, width: width.columns).text())
    }

    /// The time that the plan's step is predicted to take on each rank of the pipeline.
    private func priced(_ plan: Plan, _ layout: Layout) throws -> Attribution.Baseline {
        let estimate = try price(plan: plan, layout: layout)
        let work = try Pricer(plan: plan).work(of: estimate)
        let ranks = IterationTime.byRank(work, pipeline: estimate.iteration.pipeline)
        return Attribution.Baseline(priced: ranks.map(\.byPart), seconds: estimate.iteration.seconds)
    }
}

extension RankSeconds {
    /// The seconds by the parts that traces are compared with.
    fileprivate var byPart: [StepPart: Double] {
        [
            .compute: passes.compute, .recompute: passes.recompute, .tensor: passes.tensor, .context: passes.context,
            .expert: passes.expert, .shardedData: passes.data, .contention: passes.pipeline, .host: passes.host,
            .offload: passes.offload, .bubble: bubble, .messages: messages, .reduction: reduction,
            .optimizer: optimizer,
            .outside: outside,
        ]
    }
}
