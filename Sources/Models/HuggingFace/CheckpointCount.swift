internal import Foundation
internal import Reading

/// The number of parameters in the safetensors files of a model's directory.
enum CheckpointCount {
    /// Numbers of all tensors in the directory of `configuration`; nil: there are no files, or one cannot be read.
    ///
    /// Packed formats hold fewer numbers than the model has parameters.
    static func parameters(besides configuration: String) -> Int? {
        let folder = (configuration as NSString).deletingLastPathComponent
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.isEmpty ? "." : folder)) ?? []
        let tensors = files.filter { $0.hasSuffix(".safetensors") }.sorted()
        guard !tensors.isEmpty else { return nil }
        let counts = tensors.map { count(folder.isEmpty ? $0 : "\(folder)/\($0)") }
        return counts.contains(nil) ? nil : sum(counts.compactMap(\.self))
    }

    private static func count(_ path: String) -> Int? {
        guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
        defer { try? handle.close() }
        let header = try? SafeTensorsHeader { bytes in
            guard (try? handle.seek(toOffset: UInt64(bytes.lowerBound))) != nil else { return Data() }
            return (try? handle.read(upToCount: bytes.count)) ?? Data()
        }
        return header.flatMap { sum($0.tensors.values.map { product($0.shape) }) }
    }

    /// The sum of `counts`; nil if it passes 64 bits.
    private static func sum(_ counts: [Int]) -> Int? {
        var total = 0
        for count in counts {
            let (next, overflows) = total.addingReportingOverflow(count)
            if overflows { return nil }
            total = next
        }
        return total
    }
}
