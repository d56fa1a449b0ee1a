internal import ArgumentParser
internal import Campaigns
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Reports

/// `trainyard campaign FILE`: prices and schedules stages on one pool.
struct CampaignCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "campaign",
        abstract: "Price a whole campaign: stages on one pool of devices, in time, money and risk.",
        discussion: """
            A campaign file names a pool of devices and stages: trials, pre-training, fine-tuning, reinforcement \
            learning, evaluation. Every stage is priced like a plan, and a simulated schedule of the pool says when it \
            runs. With `payback:` it says when customers have paid for it.

              trainyard campaign plans/campaigns/100b.yaml
              trainyard campaign plans/campaigns/100b.yaml --svg gantt.svg --explain
              trainyard campaign plans/campaigns/video-trials.yaml --devices 10240
              trainyard campaign plans/campaigns/bank.yaml

            Exit code 3 means that a stage does not fit its devices; the message says how many would do.
            """)

    @Argument(help: "The campaign file.")
    var file: String

    @Option(help: "Devices of the pool, instead of the file's.")
    var devices: Count?

    @Flag(help: "Print one JSON document.")
    var json = false

    @Flag(help: "Show the arithmetic of every stage.")
    var explain = false

    @Option(help: ArgumentHelp("Write the Gantt chart as SVG.", valueName: "gantt.svg"))
    var svg: String?

    @Option(help: "Samples of the whole campaign from which chances are told.")
    var samples: Count = 1000

    @Option(help: "Seed of the samples: the same seed gives the same digits.")
    var seed: Count = 1

    @OptionGroup var price: PriceOption

    @Option(help: "Columns of the output. (default: the terminal's, else 100)")
    var width: Count?

    private static let mostSamples = 1_000_000

    func validate() throws {
        try check("--width", width, in: 60...1000)
        try check("--devices", devices, in: Bounds.devices)
        try check("--samples", samples, in: 1...Self.mostSamples)
        try check("--seed", seed, in: 0...Int.max)
    }

    mutating func run() throws {
        let outputs = [NamedPath("--svg", svg)].compactMap(\.self)
        try OutputFile.check(outputs)
        var sources = ReadFiles()
        let campaign = try Campaign.read(
            path: file, devices: devices?.value, price: price.stated(), files: &sources)
        try OutputFile.check(outputs, reading: [NamedPath("the campaign", file)], sources)
        let columns = width?.value ?? max(60, Console.width ?? 100)
        guard !campaign.stages.isEmpty else {
            if svg != nil { throw Failure.input("--svg: \(file) has no stages to draw") }
            guard let payback = campaign.payback else { return }
            try print(payback, campaign, columns)
            return
        }
        let answer = try CampaignAnswer(campaign)
        let risk = CampaignRisk(answer, samples: samples.value, seed: UInt64(seed.value))
        if let svg { try OutputFile.write(CampaignSVG(answer, risk: risk).text(), to: svg) }
        var payback = campaign.payback
        if payback?.takesCampaign == true {
            guard let cost = answer.cost else {
                throw Failure.input(
                    "\(file): payback.research: the campaign has no price of a device-hour; state price, or research")
            }
            payback?.inputs[.research] = cost
        }
        guard !json else {
            try Console.print(CampaignReport(answer, risk: risk, payback: payback).json())
            return
        }
        try Console.print(
            CampaignText(answer, risk: risk, width: columns, isColoured: Console.isColoured).text())
        if explain { try Console.print("\n" + CampaignExplanation(answer, width: columns).text()) }
        guard let payback else { return }
        try Console.print("")
        try print(payback, campaign, columns)
    }

    private func print(_ payback: Payback, _ campaign: Campaign, _ columns: Int) throws {
        guard !json else {
            try Console.print(CampaignReport(name: campaign.name, payback: payback).json())
            return
        }
        let text = PaybackText(payback, name: campaign.name, width: columns, isColoured: Console.isColoured)
        try Console.print(text.text(explained: explain))
    }
}
