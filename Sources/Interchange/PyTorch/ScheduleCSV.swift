package import Schedules

/// Writes a pipeline's action lists as the CSV of PyTorch's pipeline runtime (`torch.distributed.pipelining`, the
/// `compute_only` format): a row a rank, a cell an action, and an empty cell where a rank waits.
package enum ScheduleCSV {
    /// Why a schedule has no such CSV.
    package enum Reason: Error, Hashable {
        /// A stage lives on two ranks.
        case stageOnTwoRanks
        /// The ranks divide the vocabulary, whose passes PyTorch does not know.
        case vocabulary

        package var words: String {
            switch self {
            case .stageOnTwoRanks: "PyTorch's runtime keeps each stage on one rank"
            case .vocabulary: "PyTorch's runtime has no passes of a divided output layer"
            }
        }
    }

    /// The rows of `schedule`.
    package static func text(_ schedule: Schedule) throws(Reason) -> String {
        if schedule.placement.reverseStageToRank != nil { throw .stageOnTwoRanks }
        if schedule.vocabulary != nil { throw .vocabulary }
        let rows = schedule.actions.map { $0.map(\.description).joined(separator: ",") }
        return rows.joined(separator: "\n") + "\n"
    }
}
