internal import Foundation
internal import Models
internal import Numbers
internal import Reading

/// The header of a file of a checkpoint: that of safetensors, whose metadata says which runs of a whole tensor every tensor of
/// the file holds, and its checksum.
package struct ShardHeader {
    /// A tensor of the file: all or a part of a tensor of the state.
    package struct Piece: Hashable, Sendable {
        package var key: String
        package var format: StateFormat
        /// Shape of the whole tensor.
        package var shape: [Int]
        package var patterns: [RunPattern]
        /// `ElementSum` of its elements.
        package var sum: UInt64
        /// Place of its bytes in the file.
        package var range = 0..<0

        package var count: Int { patterns.reduce(0) { $0 + $1.total } }
        /// Runs of all patterns: no more than elements.
        var runs: Int { patterns.reduce(0) { $0 + $1.repeats } }

        /// The shape it has in the file: the tensor's own if it is whole, rows of it, or a list of numbers.
        var storedShape: [Int] {
            let whole = shape.reduce(1, *)
            let row = shape.dropFirst().reduce(1, *)
            if count == whole { return shape }
            guard shape.count > 1, patterns.count == 1, patterns[0].repeats == 1, count % row == 0,
                patterns[0].start % row == 0
            else { return [count] }
            return [count / row] + shape.dropFirst()
        }
    }

    /// The metadata key of the pieces.
    static let piecesKey = "trainyard.pieces"
    /// The metadata key of the format's version.
    static let formatKey = "trainyard.checkpoint"

    package private(set) var pieces: [Piece] = []
    /// Bytes of the header, its length field included.
    package private(set) var bytes = 0

    init() {}

    mutating func add(_ piece: Piece) { pieces.append(piece) }

    /// The header's bytes. The tensors follow in the order of the pieces.
    var data: Data? {
        var (object, places, offset): ([String: Any], [String: Any], Int) = ([:], [:], 0)
        for piece in pieces {
            let size = piece.count * piece.format.bytes
            object[piece.key] = [
                "dtype": piece.format.rawValue, "shape": piece.storedShape, "data_offsets": [offset, offset + size],
            ]
            places[piece.key] = [
                "shape": piece.shape, "runs": piece.patterns.map(\.numbers), "sum": Self.digits(piece.sum),
            ]
            offset += size
        }
        let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
        guard let text = try? JSONSerialization.data(withJSONObject: places, options: options) else { return nil }
        object["__metadata__"] = [
            "format": "pt", Self.formatKey: "\(CheckpointManifest.format)",
            Self.piecesKey: String(decoding: text, as: UTF8.self),
        ]
        guard var header = try? JSONSerialization.data(withJSONObject: object, options: options) else { return nil }
        // The tensors start on a multiple of 8, as the reference writer does.
        while header.count % 8 != 0 { header.append(0x20) }
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header
    }

    static func digits(_ sum: UInt64) -> String {
        Figures.padded(String(sum, radix: 16), to: 16)
    }

    /// Why a header cannot be used.
    struct Problem: Error {
        var words: String
    }

    /// Reads the header of a file of `size` bytes. Nothing in it is believed before it is checked.
    init(_ data: Data, size: Int) throws(Problem) {
        let header: SafeTensorsHeader
        do throws(SafeTensorsHeader.Problem) {
            header = try SafeTensorsHeader { range in
                let own = range.clamped(to: 0..<data.count)
                return data.subdata(in: data.startIndex + own.lowerBound..<data.startIndex + own.upperBound)
            }
        } catch {
            throw Problem(words: error.words)
        }
        guard let text = header.metadata[Self.piecesKey],
            let places = JSONValue(text: Data(text.utf8))?.map, places.count == header.tensors.count
        else { throw Problem(words: "its metadata does not say what its tensors are parts of (\(Self.piecesKey))") }
        bytes = header.end
        var end = header.end
        for (key, tensor) in header.tensors.sorted(by: { $0.value.bytes.lowerBound < $1.value.bytes.lowerBound }) {
            let broken = Problem(words: "tensor \(key): its type, shape, runs or place is broken or outside the file")
            guard let format = StateFormat(rawValue: tensor.type), let place = places[key]?.map,
                var piece = Piece(key, format, place)
            else { throw broken }
            let (first, isFar) = tensor.bytes.lowerBound.addingReportingOverflow(header.end)
            let (last, isOut) = tensor.bytes.upperBound.addingReportingOverflow(header.end)
            // Tensors lie one behind the other, without gaps.
            guard !isFar, !isOut, first == end, last <= size, tensor.shape == piece.storedShape,
                tensor.bytes.count % format.bytes == 0, tensor.bytes.count / format.bytes == piece.count
            else { throw broken }
            piece.range = first..<last
            end = last
            pieces.append(piece)
        }
        guard end == size else { throw Problem(words: "it holds \(size - end) bytes that belong to no tensor") }
    }
}

extension ShardHeader.Piece {
    /// A piece as the metadata describes it; nil if anything in the description is wrong.
    fileprivate init?(_ key: String, _ format: StateFormat, _ place: [String: JSONValue]) {
        guard let shape = place["shape"]?.list?.compactMap(\.count), shape.count == place["shape"]?.list?.count,
            let runs = place["runs"]?.list, let sum = place["sum"]?.text.flatMap({ UInt64($0, radix: 16) })
        else { return nil }
        var size = 1
        for length in shape {
            let (product, isLarge) = size.multipliedReportingOverflow(by: length)
            guard length > 0, !isLarge, product <= 1 << 60 else { return nil }
            size = product
        }
        var (patterns, total): ([RunPattern], Int) = ([], 0)
        for run in runs {
            guard let list = run.list, case let numbers = list.compactMap(\.count), numbers.count == list.count,
                let pattern = RunPattern(numbers, size: size)
            else { return nil }
            patterns.append(pattern)
            // Every pattern lies inside the tensor: the sum cannot overflow before it is too large.
            total += pattern.total
            guard total <= size else { return nil }
        }
        self.init(key: key, format: format, shape: shape, patterns: patterns, sum: sum)
    }
}

extension SafeTensorsHeader.Problem {
    /// The problem in words.
    var words: String {
        switch self {
        case .tooShort: "not a safetensors file: shorter than its header length"
        case .doesNotFit(let bytes): "not a safetensors file: a header of \(bytes) bytes does not fit"
        case .isNotJSON: "not a safetensors file: the header is not JSON"
        case .broken(let tensor): "tensor \(tensor): its type, shape or place is broken or outside the file"
        }
    }
}
