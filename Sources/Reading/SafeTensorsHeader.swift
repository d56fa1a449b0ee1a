package import Foundation

/// The header of a safetensors file: its length in 8 little-endian bytes, then JSON text. The tensors follow it
/// (huggingface/safetensors, README).
package struct SafeTensorsHeader {
    package struct Tensor: Hashable, Sendable {
        package var type: String
        package var shape: [Int]
        /// Its bytes, counted from the end of the header.
        package var bytes: Range<Int>
    }

    package enum Problem: Error {
        /// There is nothing behind the length.
        case tooShort
        /// The header would be longer than the format allows, or than the file.
        case doesNotFit(bytes: UInt64)
        case isNotJSON
        /// The type, the shape or the place of a tensor is missing or of a wrong form.
        case broken(tensor: String)
    }

    package let tensors: [String: Tensor]
    /// The texts under `__metadata__`; empty if not all are texts.
    package let metadata: [String: String]
    /// Bytes of the file before its tensors.
    package let end: Int

    /// Longest header that the format allows, in bytes.
    private static let longest: UInt64 = 100_000_000

    /// - Parameter read: reads these bytes of the file; fewer if it ends before them.
    package init(read: (Range<Int>) -> Data) throws(Problem) {
        let start = read(0..<9)
        guard start.count == 9 else { throw .tooShort }
        let length = start.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= Self.longest else { throw .doesNotFit(bytes: length) }
        end = 8 + Int(length)
        let text = read(8..<end)
        guard text.count == Int(length) else { throw .doesNotFit(bytes: length) }
        guard let keys = JSONValue(text: text)?.map else { throw .isNotJSON }
        var tensors: [String: Tensor] = [:]
        for (name, value) in keys where name != "__metadata__" {
            guard let tensor = Tensor(value) else { throw .broken(tensor: name) }
            tensors[name] = tensor
        }
        // Two tensors of the same bytes would be one that is wrong.
        let places = tensors.filter { !$0.value.bytes.isEmpty }
            .sorted { ($0.value.bytes.lowerBound, $0.key) < ($1.value.bytes.lowerBound, $1.key) }
        for (one, next) in zip(places, places.dropFirst())
        where one.value.bytes.upperBound > next.value.bytes.lowerBound {
            throw .broken(tensor: next.key)
        }
        self.tensors = tensors
        let given = keys["__metadata__"]?.map ?? [:]
        let texts = given.compactMapValues(\.text)
        metadata = texts.count == given.count ? texts : [:]
    }
}

extension SafeTensorsHeader.Tensor {
    /// The tensor that a value of a header describes; nil if a part is missing or of a wrong form.
    fileprivate init?(_ value: JSONValue) {
        guard let fields = value.map, let type = fields["dtype"]?.text, let shape = fields["shape"]?.list,
            let places = fields["data_offsets"]?.list, places.count == 2, let first = places[0].count,
            let last = places[1].count, 0 <= first, first <= last
        else { return nil }
        let counts = shape.compactMap(\.count)
        guard counts.count == shape.count else { return nil }
        self.init(type: type, shape: counts, bytes: first..<last)
    }
}
