/// How a law is fitted.
package struct FitSettings: Hashable, Sendable {
    /// What a bootstrap draws anew.
    package enum Resampling: String, Hashable, Codable, Sendable, CaseIterable {
        /// The points, with replacement, as Besiroglu et al. (2024) do. For many points.
        case points
        /// The residuals, which are added to the fitted losses of the same sizes and tokens. For few points that were
        /// chosen with care: without one of them the rest may say nothing.
        case residuals
    }

    /// Residuals of the log loss beyond which a point counts linearly, not squared: Huber's δ. 10⁻³ as Hoffmann et al.
    /// (2022, appendix D.3).
    package var delta = 1e-3
    /// Bootstraps behind every interval.
    package var resamples = 1_000
    /// Share of the bootstraps inside an interval.
    package var confidence = 0.9
    /// The same seed gives the same digits.
    package var seed = 1
    /// Whether α and β are one exponent, as Muennighoff et al. (2023, appendix A) take them. One constant less to find.
    package var tiesExponents = false
    /// nil: `residuals` below 30 points, else `points`.
    package var resampling: Resampling?
    /// Threads; nil: as many as there are cores.
    package var threads: Int?

    package init() {}

    /// Constants that a fit finds.
    package var constants: Int { tiesExponents ? 4 : 5 }

    /// Points below which residuals are drawn.
    private static let fewPoints = 30

    func resampling(of points: Int) -> Resampling { resampling ?? (points < Self.fewPoints ? .residuals : .points) }
}
