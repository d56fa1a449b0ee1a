internal import Foundation

/// Whether points tell enough about a law: how many there are, and how far apart.
enum PointSpread {
    /// Values nearer than this factor count as one.
    private static let same = 1.05
    /// The spread of ln D around the line through ln N that a fit needs: a factor of 1.1 either way.
    private static let leastScatter = 0.1

    /// - Throws: why the points are too few or too alike for a fit.
    static func check(_ points: [LossPoint], settings: FitSettings) throws(FitRefusal) {
        if let index = points.firstIndex(where: { !$0.isUsable }) { throw .unusable(point: index) }
        // Two more than constants, so that residuals say something.
        let needed = settings.constants + 2
        guard points.count >= needed else {
            throw .tooFew(points: points.count, needed: needed, constants: settings.constants)
        }
        let (sizes, tokens) = (points.map(\.parameters), points.map(\.tokens))
        // A power and a constant take three values; where β is α, two numbers of tokens tell B and E apart.
        let neededTokens = settings.tiesExponents ? 2 : 3
        guard kinds(sizes) >= 3 else { throw .fewSizes(kinds(sizes), needed: 3) }
        guard kinds(tokens) >= neededTokens else { throw .fewTokens(kinds(tokens), needed: neededTokens) }
        guard factor(sizes) >= FitRefusal.leastFactor else { throw .sizesAlike(factor: factor(sizes)) }
        guard factor(tokens) >= FitRefusal.leastFactor else { throw .tokensAlike(factor: factor(tokens)) }
        let line = line(sizes.map(log), tokens.map(log))
        guard line.scatter >= leastScatter else { throw .tokensFollowSize(power: line.slope) }
    }

    private static func factor(_ values: [Double]) -> Double {
        guard let least = values.min(), let most = values.max() else { return 1 }
        return most / least
    }

    /// Values of which none is within `same` of the one before.
    private static func kinds(_ values: [Double]) -> Int {
        var last = 0.0
        var count = 0
        for value in values.sorted() where value > same * last { (last, count) = (value, count + 1) }
        return count
    }

    /// Slope of the line of least squares, and the standard deviation of y around it.
    private static func line(_ x: [Double], _ y: [Double]) -> (slope: Double, scatter: Double) {
        let count = Double(max(1, x.count))
        let (meanX, meanY) = (x.reduce(0, +) / count, y.reduce(0, +) / count)
        var (xx, xy, yy) = (0.0, 0.0, 0.0)
        for (a, b) in zip(x, y) {
            xx += (a - meanX) * (a - meanX)
            xy += (a - meanX) * (b - meanY)
            yy += (b - meanY) * (b - meanY)
        }
        guard xx > 0 else { return (0, (yy / count).squareRoot()) }
        return (xy / xx, (max(0, yy - xy * xy / xx) / count).squareRoot())
    }
}
