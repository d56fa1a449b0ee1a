internal import ArgumentParser
internal import Plans
internal import Reading

/// Options that count are read as the counts of files are.
extension Count: ExpressibleByArgument {}

/// - Throws: one line that names the option and what it takes, for a number outside `range`.
func check(_ option: String, _ count: Count?, in range: ClosedRange<Int>) throws(ValidationError) {
    guard let value = count?.value, !range.contains(value) else { return }
    throw ValidationError(
        "\(option) takes \(Wording.grouped(range.lowerBound)) to "
            + "\(Wording.grouped(range.upperBound)), not \(Wording.grouped(value))")
}
