internal import ArgumentParser
internal import Plans
internal import Reading

/// Options that count are read as the counts of files are.
extension Count: ExpressibleByArgument {}
