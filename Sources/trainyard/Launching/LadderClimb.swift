internal import ArgumentParser
internal import Campaigns
internal import Foundation
internal import Models
internal import Numbers
internal import Plans
internal import Reading
internal import ScalingLaws

/// The runs of a ladder, one part after the other.
struct LadderClimb {
    let folder: LadderFolder
    /// Runs at the same time.
    let slots: Int
    let isQuiet: Bool

    private var ladder: Ladder { folder.ladder }

    /// Trains what is not finished, predicts, trains the next size, and writes what was found.
    func run() throws -> LadderOutcome {
        let entropy = try folder.writeText()
        say("\(ladder.name): text of entropy \(Figures.fixed(entropy, 4)) nats a token, in \(folder.path)")
        let rates = try train(ladder.rateRuns, "learning rates")
        let small = rates.filter { $0.mup && $0.width == ladder.rates.widths[0] }
        guard let best = small.filter(\.loss.isFinite).min(by: { $0.loss < $1.loss }) else {
            throw Launcher.Failure(description: "no learning rate of rates.tried gives a finite loss")
        }
        let rate = best.learningRate
        if ladder.rates.rates.count > 1, rate == ladder.rates.rates.first || rate == ladder.rates.rates.last {
            Console.note(
                "the best learning rate, \(Figures.plain(rate)), is at the edge of rates.tried: a better one may lie beyond"
            )
        }
        let rungs = try train(ladder.rungs(learningRate: rate), "rungs")
        var outcome = LadderOutcome(
            name: ladder.name, entropy: entropy, learningRate: rate, rates: rates, rungs: rungs)
        let next = ladder.nextRun(learningRate: rate)
        let plan = try folder.writePlan(of: next)
        let parameters = plan.model.parameters().total
        // A finished run is compared with what was predicted before it.
        if folder.point(of: next, parameters: parameters) != nil, let written = folder.prediction {
            outcome.prediction = written
        } else {
            let predicted: LadderOutcome.Prediction
            do throws(FitRefusal) {
                predicted = try outcome.fitted(parameters: parameters, tokens: ladder.tokens(of: next))
            } catch {
                throw Launcher.Failure(description: "\(folder.path): \(error)")
            }
            try folder.write(predicted)
            outcome.prediction = predicted
        }
        if let predicted = outcome.prediction {
            say(
                "predicted for \(Figures.grouped(predicted.parameters)) parameters and \(Figures.grouped(predicted.tokens)) "
                    + "tokens: \(Figures.fixed(predicted.loss, 4)), from \(Figures.fixed(predicted.low, 4)) to "
                    + "\(Figures.fixed(predicted.high, 4)); written to \(folder.path)/prediction.json")
        }
        outcome.next = try train([next], "next size").first
        try folder.write(outcome)
        return outcome
    }

    /// Trains the runs that are not finished, the longest first.
    private func train(_ runs: [LadderRun], _ words: String) throws -> [LadderOutcome.Point] {
        var points: [LadderOutcome.Point?] = []
        var open: [(run: Int, parameters: Int, work: Double)] = []
        for (number, run) in runs.enumerated() {
            let parameters = try folder.writePlan(of: run).model.parameters().total
            let point = folder.point(of: run, parameters: parameters)
            points.append(point)
            if point == nil { open.append((number, parameters, Double(parameters) * Double(run.steps))) }
        }
        open.sort { ($0.work, $1.run) > ($1.work, $0.run) }
        let kept = runs.count - open.count
        say("\(words): \(runs.count) runs" + (kept > 0 ? ", \(kept) of them finished already" : ""))
        let jobs = try open.map { entry in
            let run = runs[entry.run]
            let arguments = [folder.plan(of: run), "--folder", folder.folder(of: run), "--overwrite", "--quiet"]
            return SideBySide.Job(
                command: try Launcher.mpirun(
                    processes: run.processes, hostfile: nil, program: try Launcher.trainProgram(),
                    arguments: arguments, binds: false), errors: folder.errors(of: run))
        }
        let (failed, wasAsked) = try SideBySide(slots: slots).run(jobs) { ending in
            let entry = open[ending.job]
            guard let point = folder.point(of: runs[entry.run], parameters: entry.parameters) else { return }
            points[entry.run] = point
            say(
                "  \(point.name): \(Figures.grouped(point.parameters)) parameters, \(Figures.grouped(point.tokens)) tokens, "
                    + "loss \(Figures.fixed(point.loss, 4)), \(Figures.significant(ending.seconds)) s")
        }
        if wasAsked {
            Console.note("stopped; the same command goes on, and what is finished is not trained again")
            throw ExitCode(RunManifest.stopped)
        }
        if let failed { throw failure(runs[open[failed.job].run], code: failed.code) }
        let finished = points.compactMap(\.self)
        guard finished.count == runs.count else {
            throw failure(runs[points.firstIndex(of: nil) ?? 0], code: 0)
        }
        return finished
    }

    /// The reason that a run gave for its end.
    private func failure(_ run: LadderRun, code: Int32) -> ExitCode {
        let said = (try? String(contentsOfFile: folder.errors(of: run), encoding: .utf8)) ?? ""
        let line = said.split(separator: "\n").first { $0.hasPrefix("error: ") }?.dropFirst(7)
        let reason =
            line.map(String.init) ?? "it ended with code \(code) and no result; \(folder.errors(of: run)) has its words"
        Console.error("run \(run.name): \(reason)")
        return ExitCode(Failure.failedWhileRunning)
    }

    private func say(_ line: String) { if !isQuiet { Console.write(line) } }
}
