internal import ArgumentParser
internal import Foundation
internal import Numbers
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Training

/// `trainyard-train checkpoint`: looks at saved states and converts them, in one process and without MPI.
struct CheckpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint", abstract: "List, verify and convert saved states (used by `trainyard checkpoint`).",
        subcommands: [List.self, Verify.self, Convert.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The checkpoints of a run or a folder.")
        @OptionGroup var options: CheckpointOptions

        func run() throws { try CheckpointCommand.show(options, reads: false) }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read every tensor and compare it with its checksum.")
        @OptionGroup var options: CheckpointOptions

        func run() throws { try CheckpointCommand.show(options, reads: true) }
    }

    struct Convert: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Write whole tensors as one safetensors file.")
        @OptionGroup var options: CheckpointConversionOptions

        func run() throws {
            try CheckpointCommand.reported {
                let path = try Checkpoint.newest(at: options.path)
                if !options.overwrite, FileManager.default.fileExists(atPath: options.to) {
                    throw TrainingError.file(
                        path: options.to, reason: "is there already; name another file, or replace it with --overwrite")
                }
                let folder = try CheckpointFolder.opened(path)
                try CheckpointConversion.write(folder, to: options.to, state: options.state)
                let (step, bytes) = (folder.manifest.step, folder.bytesRead)
                try StandardStreams.output(
                    options.json
                        ? CheckpointCommand.json(
                            ["checkpoint": path, "file": options.to], ["step": step, "bytes": bytes])
                        : "\(options.to): the \(options.state ? "state" : "weights") after step \(step), \(Figures.size(bytes))\n"
                )
            }
        }
    }

    private static func json(_ texts: [String: String], _ counts: [String: Int]) throws -> String {
        let values = (texts as [String: Any]).merging(counts) { text, _ in text }
        let data = try JSONSerialization.data(
            withJSONObject: values, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        return String(decoding: data, as: UTF8.self) + "\n"
    }

    /// Prints what lies at a path. Exit code 1 if a checkpoint is not good.
    private static func show(_ options: CheckpointOptions, reads: Bool) throws {
        try reported {
            let paths = CheckpointList.candidates(at: options.path)
            guard !paths.isEmpty else {
                throw TrainingError.file(
                    path: options.path,
                    reason: "holds no checkpoint (step-…); train.checkpoint in the plan writes them")
            }
            let found = paths.reversed().map { CheckpointSummary($0, reads: reads) }
            if options.json {
                let encoder = JSONEncoder()
                encoder.dateEncodingStrategy = .iso8601
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                try StandardStreams.output(encoder.encode(["checkpoints": found]) + Data("\n".utf8))
            } else {
                for one in found { try StandardStreams.output(line(one, reads: reads)) }
            }
            if !found.allSatisfy(\.good) { throw ExitCode(1) }
        }
    }

    private static func line(_ one: CheckpointSummary, reads: Bool) -> String {
        guard one.good else { return "\(one.path)\n  not good: \(one.problem ?? "unknown")\n" }
        let ranks = one.ranks ?? 0
        return
            "\(one.path)\n  step \(one.step) of \(one.plan ?? ""), \(one.tensors ?? 0) tensors, \(Figures.size(one.bytes ?? 0)) from "
            + "\(ranks) rank\(ranks == 1 ? "" : "s"), \(one.precision ?? ""), saved "
            + "\(one.saved.map { ISO8601DateFormatter().string(from: $0) } ?? "")"
            + (reads ? "; every tensor matches its checksum\n" : "\n")
    }

    /// Ends with one line and exit code 2 for a path that cannot be used.
    private static func reported(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as OutputError {
            throw error
        } catch let error as ExitCode {
            throw error
        } catch {
            StandardStreams.error("trainyard-train: \(error)\n")
            throw ExitCode(RunCommand.exitCode(error))
        }
    }
}
