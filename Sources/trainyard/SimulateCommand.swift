internal import ArgumentParser
internal import Foundation
internal import Reports
internal import Schedules
internal import Simulator

/// `trainyard simulate`: the predicted timeline of a pipeline.
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Predict when every action of a pipeline happens, and draw it.",
        discussion: """
            Without a plan the costs are relative: the forward, input gradient and weight gradient of a rank's whole \
            share of the model take 1 each (a stage takes 1/v of it) and transfers nothing, unless options say \
            otherwise.
            """)

    @OptionGroup var pipeline: PipelineOptions

    @Option(help: "gpipe, 1f1b or interleaved-1f1b.")
    var schedule: String?

    @OptionGroup(title: "Costs without a plan")
    var costs: CostOptions

    @Option(help: ArgumentHelp("Write a Chrome trace, for Perfetto or chrome://tracing.", valueName: "file"))
    var trace: String?

    @Option(help: ArgumentHelp("Write a drawing.", valueName: "file"))
    var svg: String?

    @Flag(help: "Print the figures as one JSON document instead of the drawing.")
    var json = false

    @Flag(name: [.customLong("colour"), .customLong("color")], help: "Draw with colours.")
    var colour = false

    @Option(help: "Columns of the drawing.")
    var width: Int = 100

    mutating func run() throws {
        let shape = pipeline.shape()
        let schedule = try PipelineOptions.schedule(named: schedule ?? "1f1b", shape)
        try show(schedule, costs: costs.actionCosts(shape), unit: .steps, name: schedule.name)
    }

    /// Simulates, writes the files asked for, prints.
    private func show(_ schedule: Schedule, costs: ActionCosts, unit: TimelineUnit, name: String) throws {
        guard (20...1000).contains(width) else {
            throw CleanFailure.badInput("--width takes 20 to 1000 columns, not \(width)")
        }
        var timeline: Timeline
        do throws(SimulationProblem) {
            timeline = try Simulator.simulate(schedule, costs: costs)
        } catch {
            throw CleanFailure.badInput(error.description)
        }
        timeline.name = name
        if let trace { try OutputFile.write(timeline.chromeTrace(), to: trace) }
        if let svg { try OutputFile.write(TimelineSVG(unit: unit).drawing(of: timeline), to: svg) }
        if json {
            print(try TimelineReport(timeline, of: schedule, unit: unit).json())
        } else {
            print(name)
            let text = TimelineText(width: width, isColoured: colour, unit: unit)
            print(text.drawing(of: timeline), terminator: "")
        }
    }
}

/// What actions and transfers take where no plan says it.
struct CostOptions: ParsableArguments {
    @Option(help: "Forward of a rank's whole share of the model for one micro-batch.")
    var forward: Double = 1

    @Option(help: "Its input gradient.")
    var backwardInput: Double = 1

    @Option(help: "Its weight gradient.")
    var backwardWeight: Double = 1

    @Option(help: "One transfer between two ranks.")
    var transfer: Double = 0

    @Option(
        help:
            "How transfers travel: asynchronous, link (one at a time between two ranks) or blocking (the sender waits)."
    )
    var transferMode: ActionCosts.TransferMode = .asynchronous

    /// - Throws: the exit code of bad input for a time that is none.
    func actionCosts(_ shape: PipelineShape) throws -> ActionCosts {
        for (name, time) in [
            ("forward", forward), ("backward-input", backwardInput), ("backward-weight", backwardWeight),
        ] where !(time > 0 && time.isFinite) {
            throw CleanFailure.badInput("--\(name) is \(time); an action takes a finite time above 0")
        }
        if !(transfer >= 0 && transfer.isFinite) {
            throw CleanFailure.badInput("--transfer is \(transfer); a transfer takes a finite time of at least 0")
        }
        let stages = shape.ranks * shape.virtualStages
        func each(_ time: Double) -> [Double] {
            [Double](repeating: time / Double(shape.virtualStages), count: stages)
        }
        return ActionCosts(
            forward: each(forward), backwardInput: each(backwardInput), backwardWeight: each(backwardWeight),
            transfer: transfer, transferMode: transferMode)
    }
}

extension ActionCosts.TransferMode: ExpressibleByArgument {}
