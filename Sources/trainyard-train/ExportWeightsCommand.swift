internal import ArgumentParser
internal import Foundation
internal import Numbers
internal import Options
internal import Output
internal import Training

/// `trainyard-train export-weights`: writes a folder that transformers opens, in one process and without MPI.
struct ExportWeightsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export-weights",
        abstract: "Write trained weights as a Hugging Face folder (used by `trainyard export-weights`).")

    @OptionGroup var options: ExportWeightsOptions

    func run() throws {
        do {
            let format: HuggingFaceExport.Format = options.dtype == .fp32 ? .fp32 : .bf16
            let written = try HuggingFaceExport.write(
                options.checkpoint, to: options.to, format: format, overwrites: options.overwrite)
            guard options.json else {
                let step = written.step.map { " after step \($0)" } ?? ""
                return try StandardStreams.output(
                    "\(written.folder): a \(written.modelType) of \(Figures.grouped(written.parameters)) parameters"
                        + "\(step), \(Figures.size(written.bytes)) in \(written.format)\n")
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try StandardStreams.output(encoder.encode(written) + Data("\n".utf8))
        } catch let error as OutputError {
            throw error
        } catch {
            StandardStreams.error("trainyard-train: \(error)\n")
            throw ExitCode(RunCommand.exitCode(error))
        }
    }
}
