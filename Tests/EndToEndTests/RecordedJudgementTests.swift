import Foundation
import TestSupport
import Testing

/// Exported files against what the owners' own parsers said of them when `make interop` recorded it: no file may change and keep
/// the verdict on what it was.
@Suite struct RecordedJudgementTests {
    private struct Record: Decodable {
        struct Judgement: Decodable {
            /// SHA-256 of the lines that were judged; nil where nothing was exported.
            var settings: String?
            var verdict: String
            var fields: Int?
        }
        var versions: [String: String?]
        var plans: [String: [String: Judgement]]
    }

    private static let path = "Tests/Goldens/interop.json"
    /// Words of lines that hold an interval of checkpoints, a time limit, a number of new starts or a size of memory, which
    /// follow from the predicted time and memory.
    private static let priced = ["interval", "time", "save", "estart", "mem", "#BSUB -W"]

    private func record() throws -> Record {
        let data = try Data(contentsOf: BuiltProgram.root.appending(path: Self.path))
        return try JSONDecoder().decode(Record.self, from: data)
    }

    /// The lines of a folder of exported files that are settings, as `scripts/interop/run.py` takes them.
    private func settings(in folder: URL) throws -> String {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0 != "plan.yaml" && !$0.hasSuffix(".txt") }
        var kept: [String] = []
        for name in names.sorted() {
            let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
            kept.append(name)
            kept += text.components(separatedBy: "\n")
                .map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " ")) }
                .filter { line in
                    !line.isEmpty && line != "#" && !line.hasPrefix("# ")
                        && !Self.priced.contains { line.contains($0) }
                }
        }
        return kept.joined(separator: "\n")
    }

    @Test func acceptedWithEveryValueEqual() throws {
        let record = try record()
        #expect(record.plans.count >= 40)
        for (plan, targets) in record.plans {
            for (target, judgement) in targets where judgement.verdict != "not exported" {
                #expect(judgement.verdict == "equal" && judgement.fields ?? 0 > 0, "\(plan): \(target)")
            }
        }
        for target in [
            "megatron-lm", "torchtitan", "deepspeed", "accelerate", "transformers", "torch-schedule", "slurm", "mpijob",
            "jobset", "trainjob", "skypilot", "hostfile",
        ] {
            #expect(record.plans.values.count { $0[target]?.verdict == "equal" } >= 15, "\(target)")
        }
    }

    @Test func filesAreThoseThatWereJudged() throws {
        let record = try record()
        let program = try BuiltProgram("trainyard")
        let folder = try TemporaryFolder()
        var written: [(name: String, file: String, recorded: String)] = []
        for (index, (plan, targets)) in record.plans.sorted(by: { $0.key < $1.key }).enumerated() {
            let out = URL(filePath: folder["exported\(index)"])
            let exported = try program.run([
                "export", plan, "--to", "all", "--nearest", "--out", out.path, "--json",
            ])
            for (target, judgement) in targets.sorted(by: { $0.key < $1.key }) {
                let files = out.appending(path: target)
                let isThere = FileManager.default.fileExists(atPath: files.path)
                #expect(isThere == (judgement.settings != nil), "\(plan): \(target)\n\(exported.errors)")
                guard isThere, let recorded = judgement.settings else { continue }
                let text = try folder.write(try settings(in: files), as: "settings-\(index)-\(target)")
                written.append(("\(plan): \(target)", text, recorded))
            }
        }
        let sums = try BuiltProgram.run(
            URL(filePath: "/usr/bin/sha256sum"), written.map(\.file), in: URL(filePath: folder.path)
        ).output.split(separator: "\n").map { $0.prefix(64) }
        try #require(sums.count == written.count)
        let changed = zip(written, sums).filter { $0.recorded != $1 }.map(\.0.name)
        #expect(
            changed.isEmpty,
            "these files changed since their owners' parsers judged them; `make interop INTEROP='--record \(Self.path) --more --nearest'` asks again"
        )
    }
}
