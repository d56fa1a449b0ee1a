internal import Numbers

/// Published figures of models that answer beside our own.
package struct ServingComparison: Sendable {
    /// One figure.
    package struct Row: Sendable {
        package var figure: ServingFigure
        /// nil: there is no answer; `obstacle` says why.
        package var ours: Double?
        package var obstacle: String?

        /// How far ours is off: ours over the published one, less 1.
        package var error: Double? { ours.map { $0 / figure.published - 1 } }
    }

    package let rows: [Row]

    /// Predicts every figure with the degrees that its source states. That it was published shows that it fits.
    package init(_ figures: [ServingFigure]) {
        rows = figures.map { figure in
            do throws(ServingError) {
                let estimate = try figure.question.estimate(ignoringMemory: true)
                return Row(figure: figure, ours: figure.kind.value(estimate))
            } catch {
                return Row(figure: figure, obstacle: error.description)
            }
        }
    }

    /// Titles of the sources, in the order of the table.
    package var sources: [String] {
        var seen: Set<String> = []
        return rows.map(\.figure.source).filter { seen.insert($0).inserted }
    }

    /// The median of the errors' sizes; nil: there is none.
    package func medianError(of source: String? = nil) -> Double? {
        Self.median(rows.filter { source == nil || $0.figure.source == source }.compactMap(\.error).map(abs))
    }

    /// The median over sources of their medians, so that a long table counts no more than a short one.
    package var medianOfSources: Double? { Self.median(sources.compactMap { medianError(of: $0) }) }

    private static func median(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : Quantiles(values).at(0.5)
    }
}
