/// A layout that leaves its schedule to the planner.
package struct OpenSchedule: Hashable, Codable, Sendable {
    /// Stages a rank must hold; nil leaves them open too.
    package var virtualStages: Int?

    package init(virtualStages: Int?) { self.virtualStages = virtualStages }
}
