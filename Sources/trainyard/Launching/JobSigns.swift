internal import Foundation
internal import Plans

/// The ranks of a job as its standard error shows them: which answer, and how they ended.
struct JobSigns {
    /// The last beat of every rank, and when it came.
    private(set) var beats: [Int: (beat: LauncherBeat, time: Double)] = [:]
    /// When a rank said that it gets no further; nil: none did.
    private(set) var stalled: Double?
    /// What was done to ranks on purpose.
    private(set) var injected: [String] = []
    /// The ranks that had stopped answering when the job was found to get no further. mpirun wakes them to end them.
    private var silent: [String] = []
    /// mpirun's words on how the job ended.
    private(set) var ending: String?
    /// The rank that a signal of somebody else, or its own failure, ended first; in its own words, if it had any.
    private var spoken: String?

    mutating func take(_ beat: LauncherBeat) {
        // A run has at most as many ranks as mpirun starts; a rank cannot make this process hold more.
        if beats[beat.rank] != nil || beats.count < 100_000 { beats[beat.rank] = (beat, Self.now()) }
    }

    /// Takes in a line of a rank.
    mutating func take(line: String) {
        if line.hasPrefix(Injection.mark) {
            injected.append(String(line.dropFirst(Injection.mark.count).prefix { $0 != ":" }))
        }
        guard let match = line.firstMatch(of: #/^trainyard-train: rank ([0-9]+): (no progress for )?/#) else { return }
        if match.2 != nil, stalled == nil {
            stalled = Self.now()
            noteSilent()
        }
        if spoken == nil { spoken = match.2 != nil ? "a rank got no further" : "rank \(match.1) failed" }
    }

    /// Takes in a message of mpirun.
    mutating func take(block: [String]) {
        let text = block.joined(separator: " ").split(separator: " ").joined(separator: " ")
        if let match = text.firstMatch(
            of: #/process rank ([0-9]+) with PID [0-9]+ on node (\S+) exited on signal ([0-9]+)(?: \(([^)]*)\))?/#)
        {
            let name = match.4.map { " (\($0))" } ?? ""
            ending = ending ?? "rank \(match.1) on \(match.2) was ended by signal \(match.3)\(name)"
        } else if let match = text.firstMatch(of: #/lost communication with a remote daemon.*on node (\S+)/#) {
            // The last node named is the one that is gone; it explains whatever else ended.
            ending = "host \(match.1.filter { $0 != "." }) is gone"
        } else if let match = text.firstMatch(of: #/Process name: \[\[[0-9]+,[0-9]+\],([0-9]+)\] Exit code: ([0-9]+)/#)
        {
            let rank = Int(match.1) ?? -1
            ending = ending ?? "rank \(match.1)\(place(rank)) ended with exit code \(match.2)"
        }
    }

    private func place(_ rank: Int) -> String { beats[rank].map { " on \($0.beat.host)" } ?? "" }

    /// Notes the ranks that have stopped answering, each with its host and for how long.
    mutating func noteSilent() {
        let now = Self.now()
        silent = beats.sorted { $0.key < $1.key }.compactMap { rank, last in
            let seconds = now - last.time
            guard seconds > 3 * last.beat.interval + 1 else { return nil }
            return "rank \(rank) on \(last.beat.host) has not answered for \(Int(seconds.rounded())) s"
        }
    }

    /// The ranks that stopped answering, in words; nil where all did answer.
    var silentWords: String? {
        if silent.isEmpty { return nil }
        return silent.prefix(4).joined(separator: ", ") + (silent.count > 4 ? " …" : "")
    }

    /// How the job ended, in words; nil where nobody said. mpirun ends ranks itself where another has failed, and then names one
    /// of those.
    var words: String? { silentWords ?? spoken ?? ending }

    /// Steps done, by the beats of rank 0; nil until it trains, and all ranks hear signals.
    var steps: Int? { beats[0].flatMap { $0.beat.step >= 0 ? $0.beat.step : nil } }

    /// Seconds since any rank answered; nil where none ever did.
    func quiet(at now: Double) -> Double? { beats.values.map(\.time).max().map { now - $0 } }

    /// The processes of the job on this machine.
    var processesHere: [Int32] {
        let host = ProcessInfo.processInfo.hostName
        return beats.values.filter { $0.beat.host == host }.map(\.beat.process)
    }

    /// Seconds since some moment of the past, this machine's own.
    static func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }
}
