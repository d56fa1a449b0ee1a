package import Foundation
package import Models
internal import Plans
internal import Reading

/// A safetensors file mapped into memory: a JSON header, then raw little-endian tensors. Reads F32, F16 and BF16.
package final class SafeTensorsFile: WeightSource {
    /// A tensor in the file.
    package struct Entry: Hashable, Sendable {
        package var type: String
        package var shape: [Int]
        package var range: Range<Int>
    }

    package let path: String
    package let entries: [String: Entry]
    /// The header's `__metadata__`.
    package let metadata: [String: String]
    private let file: MappedFile

    /// - Throws: `TrainingError.weights` for anything that is not a whole safetensors file.
    package init(path: String) throws(TrainingError) {
        self.path = path
        let file = try InputFile.mapped(path)
        self.file = file
        defer { withExtendedLifetime(file) {} }
        let bytes = file.bytes
        do throws(SafeTensorsHeader.Problem) {
            let header = try SafeTensorsHeader { Data(bytes[$0.clamped(to: 0..<bytes.count)]) }
            var entries: [String: Entry] = [:]
            for (name, tensor) in header.tensors {
                guard tensor.bytes.upperBound <= bytes.count - header.end else { throw .broken(tensor: name) }
                let range = header.end + tensor.bytes.lowerBound..<header.end + tensor.bytes.upperBound
                entries[name] = Entry(type: tensor.type, shape: tensor.shape, range: range)
            }
            self.entries = entries
            metadata = header.metadata
        } catch {
            throw .weights(path: path, reason: error.words)
        }
    }

    /// Copies this rank's share of a tensor as fp32. Names may carry GPT-2's `transformer.` prefix in the file.
    package func copy(
        _ tensor: TensorSpec, to target: UnsafeMutablePointer<Float>, share: TensorSlice
    ) throws(TrainingError) {
        let (entry, width) = try place(of: tensor)
        copy(entry, width, tensor, to: target, share: share)
    }

    /// Copies a rank's share of a tensor from its place in the file.
    func copy(
        _ tensor: TensorSpec, from place: StoredName, to target: UnsafeMutablePointer<Float>, share: TensorSlice
    ) throws(TrainingError) {
        let (entry, width) = try entry(at: place, of: tensor)
        copy(entry, width, tensor, start: place.start, to: target, share: share)
    }

    /// Makes sure that a tensor lies at a place.
    func check(_ place: StoredName, of tensor: TensorSpec) throws(TrainingError) {
        _ = try entry(at: place, of: tensor)
    }

    private func entry(at place: StoredName, of tensor: TensorSpec) throws(TrainingError) -> (Entry, width: Int) {
        guard let entry = entries[place.name] else {
            throw .weights(path: path, reason: "tensor \(place.name) is missing")
        }
        guard place.start >= 0, place.shape.reduce(1, *) - place.start >= tensor.count else {
            throw .weights(path: path, reason: "tensor \(place.name) holds no \(tensor.name)")
        }
        return (entry, try width(of: entry, place.name, shape: place.shape))
    }

    private func copy(
        _ entry: Entry, _ width: Int, _ tensor: TensorSpec, start: Int = 0, to target: UnsafeMutablePointer<Float>,
        share: TensorSlice
    ) {
        defer { withExtendedLifetime(file) {} }
        let bytes = file.bytes
        share.forEachRun(tensor) { local, whole, count in
            let begin = entry.range.lowerBound + width * (start + whole)
            let target = target + local
            switch entry.type {
            case "F32":
                UnsafeMutableRawPointer(target).copyMemory(from: bytes.baseAddress! + begin, byteCount: 4 * count)
            case "F16":
                for index in 0..<count {
                    target[index] = Float(
                        Float16(bitPattern: bytes.loadUnaligned(fromByteOffset: begin + 2 * index, as: UInt16.self)))
                }
            default:
                for index in 0..<count {
                    let high = UInt32(bytes.loadUnaligned(fromByteOffset: begin + 2 * index, as: UInt16.self)) << 16
                    target[index] = Float(bitPattern: high)
                }
            }
        }
    }

    /// The tensor of this name, which may carry the prefix of GPT-2, or of an adapter that PEFT wrote.
    private func entry(_ name: String) -> Entry? {
        entries[name] ?? entries["transformer." + name] ?? entries[AdapterFile.prefix + name]
    }

    /// Whether the file holds a tensor of this name.
    package func contains(_ name: String) -> Bool { entry(name) != nil }

    /// Finds a tensor of this shape, and the bytes of one of its numbers.
    /// - Throws: `TrainingError.weights` for a tensor that is missing, of another shape or format, or cut short.
    private func place(of tensor: TensorSpec) throws(TrainingError) -> (entry: Entry, width: Int) {
        guard let entry = self.entry(tensor.name) else {
            throw .weights(path: path, reason: "tensor \(tensor.name) is missing")
        }
        return (entry, try width(of: entry, tensor.name, shape: tensor.shape))
    }

    /// The bytes of a number of a tensor that must have this shape.
    private func width(of entry: Entry, _ name: String, shape: [Int]) throws(TrainingError) -> Int {
        guard entry.shape == shape else {
            throw .weights(
                path: path, reason: "tensor \(name) has shape \(entry.shape), the plan's model needs \(shape)")
        }
        let width = entry.type == "F32" ? 4 : entry.type == "F16" || entry.type == "BF16" ? 2 : 0
        guard width > 0 else {
            throw .weights(path: path, reason: "tensor \(name) is \(entry.type); F32, F16 and BF16 can be read")
        }
        guard entry.range.count == shape.reduce(1, *) * width else {
            throw .weights(path: path, reason: "tensor \(name) is cut short")
        }
        return width
    }

    /// Makes sure that the file holds all tensors of `model`, before memory is taken for any of them.
    package func check(_ model: Model) throws(TrainingError) {
        // A header may speak of more experts than its file could name.
        let least = model.layers + model.mixtureLayers * (model.moe?.experts ?? 0)
        guard least <= entries.count else {
            throw .weights(
                path: path,
                reason: "holds \(entries.count) tensors, its model of \(model.layers) layers needs more than \(least)")
        }
        for tensor in ParameterLayout.allTensors(model: model) { _ = try place(of: tensor) }
    }

    /// The header of a file of fp32 `tensors` in this order, its length field included.
    package static func header(tensors: [TensorSpec], metadata: [String: String]) throws -> Data {
        try header(tensors.map { ($0.name, "F32", 4, $0.shape) }, metadata: metadata)
    }

    /// The header of a file of tensors in this order, its length field included.
    static func header(
        _ tensors: [(name: String, type: String, width: Int, shape: [Int])], metadata: [String: String]
    ) throws -> Data {
        var object: [String: Any] = ["__metadata__": metadata]
        var offset = 0
        for tensor in tensors {
            let size = tensor.shape.reduce(1, *) * tensor.width
            object[tensor.name] = [
                "dtype": tensor.type, "shape": tensor.shape, "data_offsets": [offset, offset + size],
            ]
            offset += size
        }
        var header = try JSONSerialization.data(
            withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
        // The tensors start on a multiple of 8, as the reference writer does.
        while header.count % 8 != 0 { header.append(0x20) }
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header
    }
}
