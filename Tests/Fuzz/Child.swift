import Foundation

/// A program started from here, watched by its processor time.
struct Child {
    /// How it ended.
    struct Ending {
        /// Exit code, nil where a signal ended it.
        var code: Int32?
        var signal: Int32?
        /// Seconds of processor time, user and system, of all its threads.
        var seconds: Double
    }

    let process: pid_t

    /// - Parameters:
    ///   - output, errors: files for what it says; nil: this process's own.
    ///   - trace: whether a trap says where it happened.
    init?(_ program: String, _ arguments: [String], output: String? = nil, errors: String? = nil, trace: Bool = false) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for (descriptor, file) in [(Int32(1), output), (Int32(2), errors)] {
            guard let file else { continue }
            posix_spawn_file_actions_addopen(&actions, descriptor, file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        }
        // A trap need not print a page about itself.
        var environment = ProcessInfo.processInfo.environment
        if !trace { environment["SWIFT_BACKTRACE"] = "enable=no" }
        var words = ([program] + arguments).map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for word in words + variables { free(word) } }
        var process = pid_t()
        guard posix_spawn(&process, program, &actions, nil, &words, &variables) == 0 else { return nil }
        self.process = process
    }

    /// Processor time so far.
    var seconds: Double {
        var clock = clockid_t()
        var time = timespec()
        guard clock_getcpuclockid(process, &clock) == 0, clock_gettime(clock, &time) == 0 else { return 0 }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    func kill() { Foundation.kill(process, SIGKILL) }

    /// The ending, nil while it runs.
    func ending(waits: Bool) -> Ending? {
        var status = Int32(0)
        var usage = rusage()
        guard wait4(process, &status, waits ? 0 : WNOHANG, &usage) == process else { return nil }
        let times = [usage.ru_utime, usage.ru_stime].map { Double($0.tv_sec) + Double($0.tv_usec) / 1e6 }
        let signal = status & 0x7F
        return Ending(
            code: signal == 0 ? status >> 8 & 0xFF : nil, signal: signal == 0 ? nil : signal,
            seconds: times.reduce(0, +))
    }
}
