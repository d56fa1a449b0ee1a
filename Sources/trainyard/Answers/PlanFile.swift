internal import Costs
internal import Output
internal import Plans
internal import Reading

/// Writes answers as plan files.
enum PlanFile {
    /// Writes the plan of `estimate`, with its layout, to `path`.
    static func write(_ estimate: Estimate, to path: String) throws {
        var plan = estimate.plan
        plan.layout = estimate.layout
        try OutputFile.write(plan.yaml(library: .standard(besides: path)), to: path)
    }
}
