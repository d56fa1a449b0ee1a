internal import Foundation
internal import Numbers
internal import Output
internal import Plans
internal import Schedules
internal import Training

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// A progress line on standard error: step, loss, tokens a second, time left. It is rewritten in place on a terminal;
/// elsewhere a new line is printed now and then.
final class ProgressLine {
    private let trainer: Trainer
    private let steps: Int
    private let folder: String?
    private let enabled: Bool
    /// Whether this rank says what is unusual.
    private let speaks: Bool
    private let rewrites = isatty(STDERR_FILENO) == 1 || ProcessInfo.processInfo.environment["TRAINYARD_TTY"] == "1"
    private var elapsed = 0.0
    private var lastPrinted = -Double.infinity

    init(trainer: Trainer, steps: Int, folder: String?, enabled: Bool) {
        self.trainer = trainer
        self.steps = steps
        self.folder = folder
        self.enabled = enabled
        speaks = trainer.isFirst
    }

    /// Prints a line about the run that begins.
    func showRun() {
        guard enabled else { return }
        let layout = trainer.layout
        let stages = trainer.schedule.stages
        put(
            "\(trainer.plan.name): \(layout.devices) process\(layout.devices == 1 ? "" : "es"), pipeline \(layout.pipeline)"
                + (layout.virtualStages > 1 ? " × \(layout.virtualStages) virtual stages" : "")
                + rest(layout)
                + ", \(trainer.schedule.name), \(trainer.schedule.microbatches) micro-batches of \(layout.microbatch), "
                + "\(stages) stage\(stages == 1 ? "" : "s"), \(steps) steps" + place + "\n")
    }

    /// The run's folder, relative to the working directory where it lies below it.
    private var place: String {
        guard let folder else { return "" }
        let here = FileManager.default.currentDirectoryPath + "/"
        return ", in " + (folder.hasPrefix(here) ? String(folder.dropFirst(here.count)) : folder)
    }

    /// The layout's degrees above 1 besides the pipeline, and its other features.
    private func rest(_ layout: Layout) -> String {
        let degrees = [
            ("tensor", layout.tensor), ("context", layout.context), ("data", layout.data), ("expert", layout.expert),
        ]
        var words = degrees.filter { $0.1 > 1 }.map { "\($0.0) \($0.1)" }
        if layout.sequenceParallel { words.append("sequence parallel") }
        if layout.sharding != .none { words.append("sharded \(layout.sharding.rawValue)") }
        if layout.recompute != .none { words.append("\(layout.recomputeWords) recomputation") }
        return words.map { ", " + $0 }.joined()
    }

    func show(_ report: StepReport) {
        guard enabled else { return }
        elapsed += report.seconds
        let done = report.step + 1
        let pause = rewrites ? 0.1 : 5
        let validation = report.validation.map { validation in
            "  validation \(Figures.fixed(validation.loss, 4)), perplexity \(Figures.fixed(validation.perplexity, 2))"
                + (validation.bitsPerByte.map { ", \(Figures.fixed($0, 3)) bits/byte" } ?? "")
        }
        guard done == steps || done == 1 || validation != nil || elapsed - lastPrinted >= pause else { return }
        lastPrinted = elapsed
        let left = elapsed / Double(done) * Double(steps - done)
        let loss = report.isSkipped ? "no number" : Figures.fixed(report.loss, 4)
        let line =
            "step \(done)/\(steps)  loss \(loss)  \(Int(saturating: report.tokensPerSecond)) tokens/s  "
            + "bubble \(Figures.percent(report.bubble))  \(Figures.clock(left)) left" + (validation ?? "")
        put(rewrites ? "\r\u{1B}[2K" + line : line + "\n")
    }

    /// Says what of a step is unusual, with `--quiet` too.
    /// - Parameter usual: the mean loss of the steps before, where the step's is far above it.
    func note(_ report: StepReport, usual: Double?) {
        note(report.faults)
        if report.isSkipped {
            remark(
                "step \(report.step + 1) is skipped, the weights stay as they are: loss \(report.loss), "
                    + "gradient norm \(report.gradientNorm)")
        }
        if let usual {
            remark(
                "step \(report.step + 1): the loss jumped to \(Figures.fixed(report.loss, 4)) from about "
                    + Figures.fixed(usual, 4))
        }
    }

    /// Says what had changed by itself and was healed.
    func note(_ healed: [StateFault]) {
        for fault in healed { remark(StateFault.words(of: [fault])) }
    }

    private func remark(_ text: String) {
        guard speaks else { return }
        leaveLine()
        put("note: \(text)\n")
    }

    /// Prints a line about a checkpoint.
    func show(_ saved: SavedCheckpoint) {
        guard enabled else { return }
        leaveLine()
        let even = Double(saved.stateBytes) / Double(max(1, saved.files))
        put(
            "checkpoint \((saved.path as NSString).lastPathComponent): \(Figures.size(saved.bytes)) in \(saved.files) "
                + "file\(saved.files == 1 ? "" : "s"), the fullest rank \(Figures.fixed(Double(saved.mostStateBytes) / max(1, even), 2)) × "
                + "an even share; \(Figures.fixed(saved.seconds, 2)) s, of which training waited "
                + "\(Figures.fixed(saved.blocked, 2)) s\n")
    }

    /// Moves to a new line where the last one was written over.
    func leaveLine() {
        if enabled, rewrites { put("\n") }
    }

    private func put(_ text: String) { StandardStreams.error(text) }
}
