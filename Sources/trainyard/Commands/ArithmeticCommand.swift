internal import ArgumentParser
internal import Experiments
internal import Foundation
internal import Models
internal import Numbers
internal import Options
internal import Output
internal import Plans
internal import Reading

/// `trainyard arithmetic`: a model learns to add, and every checkpoint is asked sums that it has not seen.
struct ArithmeticCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "arithmetic",
        abstract: "Train a model on additions, and see how exact answers and probabilities grow.",
        discussion: """
            Writes a text of additions of numbers with --digits digits, trains the plan on it, and asks every checkpoint sums of \
            as many digits that are not in the text, of one digit more, and of one number of each. Both measures come from the \
            same checkpoints: answers that are right in every token, and the probability of a right token.

              trainyard arithmetic
              trainyard arithmetic --digits 2 --steps 400 --out runs/two-digits

            In the folder --out lie additions.txt, questions.jsonl, the run (run/), scores.json and curves.svg. \
            `trainyard evaluate` asks again, other questions too. docs/arithmetic.md shows a run.
            """)

    @Argument(help: "The plan; its text is that of the additions.")
    var plan = "plans/arithmetic.yaml"

    @Option(help: ArgumentHelp("The folder of the experiment.", valueName: "DIR"))
    var out = "runs/arithmetic"

    @Option(help: "Digits of both numbers in the text.")
    var digits: Count = 3

    @Option(help: "Additions in the text.")
    var examples: Count = 200_000

    @Option(help: "Questions of each kind.")
    var questions: Count = 500

    @Flag(help: "Write sums as people do. Without it their last digit comes first, in the order of carrying.")
    var plain = false

    @Option(help: "Seed of text and questions.")
    var seed: UInt64 = 1

    @Option(help: "Steps, instead of the plan's.")
    var steps: Count?

    @Flag(help: "Go on from the newest checkpoint.")
    var resume = false

    @Flag(help: "Replace an earlier experiment in the folder.")
    var overwrite = false

    @Flag(help: "Print the figures as one JSON document.")
    var json = false

    private var additions: Additions {
        Additions(
            digits: digits.value, examples: examples.value, questions: questions.value, isReversed: !plain, seed: seed)
    }

    func validate() throws {
        try check("--digits", digits, in: Additions.digitBounds)
        try check("--examples", examples, in: 1...100_000_000)
        try check("--questions", questions, in: 1...100_000)
        try check("--steps", steps, in: Bounds.steps)
        if questions.value > additions.mostQuestions {
            throw ValidationError(
                "--questions: numbers of \(digits) digit\(digits.value == 1 ? "" : "s") make "
                    + "\(Figures.grouped(additions.pairs)) sums, of which at most \(additions.mostQuestions) may be asked and "
                    + "kept out of the text")
        }
        if out.isEmpty { throw ValidationError("--out: names no folder") }
        if resume, overwrite { throw ValidationError("--resume goes on with what --overwrite replaces; name one") }
    }

    func run() throws {
        var sources = ReadFiles()
        let path =
            FileManager.default.fileExists(atPath: self.plan) ? self.plan : Library.standard().existing(self.plan)
        let planPath = path ?? self.plan
        let plan = try PlanFile.read(planPath, files: &sources)
        guard plan.train?.checkpoint != nil else {
            throw Launcher.Failure(
                description: "\(planPath): every checkpoint is asked, and train.checkpoint is missing; "
                    + "plans/arithmetic.yaml shows it")
        }
        if !plan.model.sequence.isMultiple(of: additions.lineLength) {
            Console.note(
                "sequences of \(plan.model.sequence) tokens do not begin where lines begin (every \(additions.lineLength) tokens): "
                    + "the model learns sooner with model.sequence: \(2 * additions.lineLength)")
        }
        let (text, asked, records) = (out + "/additions.txt", out + "/questions.jsonl", out + "/run")
        guard overwrite || resume || !FileManager.default.fileExists(atPath: records) else {
            throw Launcher.Failure(
                description: "\(records): holds a run; --resume goes on with it, --overwrite replaces it, and "
                    + "`trainyard evaluate \(records) --questions \(asked)` asks it again")
        }
        do {
            try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
        } catch {
            throw Launcher.Failure(description: "--out: \(out) is no folder and cannot be made one; name another")
        }
        try write(text: text, questions: asked)

        var arguments = [planPath, "--data", text, "--folder", records]
        if let steps { arguments += ["--steps", "\(steps)"] }
        if resume { arguments.append("--resume") }
        if overwrite { arguments.append("--overwrite") }
        if json { arguments.append("--quiet") }
        let training = try TrainCommand.parse(arguments)
        try training.run()

        let evaluation = try EvaluateOptions.parse([records, "--questions=" + asked])
        if !json { try print("") }
        try EvaluateCommand.evaluate(
            evaluation, svg: out + "/curves.svg",
            title: "additions of \(digits.value)-digit numbers, asked \(questions.value) of each kind", json: json,
            file: out + "/scores.json")
        if !json { try print("  drawn in \(out)/curves.svg") }
    }

    /// Writes the text and the questions, where they are not there already as they should be.
    private func write(text path: String, questions asked: String) throws {
        var text = ""
        additions.text { text += $0 }
        let questions = Additions.Kind.allCases.flatMap { kind in
            additions.questions(of: kind).map { addition in
                Question(
                    prompt: additions.prompt(addition), answer: additions.answer(addition),
                    group: words(of: kind))
            }
        }
        for (content, path) in [(Data(text.utf8), path), (try QuestionFile.text(questions), asked)]
        where FileManager.default.contents(atPath: path) != content {
            if resume, FileManager.default.fileExists(atPath: path) {
                throw Launcher.Failure(
                    description: "\(path): holds another experiment; --resume needs the options that it began with")
            }
            try OutputFile.write(String(decoding: content, as: UTF8.self), to: path)
        }
    }

    /// The kind as a table heads it.
    private func words(of kind: Additions.Kind) -> String {
        let count = digits.value
        return switch kind {
        case .seen: "\(count) digit\(count == 1 ? "" : "s")"
        case .longer: "\(count + 1) digits"
        case .mixed: "\(count) and \(count + 1)"
        }
    }
}
