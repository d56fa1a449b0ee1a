internal import Foundation

/// The JSON encoding of all documents: sorted keys, so that equal answers have equal bytes.
package enum JSONDocument {
    package static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        // A run that never finishes takes infinite days, for which JSON has no number.
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
