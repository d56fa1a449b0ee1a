internal import Dispatch

/// Results of `body` for every index below `count`, computed on all cores.
/// - Parameter threads: at most so many at once; nil: as many as there are cores.
package func parallelMap<Result: Sendable>(
    _ count: Int, threads: Int?, _ body: @Sendable (Int) -> Result
) -> [Result] {
    guard count > 0 else { return [] }
    // More chunks than cores even out items that take different times.
    let chunks = threads == 1 ? 1 : min(count, threads ?? 64)
    return Array(unsafeUninitializedCapacity: count) { buffer, initialized in
        nonisolated(unsafe) let base = buffer.baseAddress
        DispatchQueue.concurrentPerform(iterations: chunks) { chunk in
            for index in (count * chunk / chunks)..<(count * (chunk + 1) / chunks) {
                base.map { ($0 + index).initialize(to: body(index)) }
            }
        }
        initialized = count
    }
}
