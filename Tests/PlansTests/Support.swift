import Plans
import Reading
import TestSupport

/// Reads plans that tests write out in full.
enum PlanText {
    /// The plan `text` describes.
    static func read(_ text: String, devices: Int? = nil) throws(PlanProblems) -> Plan {
        try Plan.read(text: text, path: "plan.yaml", devices: devices, library: Checkout.library)
    }

    /// The problems `text` has, one line each.
    static func problems(_ text: String, devices: Int? = nil) -> [String] {
        do throws(PlanProblems) {
            _ = try read(text, devices: devices)
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }
}
