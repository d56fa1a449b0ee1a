internal import ArgumentParser
internal import Schedules

/// The size and costs of a pipeline that no plan describes.
struct BarePipelineOptions: ParsableArguments {
    @Option(help: "Pipeline ranks. (default: 4)")
    var ranks: Int?

    @Option(help: "Micro-batches that pass one stage of a rank before the next (interleaved-1f1b). (default: chosen)")
    var groupSize: Int?

    @Option(help: "Forward of a rank's whole share of the model for one micro-batch. (default: 1)")
    var forward: Double?

    @Option(help: "Its input gradient. (default: 1)")
    var backwardInput: Double?

    @Option(help: "Its weight gradient. (default: 1)")
    var backwardWeight: Double?

    @Option(help: "One transfer between two ranks. (default: 0)")
    var transfer: Double?

    @Option(
        help: """
            How transfers travel: asynchronous, link (one at a time between two ranks) or blocking (the sender waits). \
            (default: asynchronous)
            """)
    var transferMode: ActionCosts.TransferMode?

    /// The options the user wrote.
    var given: [String] {
        let all: [(String, Bool)] = [
            ("--ranks", ranks != nil), ("--group-size", groupSize != nil), ("--forward", forward != nil),
            ("--backward-input", backwardInput != nil), ("--backward-weight", backwardWeight != nil),
            ("--transfer", transfer != nil), ("--transfer-mode", transferMode != nil),
        ]
        return all.filter(\.1).map(\.0)
    }

    /// - Throws: the exit code of bad input for a time that is none.
    func actionCosts(_ shape: PipelineShape) throws -> ActionCosts {
        func time(_ name: String, _ given: Double?) throws -> [Double] {
            let time = given ?? 1
            guard time > 0, time.isFinite else {
                throw Failure.input("--\(name) is \(time); an action takes a finite time above 0")
            }
            return [Double](
                repeating: time / Double(shape.virtualStages), count: shape.ranks * shape.virtualStages)
        }
        let transfer = transfer ?? 0
        guard transfer >= 0, transfer.isFinite else {
            throw Failure.input("--transfer is \(transfer); a transfer takes a finite time of at least 0")
        }
        return ActionCosts(
            forward: try time("forward", forward), backwardInput: try time("backward-input", backwardInput),
            backwardWeight: try time("backward-weight", backwardWeight), transfer: transfer,
            transferMode: transferMode ?? .asynchronous)
    }
}

extension ActionCosts.TransferMode: ExpressibleByArgument {}
