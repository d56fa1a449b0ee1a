internal import ArgumentParser
internal import Campaigns
internal import Foundation
internal import Models
internal import Numbers
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Reports

/// `trainyard ladder`: small models are really trained, a law is fitted, the next size predicted and then trained.
struct LadderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ladder",
        abstract: "Train a ladder of small models, fit their law, predict the next size, and train that.",
        discussion: """
            Writes a text by a rule, trains small models of several widths on several numbers of its tokens, and fits \
            L = E + A/N^α + B/D^β to their losses. The law predicts the loss of a larger model. The prediction is \
            written before that model is trained.

              trainyard ladder plans/campaigns/ladder.yaml
              trainyard ladder plans/campaigns/ladder.yaml --list

            The learning rate is searched at small widths, with μP and without, and that of the smallest serves all.

            In the folder --out lie text/, plans/, runs/, points.csv, prediction.json, result.json, ladder.svg and \
            rates.svg. What is finished is not trained again: the same command goes on after Ctrl-C. docs/scaling.md \
            shows a run.
            """)

    @Argument(help: "The ladder's file.")
    var file = "plans/campaigns/ladder.yaml"

    @Option(help: ArgumentHelp("The folder of the ladder.", valueName: "DIR"))
    var out = "runs/ladder"

    @Option(help: "Runs at the same time, a core each. (default: the physical cores)")
    var slots: Count?

    @Flag(help: "Only list the runs, with their parameters, tokens and FLOPs.")
    var list = false

    @Flag(help: "Replace another ladder in the folder.")
    var overwrite = false

    @Flag(help: "Print the result as one JSON document.")
    var json = false

    func validate() throws {
        try check("--slots", slots, in: 1...256)
        if out.isEmpty { throw ValidationError("--out: names no folder") }
    }

    func run() throws {
        var sources = ReadFiles()
        let path = FileManager.default.fileExists(atPath: file) ? file : Library.standard().existing(file) ?? file
        let ladder = try Ladder.read(path: path, files: &sources)
        guard !list else {
            let listing = LadderListing(try entries(of: ladder))
            try Console.print(json ? try listing.json() : listing.text())
            return
        }
        let folder = LadderFolder(path: RunFolder.absolute(out), ladder: ladder)
        try folder.prepare(overwrite: overwrite)
        let climb = LadderClimb(folder: folder, slots: slots?.value ?? Cores.physical(), isQuiet: json)
        let outcome = try climb.run()
        if json {
            try Console.print(try folder.text(outcome), terminator: "")
        } else {
            try Console.print("\n" + LadderText(outcome).text())
            try Console.print("\n  drawn in \(out)/ladder.svg and \(out)/rates.svg")
        }
    }

    /// The runs, with any learning rate in place of the best.
    private func entries(of ladder: Ladder) throws -> [LadderListing.Entry] {
        let rate = ladder.rates.rates[0]
        return try (ladder.rateRuns + ladder.rungs(learningRate: rate) + [ladder.nextRun(learningRate: rate)]).map {
            let text = ladder.plan(of: $0, data: "train.bin", heldOut: "held-out.bin")
            let plan = try Plan.read(text: text, path: $0.name, isRun: true)
            return LadderListing.Entry(
                $0, parameters: plan.model.parameters().total, tokens: ladder.tokens(of: $0),
                flops: FLOPs(model: plan.model, sequences: plan.batch).required * Double($0.steps))
        }
    }
}
