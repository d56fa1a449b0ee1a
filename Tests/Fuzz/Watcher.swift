import Foundation
import Numbers

/// Lets a worker in a process of its own read the inputs; where one traps or hangs, says which, and goes on behind it.
struct Watcher {
    let program: String
    let root: String
    let scratch: String
    /// Processor seconds an input may take.
    static let longest = 2.0

    /// Findings, each a line.
    func run(seed: UInt64, inputs: Int) throws -> [String] {
        let path = scratch + "/progress"
        guard let progress = Progress(path: path) else { throw Problem("cannot map \(path)") }
        let began = Date()
        var busy = 0.0
        var findings: [String] = []
        var first = 0
        while first < inputs {
            guard
                let child = Child(
                    program,
                    ["--worker", "\(seed)", "\(first)", "\(inputs)", "--root", root, "--scratch", scratch],
                    output: scratch + "/said", errors: scratch + "/errors")
            else { throw Problem("cannot start \(program)") }
            let why = watch(child, progress, first: first, busy: &busy)
            findings += lines(of: "said")
            if let why {
                let input = SplitMix64.seed(of: progress.index, in: seed)
                let words = lines(of: "errors").first ?? ""
                findings.append("input \(input): \(why) \(words)")
                say(findings.last ?? "")
                first = progress.index + 1
                if findings.count >= 100 { break }
            } else {
                first = inputs
            }
        }
        report(progress, inputs: inputs, seconds: -began.timeIntervalSinceNow, busy: busy)
        return findings
    }

    /// Why the worker came to an early end, nil where it came to its own.
    private func watch(_ child: Child, _ progress: Progress, first: Int, busy: inout Double) -> String? {
        var (index, since) = (-1, 0.0)
        while true {
            if let ending = child.ending(waits: false) {
                busy += ending.seconds
                if ending.code == 0 { return nil }
                return ending.signal.map { "signal \($0)" } ?? "exit code \(ending.code ?? 0)"
            }
            usleep(20_000)
            // Reading the seeds takes a moment too.
            let seconds = child.seconds
            if progress.index != index { (index, since) = (progress.index, seconds) }
            let allowed = index == first ? 30 : Self.longest
            if seconds - since > allowed {
                child.kill()
                _ = child.ending(waits: true)
                return "takes more than \(Self.longest) s"
            }
        }
    }

    private func lines(of file: String) -> [String] {
        let text = (try? String(contentsOfFile: scratch + "/" + file, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    private func report(_ progress: Progress, inputs: Int, seconds: Double, busy: Double) {
        func percent(_ part: Int, _ whole: Int) -> String {
            String(format: "%5.1f %%", 100 * Double(part) / Double(max(1, whole)))
        }
        func row(_ name: String, _ counts: Progress.Counts) {
            say(
                name.padding(toLength: 12, withPad: " ", startingAt: 0)
                    + String(format: "%9d", counts.inputs) + "    \(percent(counts.parsed, counts.inputs))"
                    + "      \(percent(counts.accepted, counts.inputs))")
        }
        say("kind           inputs  past the syntax  read and computed")
        var all = Progress.Counts()
        for kind in Kind.allCases {
            let counts = progress[kind]
            row("\(kind)", counts)
            all.inputs += counts.inputs
            all.parsed += counts.parsed
            all.accepted += counts.accepted
        }
        row("all", all)
        say(
            String(
                format: "%.1f s, %.1f s of them on a core: %.0f inputs a second", seconds, busy,
                Double(all.inputs) / max(busy, 1e-3)))
    }
}

struct Problem: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}
