import Foundation
import TestSupport

@testable import Plans

/// Reads plans that tests write out in full.
enum PlanText {
    /// The plan `text` describes, read from a file of its own.
    static func read(_ text: String, name: String = "plan.yaml", devices: Int? = nil) throws(PlanProblems) -> Plan {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("plans-tests-\(UUID().uuidString)")
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent(name).path
        try? Data(text.utf8).write(to: URL(fileURLWithPath: path))
        do throws(PlanProblems) {
            return try Plan.read(path: path, devices: devices, library: Checkout.library)
        } catch {
            // The folder's random name is no part of what is tested.
            throw PlanProblems(
                error.problems.map { problem in
                    var named = problem
                    if problem.file == path { named.file = name }
                    return named
                })
        }
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
