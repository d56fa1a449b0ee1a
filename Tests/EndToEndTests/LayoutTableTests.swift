import Foundation
import Testing

/// The table of `Tests/RuntimeChecks/LayoutCase.swift`: every layout trains as one process does.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct LayoutTableTests {
    @Test func everyLayoutTrainsAsOneProcess() throws {
        let outcome = try BuiltProgram("runtime-checks").run(processes: 8, timeout: 600)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        let lines = outcome.output.split(separator: "\n")
        let differing = lines.filter { $0.hasPrefix("DIFFERS") || $0.hasPrefix("skipped") }
        #expect(differing.isEmpty, "\(differing.joined(separator: "\n"))")
        #expect(lines.filter { $0.hasPrefix("ok") }.count >= 60, "\(outcome.everything)")
        #expect(lines.filter { $0.hasSuffix("to the bit") }.count >= 25, "\(outcome.everything)")
    }
}
