internal import Foundation

/// Ends a job that does not end by itself: mpirun waits for a rank or a host that will not answer.
final class JobWatch: Sendable {
    private let words: LauncherOutput
    /// The limit that the user states, seconds; 0: none. nil: that of the ranks.
    private let limit: Double?
    private let process: Int32
    private let finished = DispatchSemaphore(value: 0)

    /// Seconds that mpirun has to end a job of which a rank has ended.
    private static let grace = 20.0
    /// Seconds after which a job is ended none of whose ranks answers, unless the user states a limit.
    private static let longestSilence = 120.0

    init(_ words: LauncherOutput, limit: Double?, process: Int32) {
        (self.words, self.limit, self.process) = (words, limit, process)
    }

    func start() {
        Thread.detachNewThread { [self] in
            var (before, woke) = (JobSigns.now(), JobSigns.now())
            while finished.wait(timeout: .now() + 0.5) == .timedOut {
                let now = JobSigns.now()
                // This process was stopped itself, or did not get the processor: it has heard nothing in the meantime.
                if now - before > 2 { woke = now }
                before = now
                if words.signs.steps != nil { SignalForwarding.jobHears() }
                guard let reason = reason(now, since: woke) else { continue }
                if reason == .silence { words.noteSilent() }
                end()
                return
            }
        }
    }

    /// The job has ended. Called before its number can be another process's.
    func stop() { finished.signal() }

    private enum Reason {
        /// A rank has said that it gets no further, and mpirun has not ended since.
        case stalled
        /// No rank has answered for too long.
        case silence
    }

    /// - Parameter woke: when this process began to listen, last.
    private func reason(_ now: Double, since woke: Double) -> Reason? {
        let signs = words.signs
        if let stalled = signs.stalled, now - max(stalled, woke) > Self.grace { return .stalled }
        guard limit != 0, let quiet = signs.quiet(at: now) else { return nil }
        let most = limit.map { $0 + 5 } ?? Self.longestSilence
        return min(quiet, now - woke) > most ? .silence : nil
    }

    /// Asks mpirun to end, then kills it and what is left of the job on this machine.
    private func end() {
        kill(process, SIGTERM)
        guard finished.wait(timeout: .now() + 5) == .timedOut else { return }
        for rank in words.signs.processesHere where Self.isRank(rank) { kill(rank, SIGKILL) }
        guard finished.wait(timeout: .now() + 2) == .timedOut else { return }
        kill(process, SIGKILL)
    }

    /// Whether a process is still a rank: its number may have been given to another.
    private static func isRank(_ process: Int32) -> Bool {
        let words = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
        return String(decoding: words.prefix { $0 != 0 }, as: UTF8.self).hasSuffix("trainyard-train")
    }
}
