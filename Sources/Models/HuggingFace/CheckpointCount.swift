internal import Foundation
internal import Reading

/// The number of parameters in the safetensors files of a model's directory.
enum CheckpointCount {
    /// Longest header of a safetensors file (huggingface/safetensors, the format's limit).
    private static let longestHeader = 100_000_000

    /// Numbers of all tensors in the directory of `configuration`; nil: there are no files, or one cannot be read.
    ///
    /// Packed formats hold fewer numbers than the model has parameters.
    static func parameters(besides configuration: String) -> Int? {
        let folder = (configuration as NSString).deletingLastPathComponent
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.isEmpty ? "." : folder)) ?? []
        let tensors = files.filter { $0.hasSuffix(".safetensors") }.sorted()
        guard !tensors.isEmpty else { return nil }
        var total = 0
        for file in tensors {
            guard let count = count(folder.isEmpty ? file : "\(folder)/\(file)") else { return nil }
            let (sum, overflows) = total.addingReportingOverflow(count)
            guard !overflows else { return nil }
            total = sum
        }
        return total
    }

    private static func count(_ path: String) -> Int? {
        guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
        defer { try? handle.close() }
        guard let head = try? handle.read(upToCount: 8), head.count == 8 else { return nil }
        let length = head.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= longestHeader, let header = try? handle.read(upToCount: Int(length)),
            header.count == Int(length), let tensors = JSONValue(text: header)?.map
        else { return nil }
        var total = 0
        for (name, tensor) in tensors where name != "__metadata__" {
            guard let shape = tensor.map?["shape"]?.list?.map(\.count), !shape.contains(nil) else { return nil }
            total += product(shape.compactMap { $0 })
        }
        return total
    }
}
