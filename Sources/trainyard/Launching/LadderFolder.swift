internal import Campaigns
internal import Experiments
internal import Foundation
internal import Output
internal import Plans
internal import Reading
internal import Reports
internal import Tokens

/// The folder of a ladder: its text, the plans and folders of its runs, and what it has found.
struct LadderFolder {
    let path: String
    let ladder: Ladder

    var trained: String { path + "/text/train.bin" }
    var heldOut: String { path + "/text/held-out.bin" }
    private var stated: String { path + "/ladder.json" }
    func plan(of run: LadderRun) -> String { "\(path)/plans/\(run.name).yaml" }
    func folder(of run: LadderRun) -> String { "\(path)/runs/\(run.name)" }
    func errors(of run: LadderRun) -> String { "\(path)/plans/\(run.name).txt" }

    /// Makes the folder, or takes one that holds the same ladder.
    func prepare(overwrite: Bool) throws {
        let manager = FileManager.default
        let own = try Self.json(ladder)
        if let held = manager.contents(atPath: stated), held != Data(own.utf8) {
            guard overwrite else {
                throw Launcher.Failure(
                    description: "\(path): holds another ladder; --overwrite replaces it, --out names another folder")
            }
        } else if !manager.fileExists(atPath: stated), !overwrite,
            let names = try? manager.contentsOfDirectory(atPath: path), !names.isEmpty
        {
            throw Launcher.Failure(description: "--out: \(path) holds other files; name another folder")
        }
        do {
            if overwrite, manager.fileExists(atPath: stated) {
                for name in ["text", "plans", "runs", "prediction.json", "result.json", "points.csv"]
                where manager.fileExists(atPath: "\(path)/\(name)") {
                    try manager.removeItem(atPath: "\(path)/\(name)")
                }
            }
            for name in ["text", "plans", "runs"] {
                try manager.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: true)
            }
        } catch {
            throw Launcher.Failure(description: "--out: \(path) is no folder and cannot be made one; name another")
        }
        try OutputFile.write(own, to: stated)
    }

    /// Writes the text that is trained on and the one that is held out.
    /// - Returns: the entropy of the held-out text, nats a token.
    func writeText() throws -> Double {
        let language = WordLanguage(ladder.text)
        // A sequential run goes back to the start one line before the end.
        let lines = (ladder.mostTokens + ladder.sequence - 1) / ladder.sequence + 2
        let held = language.lines(
            ladder.heldOutBatches * ladder.batch + 2, length: ladder.sequence, seed: UInt64(ladder.seed) &+ 1)
        let trained = language.lines(lines, length: ladder.sequence, seed: UInt64(ladder.seed))
        for (tokens, file) in [(held.tokens, heldOut), (trained.tokens, self.trained)] {
            let bytes = PlainTokens.contents(of: tokens.map { UInt16($0) })
            guard FileManager.default.contents(atPath: file) != Data(bytes) else { continue }
            let writer = try FileWriter(OutputFile(file, .writing))
            try writer.write(bytes)
            try writer.finish()
        }
        return held.nats
    }

    /// Writes a run's plan and reads it as a plan.
    func writePlan(of run: LadderRun) throws -> Plan {
        let text = ladder.plan(of: run, data: trained, heldOut: heldOut)
        if FileManager.default.contents(atPath: plan(of: run)) != Data(text.utf8) {
            try OutputFile.write(text, to: plan(of: run))
        }
        return try Plan.read(text: text, path: plan(of: run), isRun: true)
    }

    /// What a finished run has found; nil: it is not finished.
    func point(of run: LadderRun, parameters: Int) -> LadderOutcome.Point? {
        guard let log = try? String(contentsOfFile: folder(of: run) + "/" + RunFolder.log, encoding: .utf8),
            let steps = try? StepMetrics.steps(of: log), let last = steps.last, last.step == run.steps - 1,
            let loss = last.validation?.loss
        else { return nil }
        return LadderOutcome.Point(
            run, of: ladder, parameters: parameters, loss: loss, seconds: steps.reduce(0) { $0 + $1.seconds })
    }

    /// The prediction as it was written; nil: there is none yet.
    var prediction: LadderOutcome.Prediction? {
        FileManager.default.contents(atPath: path + "/prediction.json").flatMap {
            try? JSONDecoder().decode(LadderOutcome.Prediction.self, from: $0)
        }
    }

    func write(_ prediction: LadderOutcome.Prediction) throws {
        try OutputFile.write(Self.json(prediction), to: path + "/prediction.json")
    }

    /// Writes points, pictures and the result.
    func write(_ outcome: LadderOutcome) throws {
        try OutputFile.write(text(outcome), to: path + "/result.json")
        try OutputFile.write(LadderText.csv(outcome), to: path + "/points.csv")
        try OutputFile.write(LadderSVG(outcome).law(), to: path + "/ladder.svg")
        try OutputFile.write(LadderSVG(outcome).rates(), to: path + "/rates.svg")
    }

    func text(_ outcome: LadderOutcome) throws -> String { try Self.json(outcome) }

    private static func json(_ value: some Encodable) throws -> String {
        try JSONDocument.text(value) + "\n"
    }
}
