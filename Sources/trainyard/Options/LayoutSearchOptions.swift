internal import ArgumentParser
internal import Planner
internal import Schedules

/// The options of all commands that choose a layout: schedules and software.
struct LayoutSearchOptions: ParsableArguments {
    @Option(help: "Schedules to try, with commas: 1f1b,zbv …; those the plan's software has if left out.")
    var schedules: String?

    @Flag(help: "Try layouts that the plan's software cannot run, too.")
    var anySoftware = false

    func apply(to space: inout SearchSpace) throws {
        space.anySoftware = anySoftware
        if let schedules {
            space.schedules = try words(schedules, "--schedules", ScheduleName.allCases.map(\.rawValue)) {
                ScheduleName(named: $0)
            }
        }
    }

    /// The settings of a search with these options alone.
    func settings() throws -> SearchSettings {
        var settings = SearchSettings()
        try apply(to: &settings.space)
        return settings
    }
}
