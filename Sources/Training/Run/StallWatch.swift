internal import Foundation
internal import Plans

/// A thread of every rank that ends the process when the rank gets no further: because another rank was stopped, hangs, or sits
/// on a host that is gone. mpirun and srun end a job of which a process ends like that.
package struct StallWatch: Sendable {
    private let program: String
    private let rank: Int
    private let progress: RunProgress
    /// The limit that the user asks for, seconds.
    private let stated: Double?
    /// Whether the thread tells the launcher now and then that the process answers.
    private let beats: Bool

    /// - Parameters:
    ///   - program: begins the line that says why the process ends.
    ///   - limit: seconds without progress, as the user states them; 0: never. nil: by the run's own steps.
    ///   - beats: whether standard error leads to a launcher that understands beats.
    package init(program: String, rank: Int, progress: RunProgress, limit: Double?, beats: Bool) {
        self.program = program
        self.rank = rank
        self.progress = progress
        stated = limit
        self.beats = beats
    }

    package func start() {
        guard beats || stated != 0 else { return }
        Thread.detachNewThread { self.watch() }
    }

    /// Seconds between two looks.
    private var tick: Double { min(1, max(0.05, (stated ?? 60) / 20)) }
    /// Seconds between two beats: well below the limit.
    private var interval: Double { stated == 0 ? 5 : min(5, max(0.2, (stated ?? 60) / 10)) }

    private func watch() {
        var (seen, idle) = (progress.count, 0.0)
        var before = MonotonicClock.seconds()
        var (nextBeat, wasTraining) = (before, false)
        let host = ProcessInfo.processInfo.hostName
        // Beats go on to the end of the process: other ranks may not have ended yet.
        while beats || progress.phase != .over {
            // The launcher waits for the first beat of a rank that trains before it passes signals on.
            let isTraining = progress.stepsDone >= 0
            if beats, before >= nextBeat || isTraining != wasTraining {
                wasTraining = isTraining
                write(
                    LauncherBeat(
                        rank: rank, step: progress.stepsDone, process: getpid(), interval: interval, host: host
                    ).text)
                nextBeat = before + interval
            }
            usleep(UInt32(tick * 1e6))
            let now = MonotonicClock.seconds()
            // A process that was stopped itself, or did not get the processor, has not watched in the meantime.
            idle += min(now - before, 2 * tick)
            before = now
            let count = progress.count
            if count != seen { (seen, idle) = (count, 0) }
            let limit = progress.limit(stated: stated)
            if stated != 0, idle >= limit, progress.phase != .over { end(idle, limit) }
        }
    }

    private func end(_ idle: Double, _ limit: Double) -> Never {
        let wasAsked = TerminationSignals.isAsked
        let words = progress.words
        // All ranks that wait find out together. One is enough to tell; it ends the job, and mpirun asks the others to end.
        if rank > 0 { usleep(400_000 + UInt32(min(rank, 8)) * 100_000) }
        if wasAsked || !TerminationSignals.isAsked {
            write(
                "\(program): rank \(rank): \(Self.mark)\(Self.seconds(idle)) \(words): a rank was stopped, hangs or "
                    + "is gone (--stall-limit \(Self.seconds(limit)))\n")
            // The launcher stops listening to a job that ends: give it time to pass the line on.
            usleep(100_000)
        }
        _exit(1)
    }

    /// How the reason of a stalled rank begins.
    private static let mark = "no progress for "

    private static func seconds(_ seconds: Double) -> String {
        let tenths = Int((10 * min(seconds, 1e9)).rounded())
        return seconds < 10 && tenths % 10 != 0 ? "\(tenths / 10).\(tenths % 10) s" : "\((tenths + 5) / 10) s"
    }

    private func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in _ = Foundation.write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
    }
}
