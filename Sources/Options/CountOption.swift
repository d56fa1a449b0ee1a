package import ArgumentParser
internal import Numbers
package import Reading

/// Options that count take what the counts of plan files take: `1024`, `1K`, `4,096`.
extension Count: ExpressibleByArgument {}

/// - Throws: one line that names the option and what it takes, for a number outside `range`.
package func check(_ option: String, _ count: Count?, in range: ClosedRange<Int>) throws(ValidationError) {
    guard let value = count?.value, !range.contains(value) else { return }
    throw ValidationError(
        "\(option) takes \(Figures.grouped(range.lowerBound)) to "
            + "\(Figures.grouped(range.upperBound)), not \(Figures.grouped(value))")
}
