internal import ArgumentParser
internal import Costs
internal import Foundation
internal import Plans
internal import Planner
internal import Reports
internal import Schedules
internal import Simulator

/// `trainyard simulate`: the predicted timeline of a plan, or of a bare pipeline.
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

              trainyard simulate plans/gpt3-175b-64-a100.yaml --svg timeline.svg --trace trace.json
              trainyard simulate --ranks 4 --microbatches 8 --schedule 1f1b --transfer 0.1
            """)

    @Argument(help: ArgumentHelp("The plan file; none: relative costs.", valueName: "file"))
    var plan: String?

    @Option(help: "gpipe, 1f1b or interleaved-1f1b. With a plan, instead of the plan's.")
    var schedule: String?

    @Option(help: "Micro-batches an iteration. With a plan, instead of those its batch gives. (default: 8)")
    var microbatches: Int?

    @Option(help: "Stages each rank holds. With a plan, instead of the plan's. (default: 1)")
    var virtualStages: Int?

    @OptionGroup(title: "Without a plan")
    var bare: BarePipelineOptions

    @Option(help: ArgumentHelp("Write a Chrome trace, for Perfetto or chrome://tracing.", valueName: "out.json"))
    var trace: String?

    @Option(help: ArgumentHelp("Write a drawing.", valueName: "out.svg"))
    var svg: String?

    @Flag(help: "Print the figures as one JSON document instead of the drawing.")
    var json = false

    @Flag(name: [.customLong("colour"), .customLong("color")], help: "Draw with colours.")
    var colour = false

    @Option(help: "Columns of the drawing. (default: the terminal's, else 100)")
    var width: Int?

    mutating func run() throws {
        if let width, !(20...1000).contains(width) {
            throw Failure.input("--width takes 20 to 1000 columns, not \(width)")
        }
        if let plan { try simulate(planFile: plan) } else { try simulateBare() }
    }

    private func simulateBare() throws {
        let shape = PipelineShape(
            ranks: bare.ranks ?? 4, virtualStages: virtualStages ?? 1, microbatches: microbatches ?? 8,
            groupSize: bare.groupSize)
        let name = schedule ?? (shape.virtualStages > 1 ? ScheduleName.interleaved : .oneForwardOneBackward).rawValue
        let schedule = try PipelineOptions.schedule(named: name, shape)
        let costs = try bare.actionCosts(shape)
        let timeline: Timeline
        do throws(SimulationProblem) {
            timeline = try Simulator.simulate(schedule, costs: costs)
        } catch {
            throw Failure.input(error.description)
        }
        try show(timeline, of: schedule, unit: .steps, heading: [])
    }

    private func simulate(planFile: String) throws {
        if let option = bare.given.first {
            throw Failure.input("\(option) is for a pipeline without a plan; \(planFile) says it itself")
        }
        let (plan, layout, found) = try pipeline(of: planFile)
        let predicted = try predictedIteration(plan: plan, layout: layout)
        let copies = plan.devices / layout.pipeline
        let stages = layout.virtualStages == 1 ? "" : " × \(layout.virtualStages) stages"
        let split =
            "\(layout.schedule.rawValue) · tensor \(layout.tensor) · pipeline \(layout.pipeline)\(stages) · "
            + "data \(layout.data) · \(predicted.estimate.microbatches) micro-batches of \(layout.microbatch)"
        try show(
            predicted.timeline, of: predicted.schedule, unit: .seconds,
            heading: found + [split + (copies > 1 ? " · each rank stands for \(copies) devices" : "")])
    }

    /// The plan with the options' changes, its layout, and what to say about how it was found.
    private func pipeline(of planFile: String) throws -> (Plan, Layout, found: [String]) {
        var plan = try Plan.read(path: planFile)
        plan.remarks.forEach(Console.note)
        var found: [String] = []
        var layout: Layout
        if let given = plan.layout {
            layout = given
        } else {
            var settings = SearchSettings()
            settings.top = 1
            let result = try search(plan: plan, settings: settings)
            guard let best = result.candidates.first else {
                throw PlannerError.noLayout("no layout of \(plan.name) could be timed")
            }
            layout = best.layout
            found = [SearchReport(result).summary]
        }
        if let schedule {
            layout.schedule = try PipelineOptions.scheduleName(schedule)
            // The other schedules run one stage a rank.
            if layout.schedule != .interleaved && virtualStages == nil {
                layout.virtualStages = 1
                layout.layersPerStage = nil
            }
        }
        if let virtualStages {
            layout.virtualStages = virtualStages
            layout.layersPerStage = nil
        }
        if let microbatches {
            guard (1...1 << 24).contains(microbatches) else {
                throw Failure.input("--microbatches takes 1 to \(1 << 24), not \(microbatches)")
            }
            plan.batch = microbatches * layout.data * layout.microbatch
        }
        return (plan, layout, found)
    }

    /// Writes the files asked for and prints.
    private func show(_ timeline: Timeline, of schedule: Schedule, unit: TimelineUnit, heading: [String]) throws {
        if let trace { try OutputFile.write(timeline.chromeTrace(), to: trace) }
        if let svg { try OutputFile.write(TimelineSVG(unit: unit).drawing(of: timeline), to: svg) }
        if json {
            print(try TimelineReport(timeline, of: schedule, unit: unit).json())
        } else {
            for line in [timeline.name] + heading { print(line) }
            let text = TimelineText(width: width ?? Self.terminalWidth ?? 100, isColoured: colour, unit: unit)
            print(text.drawing(of: timeline), terminator: "")
        }
    }

    /// Columns of the terminal standard output goes to, nil if it goes elsewhere.
    private static var terminalWidth: Int? {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 20 else { return nil }
        return Int(size.ws_col)
    }
}
