internal import Foundation
internal import Plans

/// A log in JSON Lines: one object a step, written when the step ends.
package final class MetricsLog {
    private let file: RecordFile
    let path: String

    /// Creates the file, or goes on with it: the lines of steps from `step` on go, and an incomplete last line.
    /// - Throws: `TrainingError.file` when it cannot be written.
    package init(path: String, from step: Int = 0) throws(TrainingError) {
        self.path = path
        file = try RecordFile(path: path, grows: true, keeping: step > 0 ? Self.length(path, before: step) : 0)
    }

    /// Bytes of the lines before that of `step`.
    private static func length(_ path: String, before step: Int) -> Int {
        guard let text = FileManager.default.contents(atPath: path) else { return 0 }
        var kept = 0
        for line in text.split(separator: 0x0A, omittingEmptySubsequences: false) {
            // A line without its break is not complete.
            let end = line.endIndex - text.startIndex + 1
            guard end <= text.count, let number = StepMetrics.step(ofLine: line), number < step else { break }
            kept = end
        }
        return kept
    }

    /// Appends one step.
    /// - Parameters:
    ///   - modelFLOPs: of the whole step.
    ///   - isSpike: whether the loss is far above that of the steps before.
    package func write(_ report: StepReport, modelFLOPs: Double, isSpike: Bool = false) throws(TrainingError) {
        var metrics = StepMetrics(
            step: report.step, loss: report.loss, gradNorm: report.gradientNorm, learningRate: report.learningRate,
            seconds: report.seconds, tokensPerSecond: report.tokensPerSecond, modelFLOPs: modelFLOPs,
            bubble: report.bubble, computeShare: report.computeShare, peakBytes: report.peakBytes)
        (metrics.isSkipped, metrics.isSpike, metrics.validation) = (report.isSkipped, isSpike, report.validation)
        guard let line = try? metrics.line() else {
            throw .write(path: file.path, reason: "step \(report.step) has a figure that is no number")
        }
        try file.write(line)
    }
}
