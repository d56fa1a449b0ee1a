import Foundation
import TestSupport
import Testing

/// `trainyard ladder` on models of a few thousand parameters.
@Suite(.serialized) struct LadderCommandTests {
    private static let ladder = """
        text: {words: 100, successors: 2}
        layers: 1
        headSize: 8
        sequence: 16
        batch: 8
        widths: [8, 16, 24]
        tokens: [2K, 4K, 8K]
        baseWidth: 16
        heldOut: 2K
        rates: {widths: [8, 16], tokens: 2K, tried: [0.01, 0.03]}
        next: {width: 40, tokens: 8K, processes: 2}
        """

    private func run(_ arguments: [String], in folder: TemporaryFolder) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard").run(["ladder"] + arguments, in: folder.url)
    }

    @Test func whatIsFinishedIsNotTrainedAgain() throws {
        let folder = try TemporaryFolder()
        try folder.write(Data(Self.ladder.utf8), as: "tiny.yaml")
        let first = try run(["tiny.yaml", "--out", "climb", "--json"], in: folder)
        let found = try first.document()
        var seen = try JSONPageTests.Seen()
        try seen.read(first.output, of: "a-ladder", from: "ladder")
        let listed = try run(["tiny.yaml", "--list", "--json"], in: folder)
        try seen.read(listed.output, of: "runs-of-a-ladder", from: "ladder --list")
        seen.finish(["a-ladder", "runs-of-a-ladder"])
        #expect((found["rungs"] as? [Any])?.count == 9 && (found["rates"] as? [Any])?.count == 8)
        let prediction = try #require(found["prediction"] as? [String: Any])
        let next = try #require(found["next"] as? [String: Any])
        #expect(prediction["parameters"] as? Int == next["parameters"] as? Int)
        let climb = folder.url.appending(path: "climb")
        func changed(_ path: String) throws -> Date {
            let values = try climb.appending(path: path).resourceValues(forKeys: [.contentModificationDateKey])
            return try #require(values.contentModificationDate)
        }
        // The prediction was written before the run that it is about.
        #expect(try changed("prediction.json") < changed("runs/next-40-8K/log.jsonl"))
        for path in ["ladder.svg", "rates.svg", "points.csv", "result.json"] {
            #expect(try !Data(contentsOf: climb.appending(path: path)).isEmpty)
        }
        let logs = try ["rung-8-2K", "rung-24-8K", "next-40-8K"].map { try changed("runs/\($0)/log.jsonl") }
        let written = try changed("prediction.json")

        let again = try run(["tiny.yaml", "--out", "climb", "--json"], in: folder)
        #expect(again.output == first.output, "\(again.errors)")
        #expect(try ["rung-8-2K", "rung-24-8K", "next-40-8K"].map { try changed("runs/\($0)/log.jsonl") } == logs)
        #expect(try changed("prediction.json") == written)

        // One run is gone: it alone is trained, with the same loss.
        try FileManager.default.removeItem(at: climb.appending(path: "runs/rung-16-4K"))
        let text = try run(["tiny.yaml", "--out", "climb"], in: folder)
        #expect(text.exitCode == 0 && text.output.contains("predicted  "), "\(text.everything)")
        #expect(text.errors.contains("rungs: 9 runs, 8 of them finished already"), "\(text.errors)")
        #expect(text.errors.components(separatedBy: "parameters, ").count - 1 == 1, "\(text.errors)")

        // The points are a table that `scaling --fit` reads.
        let fit = try BuiltProgram("trainyard").run(["scaling", "--fit", "climb/points.csv"], in: folder.url)
        #expect(fit.exitCode == 0, "\(fit.everything)")

        let other = Self.ladder.replacing("words: 100", with: "words: 101")
        try folder.write(Data(other.utf8), as: "tiny.yaml")
        let refused = try run(["tiny.yaml", "--out", "climb"], in: folder)
        #expect(refused.exitCode == 2 && refused.errors.contains("holds another ladder"), "\(refused.everything)")
    }

    @Test func badInputIsOneLine() throws {
        let folder = try TemporaryFolder()
        let missing = try run(["none.yaml"], in: folder)
        #expect(missing.exitCode == 2 && missing.errors.split(separator: "\n").count == 1, "\(missing.everything)")
        try folder.write(Data(Self.ladder.replacing("widths: [8, 16, 24]", with: "widths: [8]").utf8), as: "short.yaml")
        let short = try run(["short.yaml"], in: folder)
        #expect(short.exitCode == 2 && short.errors.contains("widths: cannot fix a law"), "\(short.everything)")
        try folder.write(Data(Self.ladder.utf8), as: "tiny.yaml")
        for (arguments, words) in [
            (["tiny.yaml", "--slots", "0"], "--slots"), (["tiny.yaml", "--out", ""], "--out: names no folder"),
            (["tiny.yaml", "--out", "tiny.yaml"], "--out: "), (["tiny.yaml", "--out", "."], "holds other files"),
        ] {
            let outcome = try run(arguments, in: folder)
            #expect(outcome.exitCode == 2 && outcome.errors.contains(words), "\(arguments): \(outcome.everything)")
        }
        let listed = try run(["tiny.yaml", "--list"], in: folder)
        #expect(listed.exitCode == 0 && listed.output.contains("18 runs, "), "\(listed.everything)")
        #expect(!FileManager.default.fileExists(atPath: folder.url.appending(path: "runs").path))
    }

    /// Ctrl-C leaves what is finished, and no process.
    @Test func aSignalLeavesWhatIsFinished() throws {
        let folder = try TemporaryFolder()
        let long = Self.ladder.replacing("tokens: [2K, 4K, 8K]", with: "tokens: [2K, 4K, 8M]")
        try folder.write(Data(long.utf8), as: "long.yaml")
        let program = try BuiltProgram("trainyard")
        let process = Process()
        process.executableURL = program.url
        process.arguments = ["ladder", "long.yaml", "--out", "climb"]
        process.currentDirectoryURL = folder.url
        let errors = Pipe()
        (process.standardError, process.standardOutput) = (errors, FileHandle.nullDevice)
        try process.run()
        let log = folder.url.appending(path: "climb/runs/rung-24-8M/log.jsonl").path
        let limit = Date().addingTimeInterval(60)
        while Date() < limit,
            ((try? String(contentsOfFile: log, encoding: .utf8))?.split(separator: "\n").count ?? 0) < 3
        {
            Thread.sleep(forTimeInterval: 0.05)
        }
        process.terminate()
        let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 75 && said.contains("the same command goes on"), "\(said)")
        let path = folder.url.path
        let left = try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { Int32($0) != nil }.filter {
            let line = (try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8)) ?? ""
            return line.contains(path + "/climb")
        }
        #expect(left.isEmpty, "\(left)")
    }
}
