internal import Synchronization

/// What a rank is at, and whether it moves on. The thread that trains writes it, the thread that watches reads it.
package final class RunProgress: Sendable {
    package enum Phase: UInt8, Hashable, Sendable {
        case starting, loading, training, saving, ending
        /// Nothing is left to watch.
        case over
    }

    /// What a training rank does.
    enum Activity: UInt8 {
        case computing, receiving, reducing
    }

    private struct Times {
        /// Seconds of the last steps, in a ring.
        var steps: [Double] = []
        var count = 0
        /// Bytes of a checkpoint, all ranks together.
        var stateBytes = 0.0
    }

    private let marks = Atomic<UInt64>(0)
    /// The phase, what a training rank does, and the rank that it waits for plus one.
    private let state = Atomic<UInt64>(0)
    private let done = Atomic<Int>(-1)
    private let times = Mutex(Times())

    package init() {}

    /// Grows whenever the rank has got on.
    var count: UInt64 { marks.load(ordering: .relaxed) }
    /// Steps done, those before this start of the run among them; -1 until its ranks train, and hear signals.
    var stepsDone: Int { done.load(ordering: .relaxed) }
    var phase: Phase { Phase(rawValue: UInt8(truncatingIfNeeded: state.load(ordering: .relaxed))) ?? .starting }

    /// The rank has got on.
    func mark() { marks.wrappingAdd(1, ordering: .relaxed) }

    /// Another part of the run begins.
    package func enter(_ phase: Phase) {
        state.store(UInt64(phase.rawValue), ordering: .relaxed)
        mark()
    }

    /// A training rank begins to do something else.
    func note(_ activity: Activity, peer: Int? = nil) {
        let place = UInt64(clamping: (peer ?? -1) + 1) << 16
        state.store(
            UInt64(Phase.training.rawValue) | UInt64(activity.rawValue) << 8 | place, ordering: .relaxed)
        mark()
    }

    /// Notes how many steps were done before this start of the run, all of whose ranks hear signals now.
    package func goesOn(after steps: Int) { done.store(steps, ordering: .relaxed) }

    /// Takes in the time of a step.
    /// - Parameter done: steps done with it.
    package func stepped(to done: Int, seconds: Double) {
        times.withLock { times in
            if times.steps.count < Self.remembered {
                times.steps.append(seconds)
            } else {
                times.steps[times.count % Self.remembered] = seconds
            }
            times.count += 1
        }
        self.done.store(done, ordering: .relaxed)
        mark()
    }

    /// Notes how much there is to save and to load.
    package func holds(stateBytes: Int) { times.withLock { $0.stateBytes = Double(stateBytes) } }

    /// Seconds without progress after which the rank counts as stalled.
    /// - Parameter stated: what the user asks for.
    func limit(stated: Double?) -> Double {
        if let stated { return stated }
        let times = times.withLock { $0 }
        guard phase == .training, times.count >= 2 else {
            return max(Self.patience, times.stateBytes / Self.slowestDisk)
        }
        let sorted = times.steps.sorted()
        return max(Self.shortest, Self.medians * sorted[sorted.count / 2])
    }

    /// What the rank is at, in words.
    var words: String {
        let state = state.load(ordering: .relaxed)
        switch phase {
        case .starting: return "while the run starts"
        case .loading: return "while the state is loaded"
        case .saving: return "while the state is saved, after step \(max(0, stepsDone))"
        case .ending: return "at the end of the run"
        case .over: return "after the run"
        case .training: break
        }
        let step = "in step \(max(0, stepsDone) + 1)"
        switch Activity(rawValue: UInt8(truncatingIfNeeded: state >> 8)) {
        case .receiving where state >> 16 > 0: return step + ", waiting for a message from rank \((state >> 16) - 1)"
        case .receiving: return step + ", waiting for a message"
        case .reducing: return step + ", waiting for what all ranks do together at its end"
        case .computing, nil: return step + ", computing or waiting for the ranks that compute with it"
        }
    }

    /// Steps whose times are remembered.
    private static let remembered = 64
    /// The limit while a run trains: so many median steps, and at least so many seconds.
    private static let medians = 10.0
    private static let shortest = 60.0
    /// The limit while a run starts, saves and loads: so many seconds, or the time at so many bytes a second.
    private static let patience = 600.0
    private static let slowestDisk = 10e6
}
