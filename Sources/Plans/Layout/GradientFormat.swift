internal import Models
internal import Reading

/// The formats in which gradients can be accumulated.
enum GradientFormat: String, CaseIterable {
    case fp32, fp16, bf16, fp8

    var precision: Precision? { Precision(rawValue: rawValue) }

    /// Reads `gradients:` of a plan or a layout.
    static func read(_ reader: FieldReader) -> Precision? {
        reader.choice("gradients", of: Self.self)?.precision
    }
}
