import Interchange
import Reading
import TestSupport

/// A file of another tool, and what an import makes of it.
struct ForeignFile {
    var format: ImportFormat
    var text: String
    var name = "run.yaml"

    func read(devices: Int? = nil, cluster: String? = nil, vocab: Int? = nil) throws(PlanProblems) -> ImportedPlan {
        try format.read(
            text: text, path: name, request: ImportRequest(devices: devices, cluster: cluster, vocab: vocab),
            library: Checkout.library)
    }

    func problems(devices: Int? = nil) -> [String] {
        do throws(PlanProblems) {
            _ = try read(devices: devices)
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    /// The file with one text in place of another, which stands in it once.
    func replacing(_ old: String, _ new: String) -> ForeignFile {
        ForeignFile(format: format, text: text.replacing(old, with: new), name: name)
    }
}
