/// The open schedule of a layout with `schedule: auto`, which the planner chooses.
package struct OpenSchedule: Hashable, Codable, Sendable {
    /// Stages that a rank must hold. nil: open too.
    package var virtualStages: Int?

    package init(virtualStages: Int?) { self.virtualStages = virtualStages }
}
