internal import Foundation
package import Output

/// JSON Lines, one object a step, written as it happens.
package final class MetricsLog {
    private let writer: FileWriter
    private let encoder = JSONEncoder()

    /// Creates or empties the file.
    package init(_ file: OutputFile) throws(OutputError) {
        writer = try FileWriter(file, visible: .atOnce)
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    }

    /// Appends one step. `modelFLOPs`: of the whole step.
    package func write(_ report: StepReport, modelFLOPs: Double) throws {
        let line = Line(
            step: report.step, loss: report.loss, gradNorm: report.gradientNorm, learningRate: report.learningRate,
            seconds: report.seconds, tokensPerSecond: report.tokensPerSecond, modelFLOPs: modelFLOPs,
            bubble: report.bubble, computeShare: report.computeShare, peakBytes: report.peakBytes)
        try writer.write(encoder.encode(line) + Data("\n".utf8))
    }

    /// The contract's names.
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
