internal import Numbers

/// Why no law can be fitted to the points, with the points that are needed.
package enum FitRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// Fewer points than the constants need.
    case tooFew(points: Int, needed: Int, constants: Int)
    /// Fewer different sizes than α needs to be told from E.
    case fewSizes(Int, needed: Int)
    /// Fewer different numbers of tokens than β needs to be told from E.
    case fewTokens(Int, needed: Int)
    /// Sizes that differ by a smaller factor than a fit needs.
    case sizesAlike(factor: Double)
    /// Numbers of tokens that differ by a smaller factor than a fit needs.
    case tokensAlike(factor: Double)
    /// The number of tokens follows from the size, by D ∝ N^`power`, so that A/N^α and B/D^β cannot be told apart.
    case tokensFollowSize(power: Double)
    /// A point has a figure that is not finite or not above zero.
    case unusable(point: Int)
    /// No law of this form comes near the points.
    case noFit
    /// Losses do not fall with more of it, so that no split of a budget is best.
    case doesNotFall(with: String)

    /// The least exponent of a loss that falls: twice as much of it makes at least 0.07 % of its term.
    static let leastExponent = 1e-3

    /// The least factor between the smallest and the largest size, and between tokens.
    static let leastFactor = 2.0

    package var description: String {
        switch self {
        case .tooFew(let points, let needed, let constants):
            "\(Self.points(points)) cannot fix \(constants) constants: at least \(needed) are needed, \(needed - points) more; "
                + "3 sizes × 3 numbers of tokens are a good start"
        case .fewSizes(let found, let needed):
            "the points have \(Self.kinds(found, "size")): at least \(needed) different ones are needed to tell α and E apart, so "
                + "train \(needed - found) more"
        case .fewTokens(let found, let needed):
            "the points have \(Self.kinds(found, "number")) of tokens: at least \(needed) different ones are needed to tell β and "
                + "E apart, so train \(needed - found) more"
                + (needed == 3 ? ", or take one exponent for both (--tie-exponents)" : "")
        case .sizesAlike(let factor):
            "the largest model has \(Figures.significant(factor)) × the parameters of the smallest: at least "
                + "\(Figures.plain(Self.leastFactor)) × is needed, and 10 × is better"
        case .tokensAlike(let factor):
            "the longest run has \(Figures.significant(factor)) × the tokens of the shortest: at least "
                + "\(Figures.plain(Self.leastFactor)) × is needed, and 10 × is better"
        case .tokensFollowSize(let power):
            "tokens follow from the size in all points (\(Self.relation(power))), so that A/N^α and B/D^β cannot be told "
                + "apart: train at least 3 of the sizes on twice or half the tokens too"
        case .unusable(let point):
            "point \(point + 1): parameters, tokens and loss must be finite and above zero"
        case .doesNotFall(let what):
            "losses do not fall with more \(what) in these points, so that no split of a budget is best; is a column mistaken "
                + "for another?"
        case .noFit: "no law E + A/N^α + B/D^β comes near the points; is a column mistaken for another?"
        }
    }

    private static func points(_ count: Int) -> String { count == 1 ? "1 point" : "\(count) points" }

    private static func kinds(_ count: Int, _ noun: String) -> String {
        count == 1 ? "one \(noun)" : "\(count) \(noun)s"
    }

    private static func relation(_ power: Double) -> String {
        if abs(power - 1) < 0.05 { return "the same tokens a parameter" }
        if abs(power + 1) < 0.05 { return "one budget of 6·N·D" }
        return "D ∝ N^\(Figures.significant(power))"
    }
}
