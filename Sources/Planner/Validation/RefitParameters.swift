package import Plans

extension Refit {
    /// Families of devices with published runs.
    private static let families = ["a100", "h100", "b200", "gb200", "gb300", "mi300x", "910b"]

    /// The constants that `validate --refit` fits: those that the files of `frameworks` mark, from the values which they
    /// give as expected without any run, and the sustained share of every family of devices.
    package init(_ frameworks: Frameworks) {
        var start: [(Parameter, Double)] = Self.families.map { (.device($0), 0.9) }
        start.append((.slowNetwork, 0.5))
        for framework in frameworks.known.values.sorted(by: { $0.name < $1.name }) {
            for constant in Framework.Constant.allCases {
                if let value = framework.fitted[constant] {
                    start.append((.framework(framework.name, constant), value))
                }
            }
        }
        self.init(start)
    }

    /// The constants that the files behind `runs` mark as fitted.
    package init(of runs: [PublishedRun]) {
        self.init(runs.lazy.compactMap(\.plan?.frameworks).first ?? Frameworks())
    }
}
