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
    /// Time of a message from each stage to the next, or back, if messages take unlike times; nil: `transfer`, if the
    /// stages are on different ranks.
    package var transfers: [Double]?
    /// How activations and gradients travel.
    package var transferMode: TransferMode
    /// Time of a fused forward and backward as a fraction of their sum; 1 means no gain.
    package var fusedShare: Double
    /// Times of a divided output layer; nil: the last stage runs all of it.
    package var vocabulary: Vocabulary?

    package init(
        forward: [Double], backwardInput: [Double], backwardWeight: [Double], backward: [Double]? = nil,
        transfer: Double = 0, transferMode: TransferMode = .asynchronous, fusedShare: Double = 1,
        vocabulary: Vocabulary? = nil
    ) {
        self.forward = forward
        self.backwardInput = backwardInput
        self.backwardWeight = backwardWeight
        self.backward = backward ?? zip(backwardInput, backwardWeight).map(+)
        self.transfer = transfer
        self.transferMode = transferMode
        self.fusedShare = fusedShare
        self.vocabulary = vocabulary
    }
}

extension ActionCosts {
    /// Times of the passes of an output layer that all ranks divide, and of the exchanges between them. An exchange occupies
    /// no rank.
    package struct Vocabulary: Hashable, Codable, Sendable {
        /// S on each rank.
        package var softmax: Double
        /// T on each rank.
        package var gradient: Double
        /// From the end of the last stage's forward to its output on all ranks.
        package var broadcast: Double
        /// The exchange after S: the sums of the softmax, and with Vocab-2 the gradients of the input.
        package var firstBarrier: Double
        /// The exchange after T, with Vocab-1: the gradients of the input.
        package var secondBarrier: Double

        package init(
            softmax: Double, gradient: Double, broadcast: Double = 0, firstBarrier: Double = 0,
            secondBarrier: Double = 0
        ) {
            self.softmax = softmax
            self.gradient = gradient
            self.broadcast = broadcast
            self.firstBarrier = firstBarrier
            self.secondBarrier = secondBarrier
        }

        /// S and T with their durations, and exchanges that take no time.
        package var withoutExchanges: Vocabulary { Vocabulary(softmax: softmax, gradient: gradient) }
    }

    /// Time of a message between two neighbouring stages on different ranks.
    package func transfer(between stage: Int, _ other: Int) -> Double { transfers?[min(stage, other)] ?? transfer }
}
