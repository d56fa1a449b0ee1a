internal import Foundation
internal import Synchronization

/// Programs that run side by side, a few at a time. Ctrl-C, and other signals that ask to end, end them all.
struct SideBySide {
    /// A program, and the file that its standard error goes to.
    struct Job {
        var command: [String]
        var errors: String
    }

    /// A program that has ended.
    struct Ending {
        /// Number of the job.
        var job: Int
        /// Its exit code; 128 + n when signal n ended it.
        var code: Int32
        var seconds: Double
    }

    private static let numbers = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]
    /// The last signal received; 0 if none. A signal handler may use only global atomics.
    private static let received = Atomic<Int32>(0)
    /// Seconds that programs have to end after they were asked to.
    private static let grace = 10.0

    /// Programs that run at the same time.
    let slots: Int

    /// Runs the jobs in order, as many at a time as there are slots, until all are done or one fails. Then, or at a signal, the
    /// others are asked to end and waited for.
    /// - Parameter ended: is told of every job that ended with exit code 0.
    /// - Returns: the first that failed; nil: all are done, or a signal came (`wasAsked`).
    func run(
        _ jobs: [Job], ended: (Ending) throws -> Void
    ) throws -> (failed: Ending?, wasAsked: Bool) {
        Self.received.store(0, ordering: .sequentiallyConsistent)
        // Whoever started this process may have blocked them.
        var set = sigset_t()
        sigemptyset(&set)
        for number in Self.numbers {
            sigaddset(&set, number)
            signal(number) { SideBySide.received.store($0, ordering: .sequentiallyConsistent) }
        }
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
        defer { for number in Self.numbers { signal(number, SIG_DFL) } }
        var running: [(job: Int, process: Process, began: Date)] = []
        defer { Self.end(running.map(\.process)) }
        var next = 0
        while next < jobs.count || !running.isEmpty {
            if Self.wasAsked { return (nil, true) }
            while next < jobs.count, running.count < max(1, slots) {
                running.append((next, try Self.start(jobs[next]), Date()))
                next += 1
            }
            Thread.sleep(forTimeInterval: 0.02)
            for entry in running where !entry.process.isRunning {
                running.removeAll { $0.job == entry.job }
                let status = entry.process.terminationStatus
                let ending = Ending(
                    job: entry.job, code: entry.process.terminationReason == .uncaughtSignal ? 128 + status : status,
                    seconds: Date().timeIntervalSince(entry.began))
                // A signal from the terminal reaches the programs too.
                if Self.wasAsked { return (nil, true) }
                guard ending.code == 0 else { return (ending, false) }
                try ended(ending)
            }
        }
        return (nil, false)
    }

    private static var wasAsked: Bool { received.load(ordering: .sequentiallyConsistent) != 0 }

    private static func start(_ job: Job) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: job.command[0])
        process.arguments = Array(job.command.dropFirst())
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        _ = FileManager.default.createFile(atPath: job.errors, contents: nil)
        guard let errors = FileHandle(forWritingAtPath: job.errors) else {
            throw Launcher.Failure(description: "\(job.errors) cannot be written")
        }
        process.standardError = errors
        do {
            try process.run()
        } catch {
            throw Launcher.Failure(description: "\(job.command[0]) could not be started")
        }
        try? errors.close()
        return process
    }

    /// Asks programs to end, waits, and kills those that do not.
    private static func end(_ processes: [Process]) {
        for process in processes where process.isRunning { process.terminate() }
        let limit = Date().addingTimeInterval(grace)
        while processes.contains(where: \.isRunning), Date() < limit { Thread.sleep(forTimeInterval: 0.02) }
        for process in processes where process.isRunning { kill(process.processIdentifier, SIGKILL) }
        for process in processes { process.waitUntilExit() }
    }
}
