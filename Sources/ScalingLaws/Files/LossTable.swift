internal import Foundation
package import Reading

/// Finished runs as a table in a file: a line of column names, then a run a line, separated by commas, semicolons or tabs.
///
/// Columns are found by name in any order; those of other names are passed over. `parameters`, `tokens` and `loss` are
/// needed, or `flops` (6·N·D) in place of parameters or tokens.
package struct LossTable: Hashable, Sendable {
    /// Runs to fit.
    package var points: [LossPoint] = []
    /// Runs whose `role` is `held`: not fitted, compared with the prediction.
    package var held: [LossPoint] = []

    package init() {}

    /// The unit of a table's losses.
    package enum Unit: String, Hashable, Sendable, CaseIterable {
        case nats, bits

        /// Nats of one.
        var nats: Double { self == .nats ? 1 : log(2) }
    }

    /// Most runs of a table.
    private static let most = 100_000

    /// Reads the table at `path`.
    /// - Parameter unit: of the losses; nil: nats, unless the table says or looks otherwise, which is asked about.
    /// - Throws: all problems of the file, with line, column and the name of the column.
    package static func read(path: String, unit: Unit?, files: inout ReadFiles) throws(PlanProblems) -> LossTable {
        let text = try YAMLFile.text(path: path, files: &files)
        return try LossTable(text, file: path, unit: unit)
    }

    /// - Parameter file: its name in messages.
    package init(_ text: String, file: String, unit: Unit?) throws(PlanProblems) {
        var rows = LossTableRows(text)
        guard let head = rows.next() else {
            throw PlanProblems([
                PlanProblem(
                    file: file, field: "", rule: "is empty", fix: "begin with a line such as parameters,tokens,loss")
            ])
        }
        let columns = try LossTableColumns(head, file: file, unit: unit)
        var problems: [PlanProblem] = []
        while let row = rows.next() {
            guard points.count + held.count < Self.most else {
                problems.append(PlanProblem(file: file, line: row.line, field: "", rule: "takes at most 100,000 runs"))
                break
            }
            guard let (point, isHeld) = columns.point(row, problems: &problems) else {
                // A file of another kind is not told line by line.
                if problems.count >= 20 { break }
                continue
            }
            if isHeld { held.append(point) } else { points.append(point) }
        }
        if problems.isEmpty, points.isEmpty {
            problems.append(
                PlanProblem(
                    file: file, field: "",
                    rule: held.isEmpty ? "has no run behind its column names" : "holds all of its runs back",
                    fix: held.isEmpty ? "write a line for each finished run" : "leave role empty in the runs to fit"))
        }
        guard problems.isEmpty else { throw PlanProblems(problems) }
    }
}
