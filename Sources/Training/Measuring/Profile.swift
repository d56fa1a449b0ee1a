/// Seconds by kind of kernel and by kind of communication. A measurement is two readings of the clock and allocates nothing.
/// While the profile is off it is one comparison.
package final class Profile {
    /// A kind of kernel or of communication.
    package enum Part: Int, CaseIterable, Sendable {
        case reading, matrixProducts, attention, norms, activations, embedding, loss, router, optimizer
        case tensorTransfers, contextTransfers, expertTransfers, dataTransfers, pipelineWaits

        /// The row's title in the table.
        package var title: String {
            switch self {
            case .reading: "reading tokens"
            case .matrixProducts: "matrix products"
            case .attention: "attention"
            case .norms: "norms and residuals"
            case .activations: "activations"
            case .embedding: "embedding"
            case .loss: "cross-entropy"
            case .router: "expert routing"
            case .optimizer: "optimizer"
            case .tensorTransfers: "tensor-parallel sums and gathers"
            case .contextTransfers: "context-parallel ring"
            case .expertTransfers: "expert-parallel exchanges"
            case .dataTransfers: "gradient reduction, sharding"
            case .pipelineWaits: "pipeline messages and waiting"
            }
        }

        package var isCommunication: Bool { rawValue >= Part.tensorTransfers.rawValue }

        /// Whether the timeline shows this communication inside the pass it holds up. Messages between stages have spans of
        /// their own.
        var isPartOfAPass: Bool { isCommunication && self != .pipelineWaits }
    }

    package var isOn: Bool
    /// The timeline that gets the communication inside a forward or backward.
    var recorder: TimelineRecorder?
    private(set) package var seconds = [Double](repeating: 0, count: Part.allCases.count)

    package init(isOn: Bool = false) { self.isOn = isOn }

    package func clear() { for index in seconds.indices { seconds[index] = 0 } }

    /// Adds the time since `start`, a reading of `MonotonicClock`, to `part`.
    func add(_ part: Part, since start: Double) {
        if isOn { seconds[part.rawValue] += MonotonicClock.seconds() - start }
        if part.isPartOfAPass { recorder?.recordPart(since: start) }
    }

    /// Runs `body` and adds its time to `part`.
    @inline(__always)
    func measure<Result, Failure: Error>(
        _ part: Part, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard isOn || part.isPartOfAPass else { return try body() }
        let start = MonotonicClock.seconds()
        let result = try body()
        add(part, since: start)
        return result
    }
}
