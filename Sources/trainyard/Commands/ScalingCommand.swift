internal import ArgumentParser
internal import Costs
internal import Models
internal import Numbers
internal import Options
internal import Output
internal import Planner
internal import Plans
internal import Reading
internal import Reports
internal import ScalingLaws

/// `trainyard scaling`: how large a model, how many tokens and what loss, by published laws or by a law of one's own.
struct ScalingCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scaling",
        abstract: "Ask scaling laws how large a model, how many tokens, and what loss; fit one to runs.",
        discussion: """
            The published laws divide one budget, side by side, each with the loss that the others give its answer \
            (docs/scaling.md). A budget of money, GPU-months or days is spent by the planner: the size, the tokens and \
            the layout that take just as much.

              trainyard scaling --flops 5.76e23
              trainyard scaling --gpu H100 --devices 256 --days 30
              trainyard scaling --gpu H100 --cost 2M --days 45 --law hoffmann-3
              trainyard scaling plans/100b-3t-1024.yaml --served-tokens 10T
              trainyard scaling --flops 1e22 --unique-tokens 25B --svg laws.svg

            --fit finds the constants of L(N, D) = E + A/N^α + B/D^β from finished runs: a table with the columns \
            parameters, tokens and loss, or the folders of runs. --predict asks for the loss of other runs, so that a size \
            is known before it is trained.

              trainyard scaling --fit runs.csv --predict 1Bx20B
              trainyard scaling --fit runs/small runs/medium runs/large --json
            """)

    @Argument(help: "A plan, whose size, tokens and cluster are asked about.")
    var file: String?

    @OptionGroup(title: "Budget") var budget: BudgetOptions

    @Option(
        help:
            "The law where one alone is needed: hoffmann-1, hoffmann-2, hoffmann-3, besiroglu, deepseek, llama3 or kaplan."
    )
    var law = PublishedLaw.usual.name

    @Option(help: "Tokens that the model will read and write when it answers: the cheapest size with them, too.")
    var servedTokens: Amount?

    @Option(help: "Different tokens that there are: what repeating them is worth.")
    var uniqueTokens: Amount?

    @OptionGroup(title: "Fit") var fitting: FitOptions

    @Flag(help: "Print one JSON document.")
    var json = false

    @Option(help: ArgumentHelp("Write the figures as a table.", valueName: "laws.csv"))
    var csv: String?

    @Option(help: ArgumentHelp("Draw the laws, or the fit.", valueName: "laws.svg"))
    var svg: String?

    @OptionGroup var width: WidthOption

    private var columns: Int { max(60, width.columns ?? 100) }

    private var outputs: [NamedPath] { [NamedPath("--csv", csv), NamedPath("--svg", svg)].compactMap(\.self) }

    mutating func run() throws {
        try OutputFile.check(outputs)
        guard fitting.fit.isEmpty else { return try fit() }
        if let option = fitting.fitOnly {
            throw Failure.input("\(option) belongs to --fit, which names the runs")
        }
        guard let law = PublishedLaw.all.first(where: { $0.name == law }) else {
            let near = Wording.didYouMean(self.law, among: PublishedLaw.all.map(\.name))
            throw Failure.input(
                "--law: there is no '\(self.law)'; "
                    + (near.isEmpty ? "there are \(PublishedLaw.all.map(\.name).joined(separator: ", "))" : near))
        }
        let asked = try fitting.asked()
        let limits = try budget.limits()
        var sources = ReadFiles()
        var plan = try file.map { try PlanFile.read($0, devices: budget.devices?.value, files: &sources) }
        // A run that is asked about is a budget too.
        var flops = try budget.statedFLOPs()
        if flops == nil, plan == nil, budget.stated.isEmpty { flops = asked.first?.flops }
        if flops == nil || budget.flops != nil { try budget.checkConsistency(limits, hasPlan: plan != nil) }
        if flops == nil, plan == nil { plan = try question(limits, law, &sources) }
        try OutputFile.check(outputs, reading: [], sources)
        if plan != nil { try budget.price.apply(to: &plan!) }
        var question = ScalingReport.Question(flops: flops ?? 0)
        (question.law, question.asked) = (law, asked)
        question.served = try positive(servedTokens, "--served-tokens")
        question.unique = try positive(uniqueTokens, "--unique-tokens")
        if let plan { try ask(plan, limits, &question) }
        let notes = (question.planned.map { $0.notes } ?? []) + ScalingReport.remarks(question)
        Console.notes(notes)
        let report = ScalingReport(question, notes: notes)
        if let csv { try OutputFile.write(report.csv(), to: csv) }
        if let svg { try OutputFile.write(report.svg(), to: svg) }
        try print(json ? report.json() : ScalingText(report, width: columns).text())
    }

    private func positive(_ amount: Amount?, _ option: String) throws -> Double? {
        guard let value = amount?.value else { return nil }
        guard Bounds.tokens.contains(value) else {
            throw Failure.input("\(option) takes 1 to 1e18 tokens, not \(Figures.plain(value))")
        }
        return value
    }

    /// The plan of a budget on a cluster, of any size: its size follows.
    private func question(_ limits: RunLimits, _ law: PublishedLaw, _ files: inout ReadFiles) throws -> Plan {
        // The planner finds the size; until then it is any.
        func plan(_ devices: Int) throws(PlanProblems) -> Plan {
            do throws(PlanProblems) {
                return try Plan.question(
                    parameters: 1e9, modelName: nil, tokens: 1e9, gpu: budget.gpu ?? "", gpus: devices, batch: nil,
                    sequence: nil, precision: nil, files: &files)
            } catch {
                throw PlanProblems(
                    error.problems.map { problem in
                        var problem = problem
                        if problem.file == nil { problem.field = problem.field == "cluster" ? "--gpu" : "--devices" }
                        return problem
                    })
            }
        }
        if let devices = budget.devices { return try plan(devices.value) }
        var one = try plan(1)
        try budget.price.apply(to: &one)
        return try plan(budget.devices(limits, price: one.cluster.pricePerDeviceHour))
    }

    /// Adds what a plan states, and the run that spends the limits on its devices.
    private func ask(_ plan: Plan, _ limits: RunLimits, _ question: inout ScalingReport.Question) throws {
        if file != nil {
            let parameters = Double(plan.model.parameters().active)
            if let tokens = plan.tokens { question.own = Allocation(parameters: parameters, tokens: tokens) }
            if limits.isOpen {
                guard let own = question.own else {
                    throw Failure.input(
                        "\(file ?? ""): tokens: the plan states none, so there is no budget; add them, or --days, --cost or "
                            + "--gpu-months")
                }
                question.flops = own.flops
                return
            }
        }
        var limits = limits
        // The devices are those that spend cost or months in the days.
        if limits.days != nil { (limits.cost, limits.gpuMonths) = (nil, nil) }
        let law = question.law
        let progress = SearchProgress()
        defer { progress.clear() }
        let found = try budgetedRun(
            plan, spending: limits, sequence: file == nil ? nil : plan.model.sequence, settings: SearchSettings()
        ) { flops in
            progress.show("\(Figures.general(flops, 3)) FLOPs")
            return law.optimum(flops: flops)
        }
        question.planned = found.estimate
        question.flops = found.run.flops
    }

    private func fit() throws {
        let budgets =
            budget.stated + (file == nil ? [] : ["a plan"])
            + (servedTokens == nil ? [] : ["--served-tokens"]) + (uniqueTokens == nil ? [] : ["--unique-tokens"])
        guard budgets.isEmpty else {
            throw Failure.input(
                "--fit asks runs, and \(Wording.alternatives(budgets, "and")) the published laws: leave one of the two out"
            )
        }
        let asked = try fitting.asked()
        let runs = try FinishedRuns(fitting.fit, unit: fitting.lossUnit)
        try OutputFile.check(outputs, reading: [], runs.files)
        let fit: LawFit
        do throws(FitRefusal) {
            fit = try LawFit(runs.points, settings: fitting.settings)
        } catch {
            throw Failure.input("\(fitting.fit.joined(separator: ", ")): \(error)")
        }
        let report = FitReport(fit, held: runs.held, asked: asked)
        if let csv { try OutputFile.write(report.csv(), to: csv) }
        if let svg {
            try OutputFile.write(
                report.svg(title: "Loss of \(Figures.grouped(runs.points.count)) runs and the law fitted to them"),
                to: svg)
        }
        try print(json ? report.json() : report.text(width: columns))
    }
}
