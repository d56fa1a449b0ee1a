/// A sign of life that a rank writes on standard error for the launcher, which takes it out again: mpirun carries it from any
/// host. It stands between two control characters, so that it is found in the middle of a line too.
package struct LauncherBeat: Hashable, Sendable {
    package var rank: Int
    /// Steps done; -1 until the ranks train, and hear signals.
    package var step: Int
    package var process: Int32
    /// Seconds between two beats.
    package var interval: Double
    package var host: String

    package init(rank: Int, step: Int, process: Int32, interval: Double, host: String) {
        (self.rank, self.step, self.process, self.interval, self.host) = (rank, step, process, interval, host)
    }

    /// The environment variable by which the launcher asks for beats.
    package static let variable = "TRAINYARD_BEATS"
    package static let begin: UInt8 = 0x01
    package static let end: UInt8 = 0x04
    /// The longest beat in bytes.
    package static let longest = 400
    private static let word = "beat"

    /// The beat as it is written.
    package var text: String {
        let name = String(host.filter { $0.isASCII && $0 > " " }.prefix(253))
        return "\u{01}\(Self.word) \(rank) \(step) \(process) \(interval) \(name.isEmpty ? "?" : name)\u{04}"
    }

    /// - Parameter bytes: what stands between the control characters.
    package init?(_ bytes: some Sequence<UInt8>) {
        let words = String(decoding: Array(bytes), as: UTF8.self).split(separator: " ").map(String.init)
        guard words.count == 6, words[0] == Self.word, let rank = Int(words[1]), rank >= 0, let step = Int(words[2]),
            let process = Int32(words[3]), process > 0, let interval = Double(words[4]), interval > 0
        else { return nil }
        self.init(rank: rank, step: step, process: process, interval: interval, host: words[5])
    }
}
