internal import Foundation

/// A log in JSON Lines: one object a step, written when the step ends.
package final class MetricsLog {
    private let file: RecordFile
    private let encoder = JSONEncoder()

    /// Creates or empties the file.
    /// - Throws: `TrainingError.file` when it cannot be written.
    package init(path: String) throws(TrainingError) {
        file = try RecordFile(path: path, grows: true)
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    }

    /// Appends one step.
    /// - Parameter modelFLOPs: of the whole step.
    package func write(_ report: StepReport, modelFLOPs: Double) throws(TrainingError) {
        let line = Line(
            step: report.step, loss: report.loss, gradNorm: report.gradientNorm, learningRate: report.learningRate,
            seconds: report.seconds, tokensPerSecond: report.tokensPerSecond, modelFLOPs: modelFLOPs,
            bubble: report.bubble, computeShare: report.computeShare, peakBytes: report.peakBytes)
        guard let text = try? encoder.encode(line) else {
            throw .write(path: file.path, reason: "step \(report.step) has a figure that is no number")
        }
        try file.write(text + Data("\n".utf8))
    }

    /// One line of the log; docs/json.md lists its keys.
    private struct Line: Encodable {
        var step: Int
        var loss: Double
        var gradNorm: Double
        var learningRate: Double
        var seconds: Double
        var tokensPerSecond: Double
        var modelFLOPs: Double
        var bubble: Double
        var computeShare: Double
        var peakBytes: [Double]
    }
}
