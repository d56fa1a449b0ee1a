internal import Costs
internal import Foundation
internal import Interchange
internal import Output
internal import Plans
internal import Reading

/// Reads plan files, and writes answers as such.
enum PlanFile {
    /// Reads the plan at `path`, which is added to `files`.
    /// - Throws: its problems; of a configuration of another tool the one that it is no plan.
    static func read(_ path: String, devices: Int? = nil, files: inout ReadFiles) throws(PlanProblems) -> Plan {
        do {
            return try Plan.read(path: path, devices: devices, files: &files)
        } catch {
            guard let text = try? YAMLFile.text(path: path), let format = ImportFormat.ofForeign(text: text, name: path)
            else { throw error }
            let file = ShellQuoting.quoted(path)
            throw PlanProblems([
                PlanProblem(
                    file: path, field: "", rule: "is a configuration of \(format.tool), and no plan",
                    fix: "`trainyard import \(file) --out plan.yaml` makes one of it")
            ])
        }
    }

    /// Writes the plan of `estimate`, with its layout, to `path`.
    static func write(_ estimate: Estimate, to path: String) throws {
        var plan = estimate.plan
        plan.layout = estimate.layout
        try OutputFile.write(plan.yaml(library: .standard(besides: path)), to: path)
    }
}
