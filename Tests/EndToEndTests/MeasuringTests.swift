import Foundation
import Testing

/// Measurements on a machine that does other things too, and beside programs that end badly.
@Suite struct MeasuringTests {
    /// Every core is kept busy meanwhile, so a measurement cannot be that of a quiet machine.
    @Test func calibrationNoticesOtherPrograms() throws {
        let neighbours = try (0..<ProcessInfo.processInfo.activeProcessorCount).map { _ in
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/env")
            // Ends by itself, after a minute or so, where nobody ends it.
            process.arguments = ["sh", "-c", "i=0; while [ $i -lt 40000000 ]; do i=$((i+1)); done"]
            try process.run()
            return process
        }
        defer {
            for process in neighbours {
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
            }
        }
        let job = try TrainingJob()
        let cluster = job.folder.appending(path: "measured.yaml")
        let outcome = try BuiltProgram("trainyard").run([
            "calibrate", "--quick", "-n", "1", "--plan", job.plan.path, "--out", cluster.path,
        ])
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(outcome.errors.contains("note: the machine is busy"))
        #expect(outcome.errors.contains("calibrate again when nothing else runs"))
        #expect(outcome.output.contains("meanwhile"))
        #expect(try String(contentsOf: cluster, encoding: .utf8).contains("the machine was busy"))
        let run = try BuiltProgram("trainyard").run([
            "train", job.plan.path, "--folder", job.folder.appending(path: "run").path,
        ])
        #expect(run.exitCode == 0, "\(run.everything)")
        #expect(run.output.contains("the machine was busy: other programs took"), "\(run.everything)")
    }

    /// Runs `statements` of Python beside `bench/compare.py`.
    private func compare(_ statements: String) throws -> BuiltProgram.Outcome {
        try BuiltProgram.run(
            URL(filePath: "/usr/bin/env"),
            ["python3", "-c", "import sys; sys.path.insert(0, 'bench'); import compare\n" + statements],
            in: BuiltProgram.root)
    }

    @Test(.enabled(if: GPUCalibrationTests.imports("json"), "there is no python3"))
    func aPeerThatAbortsAfterItsResultKeepsIt() throws {
        let peer = """
            peer = [sys.executable, '-c', "import os; print('{\\"tokens\\": 7}', flush=True); os.abort()"]
            print(compare.peer(peer)['tokens'])
            """
        let outcome = try compare(peer)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(outcome.output == "7\n")
        #expect(outcome.errors.contains("after its result"))
    }

    @Test(.enabled(if: GPUCalibrationTests.imports("json"), "there is no python3"))
    func aPeerWithoutAResultIsRunAgain() throws {
        let outcome = try compare("compare.peer([sys.executable, '-c', 'import os; os.abort()'])")
        #expect(outcome.exitCode == 1)
        #expect(outcome.errors.components(separatedBy: "run again").count == 3)
        #expect(outcome.errors.contains("gave no result in 3 tries"))
    }
}
