internal import Models
internal import Reading

/// Pairs of keys that no formula describes: what training changes of a model, or how its sequences are made up, beside what
/// makes it a model of images or videos.
enum UnpricedPairs {
    /// Reports each such pair of a plan for `model`. Returns whether there is none.
    static func refuse(_ reader: FieldReader, _ model: Model) -> Bool {
        var isPriced = true
        func refuse(_ keys: String..., beside other: String) {
            for key in keys where reader.contains(key) {
                isPriced = false
                reader.report(
                    key, value: "(given)", rule: "\(other) with \(key) is not priced", fix: "remove \(key)",
                    kind: .misfit)
            }
        }
        if model.hasPicture {
            let picture = model.image != nil ? "model.image" : "model.video"
            refuse("lora", "frozen", "quantized", "packing", "padding", beside: picture)
        } else if ([model.block] + model.kinds.map(\.shape)).contains(where: { $0.parallel == .fused }) {
            // One adapter would read the inputs of both projections back.
            refuse("lora", "frozen", "quantized", beside: "model.parallel: fused")
        }
        // A padded sample is a sample all the same, but has fewer tokens.
        if reader.contains("samples"), !model.hasPicture { refuse("padding", beside: "samples") }
        return isPriced
    }
}
