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
internal import Simulator

/// `trainyard simulate`: the predicted timeline of a plan's step, or of a pipeline without a plan.
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Predict when every action of a pipeline happens, and draw it.",
        discussion: """
            With a plan file, its training step: the pipeline, then the communication nothing hides and the optimizer. \
            Where the layout is auto, the fastest that fits is searched for.

            Without one, a pipeline with relative costs: the forward, the input gradient and the weight gradient of a \
            rank's whole share of the model take 1 each (a stage takes 1/v of it) and transfers nothing, unless options \
            say otherwise.

              trainyard simulate plans/gpt3-175b-64-a100.yaml --svg timeline.svg \\
                  --trace trace.json
              trainyard simulate --ranks 4 --microbatches 8 --schedule 1f1b --transfer 0.1
              trainyard simulate --compare 1f1b,interleaved-1f1b,optimal --memory-limit 4
              trainyard simulate --ranks 8 --microbatches 32 --jitter 5% --runs 200 \\
                  --slow-rank 2=1.3
              trainyard simulate --actions lists.csv
            """)

    @Argument(help: ArgumentHelp("The plan file; none: relative costs.", valueName: "file"))
    var plan: String?

    @Option(
        help: """
            A schedule by name, or optimal: the best a search finds, with a plan within its devices' memory. With a plan, \
            instead of the plan's.
            """)
    var schedule: String?

    @Option(help: ArgumentHelp("Schedules to draw under each other, commas between them.", valueName: "names"))
    var compare: String?

    @Option(
        help: ArgumentHelp("Action lists from a file: JSON of `schedule --json`, or CSV.", valueName: "file"))
    var actions: String?

    @Option(
        help: """
            Most activations a rank may hold in an optimal schedule, counted in its whole share of the model for one \
            micro-batch. (default: what 1f1b holds)
            """)
    var memoryLimit: Double?

    @Option(help: "Micro-batches an iteration. With a plan, instead of those its batch gives. (default: 8)")
    var microbatches: Count?

    @Option(help: "Stages each rank holds. With a plan, instead of the plan's. (default: 1)")
    var virtualStages: Count?

    @OptionGroup(title: "Where the plan leaves its layout open")
    var chooser: LayoutSearchOptions

    @OptionGroup(title: "Without a plan")
    var bare: BarePipelineOptions

    @OptionGroup(title: "Disturbances")
    var disturbance: DisturbanceOptions

    @Option(help: ArgumentHelp("Write a Chrome trace, for Perfetto or chrome://tracing.", valueName: "out.json"))
    var trace: String?

    @Option(help: ArgumentHelp("Write a drawing.", valueName: "out.svg"))
    var svg: String?

    @Option(
        help: ArgumentHelp(
            """
            Write the lists as the CSV that PyTorch's pipeline runtime runs and --actions reads. Only lists that it runs \
            are then optimal.
            """, valueName: "out.csv"))
    var writeActions: String?

    @Flag(help: "Print the figures as one JSON document instead of the drawing.")
    var json = false

    @Flag(
        name: [.customLong("colour"), .customLong("color")], inversion: .prefixedNo,
        help: "Draw with colours. (default: on a terminal)")
    var colour: Bool?

    @Option(help: "Columns of the drawing. (default: the terminal's, else 100)")
    var width: Count?

    /// Columns that lines must fit in; nil: any number.
    private var lineWidth: Int? { width?.value ?? Console.width }

    /// The name that asks for the search in place of a schedule.
    private static let optimal = "optimal"

    func validate() throws {
        try check("--virtual-stages", virtualStages, in: Bounds.layers)
        if plan != nil { try check("--microbatches", microbatches, in: Bounds.batch) }
    }

    mutating func run() throws {
        if let width, !(20...1000).contains(width.value) {
            throw Failure.input("--width takes 20 to 1000 columns, not \(width)")
        }
        try refuseContradictions()
        let disturbed = try disturbance.disturbance()
        // Files are checked before the work: here for a plan or a search, later for a bare pipeline, whose options are
        // checked first.
        if compare != nil || plan != nil || schedule == Self.optimal { try checkFiles() }
        if let compare {
            try show(comparing: compare.split(separator: ",", omittingEmptySubsequences: false).map(String.init))
        } else if let plan {
            let (plan, layout, found, searched) = try pipeline(of: plan)
            try checkSlowRanks(disturbed, ranks: layout.pipeline)
            var pipeline =
                schedule == Self.optimal
                ? try SimulatedPipeline(
                    optimal: plan, layout: layout, virtualStages: virtualStages?.value, found: found,
                    disturbance: disturbance, oneDirection: writeActions != nil)
                : try SimulatedPipeline(plan: plan, layout: layout, found: found, disturbance: disturbance)
            pipeline.searched = searched
            try show(pipeline, notes: plan.remarks)
        } else {
            let (schedule, remark) = try bareSchedule()
            try checkSlowRanks(disturbed, ranks: schedule.ranks)
            do throws(BareCostProblem) {
                _ = try bare.actionCosts(stages: schedule.stages, ranks: schedule.ranks)
            } catch { throw Failure.input(error.description) }
            try checkFiles()
            var pipeline: SimulatedPipeline
            do {
                pipeline = try SimulatedPipeline(schedule, bare: bare, disturbance: disturbance, file: actions)
            } catch let error
                as BareCostProblem
            { throw Failure.input(error.description) }
            pipeline.heading = remark
            try show(pipeline)
        }
    }

    /// Refuses output files that cannot be written, that are one another, or that were read.
    private func checkFiles(_ sources: ReadFiles = ReadFiles()) throws(OutputError) {
        let files = [NamedPath("--trace", trace), NamedPath("--svg", svg), NamedPath("--write-actions", writeActions)]
            .compactMap(\.self)
        try OutputFile.check(files)
        let inputs = [NamedPath("the plan", plan), NamedPath("--actions", actions)].compactMap(\.self)
        try OutputFile.check(files, reading: inputs, sources)
    }

    /// Refuses options that contradict one another.
    private func refuseContradictions() throws {
        if let plan, let option = bare.given.first {
            throw Failure.input("\(option) is for a pipeline without a plan; \(plan) says it itself")
        }
        let ways = [("--schedule", schedule != nil), ("--compare", compare != nil), ("--actions", actions != nil)]
        if compare != nil, writeActions != nil {
            throw Failure.input("--write-actions writes one schedule, --compare draws several; give --schedule")
        }
        let given = ways.filter(\.1).map(\.0)
        if given.count > 1 { throw Failure.input("give \(given[0]) or \(given[1]), not both") }
        if actions != nil {
            if plan != nil { throw Failure.input("--actions brings its own pipeline; leave the plan out") }
            for (name, isGiven) in [
                ("--ranks", bare.ranks != nil), ("--microbatches", microbatches != nil),
                ("--virtual-stages", virtualStages != nil), ("--group-size", bare.groupSize != nil),
                ("--vocabulary-parallel", bare.vocabularyParallel != nil),
            ] where isGiven {
                throw Failure.input("\(name) is in the file of --actions; leave it out")
            }
        }
        if actions == nil, bare.vocabularyParallel == nil {
            for (name, isGiven) in [
                ("--softmax", bare.softmax != nil), ("--output-gradient", bare.outputGradient != nil),
                ("--exchange", bare.exchange != nil),
            ] where isGiven {
                throw Failure.input("\(name) is for a vocabulary that all ranks divide; add --vocabulary-parallel")
            }
        }
        let isSearching = schedule == Self.optimal || compare?.split(separator: ",").contains("optimal") == true
        if memoryLimit != nil, !isSearching {
            throw Failure.input("--memory-limit is for --schedule optimal")
        }
        if let memoryLimit, !(memoryLimit > 0) {
            throw Failure.input("--memory-limit is \(memoryLimit); it takes a number of activations above 0")
        }
        if plan != nil, memoryLimit != nil {
            throw Failure.input(
                "--memory-limit is for a pipeline without a plan; a plan's limit is its devices' memory")
        }
    }

    private func checkSlowRanks(_ disturbed: Disturbance, ranks: Int) throws {
        for rank in disturbed.slowRanks.keys.sorted() where !(0..<ranks).contains(rank) {
            throw Failure.input(
                "--slow-rank names rank \(rank); there are the ranks 0 to \(ranks - 1) of the pipeline, each of which stands "
                    + "for all devices of its stages")
        }
    }

    /// The action lists of a pipeline without a plan, with the lines to print above its drawing.
    private func bareSchedule() throws -> (Schedule, [String]) {
        if let actions { return (try ActionFile.read(actions), []) }
        let search = BareScheduleSearch(
            bare: bare, virtualStages: virtualStages?.value, microbatches: microbatches?.value ?? 8,
            memoryLimit: memoryLimit)
        if schedule == Self.optimal {
            let found = try search.optimal(oneDirection: writeActions != nil)
            return (found.schedule, [found.remark])
        }
        guard let schedule else {
            let stages = virtualStages?.value ?? 1
            let name = ScheduleName.usual(virtualStages: stages).rawValue
            return (try PipelineOptions.schedule(named: name, search.shape(stages)), [])
        }
        return (try search.named(schedule), [])
    }

    /// Draws several schedules under each other.
    private func show(comparing names: [String]) throws {
        var entries: [SimulatedPipeline] = []
        var refused: [ScheduleComparison.Refusal] = []
        var found: [String] = []
        let planned = try plan.map { try pipeline(of: $0) }
        let disturbed = try disturbance.disturbance()
        try checkSlowRanks(disturbed, ranks: planned?.1.pipeline ?? bare.ranks?.value ?? 4)
        for name in names {
            let schedule = name == Self.optimal ? nil : try PipelineOptions.scheduleName(name)
            let name = schedule?.rawValue ?? name
            do {
                var next: SimulatedPipeline
                if let (plan, layout, _, _) = planned, schedule == nil {
                    next = try SimulatedPipeline(
                        optimal: plan, layout: layout, virtualStages: virtualStages?.value, found: [],
                        disturbance: disturbance)
                    found += next.heading.prefix(1)
                } else if let (plan, layout, _, _) = planned {
                    let choice = try layout.running(
                        try PipelineOptions.scheduleName(name), virtualStages: virtualStages?.value, plan: plan)
                    next = try SimulatedPipeline(plan: plan, layout: choice, found: [], disturbance: disturbance)
                } else {
                    let search = BareScheduleSearch(
                        bare: bare, virtualStages: virtualStages?.value, microbatches: microbatches?.value ?? 8,
                        memoryLimit: memoryLimit)
                    let schedule: Schedule
                    if name == Self.optimal {
                        let best = try search.optimal()
                        schedule = best.schedule
                        found.append(best.remark)
                    } else {
                        schedule = try search.schedule(PipelineOptions.scheduleName(name))
                    }
                    next = try SimulatedPipeline(schedule, bare: bare, disturbance: disturbance)
                }
                next.timeline.name = name
                entries.append(next)
            } catch let problem as ScheduleProblem {
                refused.append(ScheduleComparison.Refusal(schedule: name, rule: problem.description))
            } catch let problem as BareCostProblem {
                refused.append(ScheduleComparison.Refusal(schedule: name, rule: problem.description))
            } catch let problem as PlannerError {
                refused.append(ScheduleComparison.Refusal(schedule: name, rule: problem.description))
            }
        }
        guard let first = entries.first else {
            for refusal in refused { Console.error("\(refusal.schedule): \(refusal.rule)") }
            throw ExitCode(Failure.badInput)
        }
        try write(entries.map(\.timeline), unit: first.unit)
        let comparison = ScheduleComparison(entries.map(\.entry), refused: refused, unit: first.unit)
        if json {
            try print(comparison.json(notes: planned?.0.remarks))
        } else {
            for line in (planned?.found ?? []) + found {
                try print(Wrapped.fitted(line, width: lineWidth))
            }
            let text = comparison.text(
                width: lineWidth ?? 100, rows: 64, isColoured: colour ?? Console.isColoured)
            try print(Wrapped.fitted(text, width: lineWidth), terminator: "")
        }
    }

    /// The plan with the options' changes, its layout, and lines that say how the layout was found.
    private func pipeline(of planFile: String) throws -> (Plan, Layout, found: [String], SearchedSpace?) {
        var sources = ReadFiles()
        var plan = try PlanFile.read(planFile, files: &sources)
        try checkFiles(sources)
        let stated = plan.firmRemarks
        Console.notes(stated)
        var found: [String] = []
        var searched: SearchedSpace?
        var layout: Layout
        if let given = plan.layout, plan.openSchedule != nil, schedule != nil || compare != nil {
            layout = given
            plan.remarks = plan.notes(with: [])
        } else {
            let choice = try ChosenLayout(plan: plan, settings: try chooser.settings())
            layout = choice.layout
            found = choice.found
            searched = choice.searched
            plan.remarks = plan.notes(with: choice.estimate.map { [$0] } ?? [])
            // The chosen layout is simulated on the devices, batch and software that it was chosen for.
            if let chosen = choice.estimate?.plan {
                (plan.devices, plan.idleDevices, plan.batch) = (chosen.devices, chosen.idleDevices, chosen.batch)
                plan.frameworks.assumed = chosen.frameworks.assumed
            }
        }
        if let schedule, schedule != Self.optimal {
            layout = try layout.running(
                try PipelineOptions.scheduleName(schedule), virtualStages: virtualStages?.value, plan: plan,
                checked: false)
        } else if let virtualStages, schedule == nil {
            layout.virtualStages = virtualStages.value
            layout.layersPerStage = nil
        }
        if let microbatches {
            plan.batch = microbatches.value * layout.data * layout.microbatch
            guard Bounds.batch.contains(plan.batch) else {
                throw Failure.input(
                    "--microbatches \(microbatches) makes a batch of \(Figures.grouped(plan.batch)) sequences; at most "
                        + "\(Figures.grouped(Bounds.batch.upperBound)) are taken")
            }
            // The batch is now stated, even where the plan leaves it open.
            (plan.remarks, plan.wantedBatch) = (plan.firmRemarks, nil)
        }
        Console.notes(plan.remarks.filter { !stated.contains($0) })
        return (plan, layout, found, searched)
    }

    /// Writes the output files and prints the result.
    private func show(_ pipeline: SimulatedPipeline, notes: [Remark]? = nil) throws {
        try write(
            [pipeline.timeline], unit: pipeline.unit, labels: pipeline.estimate?.layout.degreesInWords)
        if let writeActions { try OutputFile.write(try ActionFile.csv(pipeline.schedule), to: writeActions) }
        if json {
            let report = TimelineReport(
                pipeline.timeline, of: pipeline.schedule, unit: pipeline.unit, stepTimes: pipeline.stepTimes,
                estimate: pipeline.estimate, searched: pipeline.searched, notes: notes)
            try print(report.json())
        } else {
            for line in [pipeline.timeline.name] + pipeline.heading {
                try print(Wrapped.fitted(line, width: lineWidth))
            }
            let text = TimelineText(
                width: lineWidth ?? 100, isColoured: colour ?? Console.isColoured,
                unit: pipeline.unit)
            try print(
                Wrapped.fitted(text.drawing(of: pipeline.timeline), width: lineWidth),
                terminator: "")
            if let times = pipeline.stepTimes { try print(times.text(unit: pipeline.unit)) }
        }
    }

    /// - Parameter labels: the layout of a single timeline, which its trace carries; nil: none.
    private func write(_ timelines: [Timeline], unit: TimelineUnit, labels: String? = nil) throws {
        if let trace {
            var file = ChromeTrace()
            timelines.forEach { file.add($0, labels: labels) }
            try OutputFile.write(file.json(), to: trace)
        }
        if let svg { try OutputFile.write(TimelineSVG(unit: unit).drawing(of: timelines), to: svg) }
    }
}
