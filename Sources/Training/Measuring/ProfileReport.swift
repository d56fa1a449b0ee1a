internal import Foundation
package import MPI

extension Profile {
    /// The time of all ranks by kernel and by communication as a table, where a rank's `steps` took `seconds`. Every rank
    /// calls it; only rank 0 gets the table.
    package func report(_ world: Communicator, seconds: Double, steps: Int) throws(MPIError) -> String? {
        let all = try world.allGather(self.seconds + [seconds])
        guard world.rank == 0 else { return nil }
        let width = Part.allCases.count + 1
        /// Seconds a step of every rank.
        func column(_ index: Int) -> [Double] {
            stride(from: index, to: all.count, by: width).map { all[$0] / Double(max(steps, 1)) }
        }
        let whole = column(width - 1)
        let mean = whole.reduce(0, +) / Double(whole.count)
        var lines = [
            "Where a step's time goes: \(steps) steps, mean of \(world.size) rank\(world.size == 1 ? "" : "s")",
            "                                         ms   share  least and most by rank",
        ]
        func line(_ title: String, _ values: [Double]) {
            let average = values.reduce(0, +) / Double(values.count)
            let name = title.padding(toLength: 34, withPad: " ", startingAt: 0)
            let share = mean > 0 ? 100 * average / mean : 0
            lines.append(
                "  " + name
                    + String(
                        format: "%8.2f %6.1f %%  %.2f to %.2f", average * 1e3, share, (values.min() ?? 0) * 1e3,
                        (values.max() ?? 0) * 1e3))
        }
        for communicates in [false, true] {
            lines.append(communicates ? "communication" : "compute")
            for part in Part.allCases where part.isCommunication == communicates {
                let values = column(part.rawValue)
                if values.contains(where: { $0 > 0 }) { line(part.title, values) }
            }
        }
        let booked = (0..<world.size).map { rank in
            Part.allCases.reduce(0) { $0 + column($1.rawValue)[rank] }
        }
        lines.append("rest")
        line("waiting for the last rank, norm", zip(whole, booked).map { max(0, $0 - $1) })
        return lines.joined(separator: "\n")
    }
}
