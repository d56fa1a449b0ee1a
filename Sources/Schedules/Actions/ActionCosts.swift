/// The time of every action and transfer of a schedule: all that the simulator knows about the work. All times have one
/// unit: seconds, or the ticks of a schedule without a plan.
package struct ActionCosts: Hashable, Codable, Sendable {
    /// How an activation or gradient travels between two ranks.
    package enum TransferMode: String, Hashable, Codable, Sendable, CaseIterable {
        /// Occupies no rank. Any number travel at once.
        case asynchronous
        /// Occupies no rank. Each directed pair of ranks carries one message at a time, in the order of sending.
        case link
        /// The sender's compute waits for the transfer.
        case blocking
    }

    /// Forward time of each stage.
    package var forward: [Double]
    /// Input-gradient time of each stage.
    package var backwardInput: [Double]
    /// Weight-gradient time of each stage.
    package var backwardWeight: [Double]
    /// Full-backward time of each stage; `backwardInput + backwardWeight` unless measured otherwise.
    package var backward: [Double]
    /// Time of one transfer between two different ranks.
    package var transfer: Double
    /// How activations and gradients travel.
    package var transferMode: TransferMode
    /// Time of a fused forward and backward as a fraction of their sum; 1 means no gain.
    package var fusedShare: Double

    package init(
        forward: [Double], backwardInput: [Double], backwardWeight: [Double], backward: [Double]? = nil,
        transfer: Double = 0, transferMode: TransferMode = .asynchronous, fusedShare: Double = 1
    ) {
        self.forward = forward
        self.backwardInput = backwardInput
        self.backwardWeight = backwardWeight
        self.backward = backward ?? zip(backwardInput, backwardWeight).map(+)
        self.transfer = transfer
        self.transferMode = transferMode
        self.fusedShare = fusedShare
    }
}
