internal import Models
internal import Reading

/// Reads `offload:` of a layout or of a plan.
enum OffloadReading {
    /// nil: nothing is offloaded, or a value is wrong and reported.
    static func read(_ parent: FieldReader) -> Layout.Offload? {
        guard let reader = parent.map("offload") else { return nil }
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
        return offload.isEmpty ? nil : offload
    }

    private static func isFlag(_ reader: FieldReader, _ key: String) -> Bool {
        ["true", "false"].contains(reader.scalar(key)?.lowercased())
    }
}
