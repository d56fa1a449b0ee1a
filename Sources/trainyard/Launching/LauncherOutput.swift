internal import Foundation
internal import Output
internal import Plans
internal import Synchronization

/// The standard error of mpirun and its ranks, which arrives as one stream.
///
/// Lines of ranks go on to this process's standard error as they arrive. mpirun's own messages, which stand in blocks
/// between lines of dashes, are held back: a rank that fails says why itself. Where no rank did, they give the reason.
final class LauncherOutput: Sendable {
    /// The reason why mpirun failed.
    struct Reason {
        /// The reason in one line.
        var text: String
        /// Whether the hostfile or the number of processes is at fault.
        var isInput: Bool
    }

    let pipe = Pipe()
    private let state = Mutex(Stream())
    private let finished = DispatchSemaphore(value: 0)

    /// Starts to read on a thread of its own. Called after the process has been started.
    func startReading() {
        try? pipe.fileHandleForWriting.close()
        let handle = pipe.fileHandleForReading
        Thread.detachNewThread { [self] in
            while true {
                let data = Data(StandardStreams.next(from: handle.fileDescriptor))
                if data.isEmpty { break }
                let passed = state.withLock { $0.pass(data) }
                if !passed.isEmpty { StandardStreams.error(passed) }
            }
            finished.signal()
        }
    }

    /// The ranks' signs of life and their ends so far.
    var signs: JobSigns { state.withLock { $0.signs } }

    /// Notes which ranks have stopped answering.
    func noteSilent() { state.withLock { $0.signs.noteSilent() } }

    /// Prints the rest of the stream, and ends an unfinished last line. Called after the process has ended.
    /// - Returns: mpirun's reason for a failure; nil where a rank gave one.
    func printRest() -> Reason? {
        // A process that outlives mpirun may hold the stream open.
        _ = finished.wait(timeout: .now() + 2)
        let (rest, reason) = state.withLock { ($0.takeRest(), $0.reason) }
        if !rest.isEmpty { StandardStreams.error(rest) }
        return reason
    }

    /// Separates lines of ranks from mpirun's own.
    struct Stream {
        private var line = Data()
        /// Whether the beginning of the current line has been passed on.
        private var passes = false
        private var block: [String]?
        private var blocks: [[String]] = []
        /// Lines of mpirun and ssh that stand outside blocks.
        private var remarks: [String] = []
        private var rankSpoke = false
        /// The bytes since the beginning of what may be a beat.
        private var beat: Data?
        /// The ranks' signs of life and their ends.
        var signs = JobSigns()

        /// Takes in a part of the stream.
        /// - Returns: the bytes to pass on.
        mutating func pass(_ data: Data) -> Data {
            var text = Data()
            for byte in data {
                guard var bytes = beat else {
                    if byte == LauncherBeat.begin { beat = Data([byte]) } else { text.append(byte) }
                    continue
                }
                if byte == LauncherBeat.end, let read = LauncherBeat(bytes.dropFirst()) {
                    signs.take(read)
                    beat = nil
                } else if byte < UInt8(ascii: " ") || bytes.count >= LauncherBeat.longest {
                    // It was no beat, or one that another rank's words have cut in two.
                    text += bytes
                    beat = byte == LauncherBeat.begin ? Data([byte]) : nil
                    if beat == nil { text.append(byte) }
                } else {
                    bytes.append(byte)
                    beat = bytes
                }
            }
            return text.isEmpty ? text : passText(text)
        }

        private mutating func passText(_ data: Data) -> Data {
            var out = Data()
            for byte in data {
                line.append(byte)
                if passes { out.append(byte) }
                if byte == UInt8(ascii: "\n") {
                    if !passes { out += endOfLine() }
                    line.removeAll()
                    passes = false
                } else if !passes, block == nil, Self.isRanks(line) {
                    passes = true
                    out += line
                }
            }
            return out
        }

        mutating func takeRest() -> Data {
            beat = nil
            guard !line.isEmpty else { return Data() }
            defer { line.removeAll() }
            if passes { return Data("\n".utf8) }
            line.append(UInt8(ascii: "\n"))
            return endOfLine()
        }

        /// Whether the beginning of a line shows that a rank wrote it. Progress lines are then passed on at once.
        private static func isRanks(_ start: Data) -> Bool {
            guard let first = start.first, start.count <= 3 else { return false }
            return first == UInt8(ascii: "\r") || first == 0x1B
        }

        private mutating func endOfLine() -> Data {
            let text = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .newlines)
            if text.count >= 70, text.allSatisfy({ $0 == "-" }) {
                if let block {
                    blocks.append(block)
                    signs.take(block: block)
                }
                block = block == nil ? [] : nil
                return Data()
            }
            if block != nil {
                block?.append(text)
                return Data()
            }
            // The run itself says that it stops.
            if text.hasPrefix("mpirun: Forwarding signal") { return Data() }
            if text.hasPrefix("ssh: ") || text.hasPrefix("Host key") || text.contains("Permission denied (")
                || text.firstMatch(of: #/^\[[^\]]+:[0-9]+\] /#) != nil
            {
                remarks.append(text)
                return Data()
            }
            if text.hasPrefix("trainyard-train: ") { rankSpoke = true }
            signs.take(line: text)
            return line
        }

        var reason: Reason? {
            guard !rankSpoke else { return nil }
            // Messages that only say that something else went wrong.
            let empty = ["An internal error has occurred", "Primary job", "MPI_ABORT was invoked", "ORTE has lost"]
            let told = (blocks + (block.map { [$0] } ?? [])).first { block in
                let text = block.joined(separator: " ")
                return !text.isEmpty && !empty.contains { text.hasPrefix($0) }
            }
            // ssh states the cause; mpirun only guesses it.
            let spoken = remarks.first { !$0.hasPrefix("[") }
            guard let told else { return spoken.map { Reason(text: $0, isInput: false) } }
            let words = Self.beginning(told)
            let isInput = ["hostfile", "No nodes are available", "not enough slots"].contains { words.contains($0) }
            return Reason(text: (spoken.map { $0 + ": " } ?? "") + words, isInput: isInput)
        }

        /// The first paragraph of a block in one line, with the indented paragraph that completes it.
        private static func beginning(_ block: [String]) -> String {
            var words: [String] = []
            var completes = false
            for line in block.drop(while: \.isEmpty) {
                let text = line.trimmingCharacters(in: .whitespaces)
                if text.isEmpty || text.hasPrefix("This usually is caused") {
                    if words.last?.hasSuffix(":") != true { break }
                } else {
                    // The completing line stands alone, without a full stop; a semicolon ends it here.
                    if completes, text.first?.isUppercase == true { words[words.count - 1] += ";" }
                    completes = words.last?.hasSuffix(":") == true
                    words.append(text)
                }
            }
            return words.joined(separator: " ")
        }
    }
}
