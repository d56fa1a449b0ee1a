package import Campaigns
internal import Numbers

/// The runs of a ladder before they are trained.
package struct LadderListing {
    /// A run and its size.
    package struct Entry: Hashable, Codable, Sendable {
        package var name: String
        package var parameters: Int
        package var tokens: Int
        package var flops: Double

        /// - Parameter flops: of the run's forward and backward passes.
        package init(_ run: LadderRun, parameters: Int, tokens: Int, flops: Double) {
            (name, self.parameters, self.tokens, self.flops) = (run.name, parameters, tokens, flops)
        }
    }

    private let entries: [Entry]

    package init(_ entries: [Entry]) { self.entries = entries }

    package func json() throws -> String { try JSONDocument.text(entries) }

    package func text() -> String {
        let rows = entries.map {
            [$0.name, Figures.grouped($0.parameters), Figures.grouped($0.tokens), Figures.significant($0.flops / 1e12)]
        }
        let total = entries.reduce(0) { $0 + $1.flops }
        return
            (Table(head: ["run", "parameters", "tokens", "TFLOP"], rows: rows).lines() + [
                "  \(entries.count) runs, \(Figures.significant(total / 1e12)) TFLOP: "
                    + "\(Figures.significant(total / 30e9 / 60)) minutes of one core at 30 GFLOP/s"
            ]).joined(separator: "\n")
    }
}
