internal import ArgumentParser
internal import Plans

/// Options that count are read as the counts of files are.
extension Count: ExpressibleByArgument {
    package init?(argument: String) {
        guard let count = try? Count(parsing: argument) else { return nil }
        self = count
    }
}
