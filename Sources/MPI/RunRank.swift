internal import CMPI

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Runs one rank of a job from MPI's start to its end.
///
/// An error thrown by `body` is printed on one line, `program: rank 1: …`, and ends the whole job with
/// `exitCode(error)`, so that no other rank waits for this one for ever. Ranks above 0 wait a moment before they speak:
/// an error that every rank finds alike (a missing file) is then told once. No collective call lies between the error and
/// the job's end: the other ranks are not there to take part in it.
/// - Returns: the process's exit code, 0 (a failed rank does not return).
package func runRank(
    program: String, exitCode: (any Error) -> Int32 = { _ in 1 }, _ body: (borrowing World) throws -> Void
) -> Int32 {
    let world: World
    do {
        world = try World()
    } catch {
        // Without MPI there is no job to abort; the launcher ends the others when this process fails.
        writeToStandardError("\(program): \(oneLine("\(error)"))\n")
        exitNow(failure(exitCode(error)))
    }
    // A file that reaches its limit is an error of the write, like a full disk.
    signal(SIGXFSZ, SIG_IGN)
    do {
        try body(world)
        try world.finalize()
        return 0
    } catch {
        let rank = world.communicator.rank
        if rank > 0 { usleep(700_000 + UInt32(min(rank, 8)) * 200_000) }
        writeToStandardError("\(program): rank \(rank): \(oneLine("\(error)"))\n")
        // The launcher stops listening to a job that aborts: give it time to pass the line on.
        usleep(100_000)
        // An abort that does not come back would leave the others waiting.
        signal(SIGALRM, SIG_DFL)
        alarm(10)
        World.abort(failure(exitCode(error)))
    }
}

/// Zero would tell the launcher that all went well.
private func failure(_ code: Int32) -> Int32 { code == 0 ? 1 : code }

/// Line breaks would tear one rank's message apart among the others'.
private func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: " · ")
}

private func writeToStandardError(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
        _ = write(2, bytes.baseAddress, bytes.count)
    }
}

func exitNow(_ code: Int32) -> Never {
    _exit(code)
}

/// Has the system send this process, and mpirun that it becomes by `exec`, a signal when its parent ends.
///
/// mpirun passes SIGUSR1 on to its ranks, which it ends, and tidies up after them. SIGTERM would not do: it comes once for
/// every thread of the parent, and at the second mpirun leaves everything as it is.
/// - Returns: whether the parent is still there.
package func endWithParent() -> Bool {
    // Whoever started the launcher may have blocked signals, and a mask is inherited.
    var none = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, nil)
    let parent = getppid()
    _ = cmpi_end_with_parent(SIGUSR1)
    // It may have ended before the call.
    return getppid() == parent
}
