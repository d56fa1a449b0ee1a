// Reads mutated inputs by the million and runs mutated command lines by the thousand: nothing may trap, take longer than
// two seconds or be refused without a word.
//
//   fuzz [--inputs N] [--commands N] [--seed S]
//   fuzz --replay SEED            the input that a line of findings names
//   fuzz --replay-command SEED    the command line that one names
//
// A seed always makes the same inputs.
import Foundation
import TestSupport

/// The number behind an option.
func value<Number: FixedWidthInteger>(_ option: String, _ usual: Number) throws -> Number {
    guard let place = CommandLine.arguments.firstIndex(of: option) else { return usual }
    guard CommandLine.arguments.indices.contains(place + 1), let number = Number(CommandLine.arguments[place + 1])
    else {
        throw Problem("\(option) takes a number")
    }
    return number
}

/// The text behind an option.
func text(_ option: String) -> String? {
    guard let place = CommandLine.arguments.firstIndex(of: option), CommandLine.arguments.indices.contains(place + 1)
    else { return nil }
    return CommandLine.arguments[place + 1]
}

func run() throws -> Int32 {
    let program = URL(filePath: CommandLine.arguments[0]).path
    let root = URL(filePath: text("--root") ?? "").path
    if let scratch = text("--scratch"), let place = CommandLine.arguments.firstIndex(of: "--worker") {
        let numbers = CommandLine.arguments[place...].dropFirst().prefix(3).compactMap { UInt64($0) }
        guard numbers.count == 3, let progress = Progress(path: scratch + "/progress") else {
            throw Problem("--worker takes a seed and two numbers")
        }
        try Worker(root: root, scratch: scratch).run(
            seed: numbers[0], from: Int(numbers[1]), to: Int(numbers[2]), progress: progress)
        return 0
    }
    if let scratch = text("--scratch"), let seed = text("--replay-in").flatMap({ UInt64($0) }) {
        try Worker(root: root, scratch: scratch).replay(seed)
        return 0
    }
    let folder = try TemporaryFolder()
    let scratch = folder.path
    func commands() throws -> CommandLines {
        // A number may stand where a file to write is named: such files go with the folder.
        guard FileManager.default.changeCurrentDirectoryPath(scratch) else { throw Problem("cannot enter \(scratch)") }
        return CommandLines(
            programs: URL(filePath: program).deletingLastPathComponent().path, scratch: scratch,
            seeds: try Seeds(root: root, scratch: scratch + "/files"))
    }
    if let seed = text("--replay").flatMap({ UInt64($0) }) {
        // In a process of its own, so that the folder goes also after a trap.
        let child = Child(program, ["--replay-in", "\(seed)", "--root", root, "--scratch", scratch], trace: true)
        let ending = child?.ending(waits: true)
        ending?.signal.map { say("signal \($0)") }
        return ending?.code ?? 1
    }
    if let seed = text("--replay-command").flatMap({ UInt64($0) }) {
        try commands().replay(seed)
        return 0
    }
    let seed = try value("--seed", UInt64(1))
    var findings: [String] = []
    let inputs = try value("--inputs", 1_000_000)
    if inputs > 0 {
        findings += try Watcher(program: program, root: root, scratch: scratch).run(seed: seed, inputs: inputs)
    }
    let count = try value("--commands", 10_000)
    if count > 0 { findings += try commands().run(seed: seed, count: count) }
    say(findings.isEmpty ? "nothing found" : "\(findings.count) found:\n" + findings.joined(separator: "\n"))
    return findings.isEmpty ? 0 : 1
}

do {
    exit(try run())
} catch {
    say("fuzz: \(error)")
    exit(2)
}
