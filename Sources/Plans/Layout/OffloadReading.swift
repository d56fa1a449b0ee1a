internal import Models
internal import Reading

/// Reads `offload:` of a layout or of a plan.
enum OffloadReading {
    /// nil: nothing is offloaded, or a value is wrong and reported.
    static func read(_ parent: FieldReader) -> Layout.Offload? {
        guard !isAuto(parent), let reader = parent.map("offload") else { return nil }
        var offload = Layout.Offload()
        reader.expect("optimizer", "gradients", "parameters", "activations", "overlap")
        if reader.keys.isEmpty {
            parent.report("offload", rule: "names nothing to offload", fix: "remove it, or e.g. {optimizer: true}")
        }
        offload.optimizer =
            isFlag(reader, "optimizer")
            ? reader.flag("optimizer") == true ? 1 : 0
            : reader.number("optimizer", .share, in: 0...1) ?? 0
        offload.parameters = reader.flag("parameters") ?? false
        offload.gradients = reader.flag("gradients") ?? offload.parameters
        if isFlag(reader, "activations") {
            offload.activations = reader.flag("activations") == true ? .all : .none
        } else if let count = reader.count("activations", in: Bounds.layers) {
            offload.activations = .first(count)
        }
        offload.overlap = reader.flag("overlap") ?? true
        reader.reportUnknownKeys()
        guard !offload.isEmpty else {
            if reader.contains("overlap") {
                reader.report(
                    "overlap", rule: "says how an optimizer on the host steps, and none is offloaded",
                    fix: "remove it, or add optimizer: true")
            }
            return nil
        }
        return offload
    }

    /// Whether the plan's layout says what is offloaded, even if it says nothing is.
    static func isInLayout(_ plan: FieldReader) -> Bool {
        plan.entryMap("layout")?.contains("offload") ?? false
    }

    /// Whether the map says how the host steps.
    static func statesOverlap(_ parent: FieldReader) -> Bool {
        parent.entryMap("offload")?.contains("overlap") ?? false
    }

    /// Reports `auto` in a layout, which a search alone can answer.
    private static func isAuto(_ parent: FieldReader) -> Bool {
        guard parent.word(ifAmong: ["auto"], "offload") != nil else { return false }
        parent.report(
            "offload", value: "'auto'", rule: "auto is a key of the plan, beside layout: auto, whose search it guides",
            fix: "write offload: auto beside layout: auto, or say what is offloaded, e.g. {optimizer: true}")
        return true
    }

    private static func isFlag(_ reader: FieldReader, _ key: String) -> Bool {
        ["true", "false"].contains(reader.scalar(key)?.lowercased())
    }
}
