import Plans
import Reading
import TestSupport
import Testing

import Interchange

/// What an import or its refusal gives.
enum Imported {
    /// The plan of a file's text.
    static func plan(
        _ text: String, _ format: ImportFormat, devices: Int? = nil, model: String? = nil, path: String = "run.conf"
    ) throws -> ImportedPlan {
        let request = ImportRequest(devices: devices, model: model)
        return try format.read(text: text, path: path, request: request, library: Checkout.library)
    }

    /// Problems of a file's text, as they are printed.
    static func problems(
        _ text: String, _ format: ImportFormat, devices: Int? = nil, model: String? = nil, path: String = "run.conf"
    ) -> [String] {
        do {
            _ = try plan(text, format, devices: devices, model: model, path: path)
            return []
        } catch let error as PlanProblems {
            return error.problems.map(\.description)
        } catch {
            return ["\(error)"]
        }
    }
}
