internal import Foundation

/// JSON Lines, one object a step, written as it happens.
package final class MetricsLog {
    private let handle: FileHandle
    private let path: String
    private let encoder = JSONEncoder()

    /// Creates or empties the file. Throws `TrainingError.file` when it cannot be written.
    package init(path: String) throws(TrainingError) {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw .file(path: path, reason: "cannot be written: " + MappedFile.lastError) }
        self.handle = handle
        self.path = path
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    }

    deinit { try? handle.close() }

    /// Appends one step. `modelFLOPs`: of the whole step.
    package func write(_ report: StepReport, modelFLOPs: Double) throws(TrainingError) {
        let line = Line(
            step: report.step, loss: report.loss, gradNorm: report.gradientNorm, learningRate: report.learningRate,
            seconds: report.seconds, tokensPerSecond: report.tokensPerSecond, modelFLOPs: modelFLOPs,
            bubble: report.bubble, computeShare: report.computeShare, peakBytes: report.peakBytes)
        do {
            try handle.write(contentsOf: encoder.encode(line) + Data("\n".utf8))
        } catch {
            throw .file(path: path, reason: "cannot be written")
        }
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
