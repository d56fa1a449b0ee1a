internal import Numbers
import Reading

/// The devices of a run of MaxText, and how many of them each axis of its mesh has.
struct MaxTextMesh {
    /// Degrees by axis, within and between slices together.
    private(set) var degrees: [String: Int] = [:]
    private(set) var devices = 1

    /// Axes that do not multiply the devices of one copy of the run.
    private static let axes = [
        "diloco", "data", "pipeline", "fsdp", "fsdp_transpose", "sequence", "context", "context_usp_ulysses",
        "context_autoregressive", "tensor", "tensor_transpose", "tensor_sequence", "expert", "autoregressive",
    ]

    /// Chips of a named topology: `v5e-256` counts chips, `v4-128` and `v5p-128` cores, of which a chip has two.
    private static func chips(_ topology: String) -> (cluster: String, chips: Int)? {
        let parts = topology.split(separator: "-")
        guard parts.count == 2, let count = Int(parts[1]), count > 0 else { return nil }
        switch parts[0] {
        case "v4": return ("tpu-v4", max(1, count / 2))
        case "v5p": return ("tpu-v5p", max(1, count / 2))
        case "v5e", "v5litepod": return ("tpu-v5e", count)
        case "v6e": return ("tpu-v6e", count)
        default: return nil
        }
    }

    /// - Returns: nil: a problem was reported.
    init?(reader: SettingsReader, devices requested: Int?, draft: inout PlanDraft) {
        var inside: [String: Int] = [:]
        var between: [String: Int] = [:]
        for axis in Self.axes {
            let name = "ici_\(axis)_parallelism"
            inside[axis] = reader.count(name, in: -1...10_000_000) ?? (axis == "fsdp" ? -1 : 1)
            between[axis] = reader.count("dcn_\(axis)_parallelism", in: -1...10_000_000) ?? (axis == "data" ? -1 : 1)
        }
        for axis in ["diloco", "autoregressive", "context_autoregressive"] where inside[axis] != 1 || between[axis] != 1
        {
            reader.fail(
                inside[axis] != 1 ? "ici_\(axis)_parallelism" : "dcn_\(axis)_parallelism",
                "is no axis that a plan can say", fix: "1")
            return nil
        }
        var slices = reader.count("num_slices", in: -1...1_000_000) ?? -1
        let compiled = reader.count("compile_topology_num_slices", in: -1...1_000_000) ?? -1
        if slices < 1 { slices = compiled }
        let topology = reader.word("compile_topology").flatMap(Self.chips)
        if let topology { draft.set("cluster", .word(topology.cluster), from: reader.place("compile_topology")) }
        var total = requested
        if total == nil, let topology {
            let (product, overflow) = topology.chips.multipliedReportingOverflow(by: max(1, slices))
            if !overflow { total = product }
        }
        if topology == nil, reader.word("hardware") ?? "tpu" == "tpu" {
            draft.infer(
                "cluster", .word("tpu-v5p"),
                because: "hardware is tpu, and the file names no chips; say which with --cluster")
        }
        guard let outer = Self.product(between), let inner = Self.product(inside) else {
            reader.misfit("ici_fsdp_parallelism", "and the other axes make more ranks than there are devices anywhere")
            return nil
        }
        let hasRest = (inside.values.contains(-1), between.values.contains(-1))
        // Without a number of slices, what lies between them is one slice, unless an axis says more.
        let groups = slices > 0 ? slices : outer
        if hasRest.0 || hasRest.1, total == nil {
            draft.note(
                "devices \(inner * groups): axes of −1 take what is left, and the file does not say how many devices there are; say it with --devices"
            )
        }
        let all = total ?? (inner * groups)
        guard all % groups == 0 else {
            reader.misfit("num_slices", "\(groups) slices do not share \(all) devices equally", fix: "say --devices")
            return nil
        }
        guard Self.fill(&between, to: groups, reader, "dcn"), Self.fill(&inside, to: all / groups, reader, "ici") else {
            return nil
        }
        for axis in Self.axes { degrees[axis] = (inside[axis] ?? 1) * (between[axis] ?? 1) }
        devices = all
    }

    private static func product(_ degrees: [String: Int]) -> Int? {
        Int.product(degrees.values.filter { $0 > 0 }).flatMap { $0 <= 10_000_000 ? $0 : nil }
    }

    /// Gives the axis of −1 what is left of `total`.
    private static func fill(
        _ degrees: inout [String: Int], to total: Int, _ reader: SettingsReader, _ prefix: String
    ) -> Bool {
        let open = degrees.filter { $0.value < 1 }.keys.sorted()
        guard let used = product(degrees) else { return false }
        let name = "\(prefix)_\(open.first ?? (prefix == "ici" ? "fsdp" : "data"))_parallelism"
        if open.count > 1 {
            reader.fail(name, "and \(prefix)_\(open[1])_parallelism are both −1", fix: "give one of them a number")
            return false
        }
        guard total % used == 0 else {
            reader.misfit(
                name, "the axes make \(used) ranks, which do not divide \(total) devices", fix: "say --devices")
            return false
        }
        if let axis = open.first {
            degrees[axis] = total / used
        } else if used != total {
            reader.misfit(name, "the axes make \(used) ranks for \(total) devices", fix: "say --devices \(used)")
            return false
        }
        return true
    }
}
