internal import Foundation
internal import Plans

/// A log in JSON Lines: one object a step, written when the step ends.
package final class MetricsLog {
    private let file: RecordFile

    /// Creates or empties the file.
    /// - Throws: `TrainingError.file` when it cannot be written.
    package init(path: String) throws(TrainingError) {
        file = try RecordFile(path: path, grows: true)
    }

    /// Appends one step.
    /// - Parameter modelFLOPs: of the whole step.
    package func write(_ report: StepReport, modelFLOPs: Double) throws(TrainingError) {
        let metrics = StepMetrics(
            step: report.step, loss: report.loss, gradNorm: report.gradientNorm, learningRate: report.learningRate,
            seconds: report.seconds, tokensPerSecond: report.tokensPerSecond, modelFLOPs: modelFLOPs,
            bubble: report.bubble, computeShare: report.computeShare, peakBytes: report.peakBytes)
        guard let line = try? metrics.line() else {
            throw .write(path: file.path, reason: "step \(report.step) has a figure that is no number")
        }
        try file.write(line)
    }
}
