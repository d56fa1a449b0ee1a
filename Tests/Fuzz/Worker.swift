import Foundation
import Numbers

/// Reads input after input in this process.
struct Worker {
    let readers: Readers

    init(root: String, scratch: String) throws {
        let folder = scratch + "/files"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        readers = try Readers(seeds: Seeds(root: root, scratch: folder), scratch: scratch)
    }

    /// Inputs `first` to below `end` of the run that begins with `seed`.
    func run(seed: UInt64, from first: Int, to end: Int, progress: Progress) {
        for index in first..<end {
            progress.index = index
            var random = SplitMix64(seed: SplitMix64.seed(of: index, in: seed))
            let kind = Kind(&random)
            let outcome = readers.read(kind, readers.input(kind, &random), &random)
            progress[kind].inputs += 1
            if outcome.parsed { progress[kind].parsed += 1 }
            if outcome.accepted { progress[kind].accepted += 1 }
            if Self.isSilent(outcome) {
                progress[kind].silent += 1
                say(
                    "input \(SplitMix64.seed(of: index, in: seed)) (\(kind)): no word of what is wrong: \(outcome.messages)"
                )
            }
        }
        progress.index = end
    }

    /// Whether something was refused without saying why.
    private static func isSilent(_ outcome: Outcome) -> Bool {
        let blank = outcome.messages.contains { $0.allSatisfy(\.isWhitespace) }
        return blank || !outcome.accepted && outcome.messages.isEmpty
    }

    /// Prints the input that `seed` makes and reads it once more.
    func replay(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let kind = Kind(&random)
        let input = readers.input(kind, &random)
        say("\(kind):")
        say(String(decoding: input, as: UTF8.self))
        let outcome = readers.read(kind, input, &random)
        say("\(outcome)")
    }
}

/// A line on standard output, at once.
func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
