internal import Models
internal import Reading

/// Reads what a layout says about the blocks that are recomputed.
enum RecomputeReading {
    /// Megatron-LM's `--recompute-method`.
    private enum Method: String, CaseIterable {
        case uniform, block
    }

    /// Reads `recomputeModules`.
    static func modules(_ reader: FieldReader) -> RecomputeModules {
        let names = reader.choices("recomputeModules", of: RecomputeModules.Name.self)
        if names?.isEmpty == true {
            reader.report("recomputeModules", rule: "names no module", fix: "remove it, or name one such as core_attn")
        }
        return RecomputeModules(names ?? [])
    }

    /// Reads `recomputeLayers`, `recomputeMethod` and `recomputeEvery`.
    static func blocks(_ reader: FieldReader) -> RecomputedBlocks {
        let isList = reader.contains("recomputeLayers") && reader.isList("recomputeLayers")
        let counts = isList ? reader.counts("recomputeLayers", in: 0...Bounds.layers.upperBound) : nil
        let count = isList ? nil : reader.count("recomputeLayers", in: Bounds.layers)
        let method = reader.choice("recomputeMethod", of: Method.self)
        let step = reader.count("recomputeEvery", in: Bounds.layers)
        if step != nil, counts != nil || count != nil || method != nil {
            reader.report(
                "recomputeEvery",
                rule: "states the recomputed blocks a second time, beside "
                    + (counts != nil || count != nil ? "recomputeLayers" : "recomputeMethod"),
                fix: "keep one of them")
        }
        if method == .uniform, counts != nil {
            reader.report(
                "recomputeLayers", rule: "must be one number with recomputeMethod uniform, the blocks of a run",
                fix: "use recomputeMethod block for a number for each stage")
        }
        if method == .block, count == nil, counts == nil, !reader.contains("recomputeLayers") {
            reader.report(
                "recomputeMethod", value: "'block'", rule: "needs recomputeLayers, the recomputed blocks of a stage",
                fix: "e.g. recomputeLayers: 1")
        }
        if let step { return step == 1 ? .all : .every(step) }
        if let counts { return .firstOfStage(counts) }
        guard method == .uniform else { return count.map(RecomputedBlocks.first) ?? .all }
        // Runs of one block are blocks.
        return count.map { $0 == 1 ? .all : .runs($0) } ?? .all
    }
}
