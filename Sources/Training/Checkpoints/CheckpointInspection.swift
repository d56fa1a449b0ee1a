package import Foundation
internal import Models
internal import Output
internal import Plans
internal import Reading
internal import Tensors

/// What a checkpoint is, for people and scripts.
package struct CheckpointSummary: Hashable, Codable, Sendable {
    package var path: String
    package var step: Int
    /// Whether the files are as they were written, as far as was looked.
    package var good: Bool
    /// What is wrong with it; nil: nothing.
    package var problem: String?
    package var saved: Date?
    package var plan: String?
    package var program: String?
    package var precision: String?
    /// Ranks that wrote it.
    package var ranks: Int?
    package var bytes: Int?
    package var tensors: Int?
    /// Sequences trained on.
    package var sequences: Int?

    /// Looks at a checkpoint.
    /// - Parameter reads: whether all tensors are read and compared with their checksums, or only sizes and headers are.
    package init(_ path: String, reads: Bool) {
        self.path = path
        step = Checkpoint.step(of: (path as NSString).lastPathComponent) ?? 0
        good = false
        do throws(CheckpointProblem) {
            let folder = try CheckpointFolder(path: path)
            let manifest = folder.manifest
            (step, saved, plan, program) = (manifest.step, manifest.saved, manifest.plan, manifest.program)
            (precision, ranks, bytes) = (manifest.precision.rawValue, manifest.files.count, manifest.bytes)
            (tensors, sequences) = (folder.pieces.count, manifest.data.sequences)
            try folder.checkTensors(reads: reads)
            good = true
        } catch {
            problem = error.error.description
        }
    }
}

extension CheckpointFolder {
    /// Makes sure that every tensor of the model is whole.
    /// - Parameter reads: whether all tensors are read and compared with their checksums.
    package func checkTensors(reads: Bool) throws(CheckpointProblem) {
        for tensor in ParameterLayout.allTensors(model: manifest.model) {
            guard pieces[tensor.name] != nil else {
                throw .damaged(path: path, words: "tensor \(tensor.name) is missing")
            }
            for kind in StateKind.allCases {
                let key = tensor.name + kind.suffix
                guard let header = pieces[key]?.first?.header, header.shape != tensor.shape else { continue }
                throw .damaged(
                    path: path, words: "tensor \(key) has the shape \(header.shape), and its model's is \(tensor.shape)"
                )
            }
        }
        for (key, parts) in pieces.sorted(by: { $0.key < $1.key }) {
            let size = parts[0].header.shape.reduce(1, *)
            // Headers alone say how many elements there are, without a list of all runs.
            guard reads else {
                try checkCount(key, size: size)
                continue
            }
            try checkCover(key, size: size)
            for part in parts { try check(part) }
        }
    }
}

/// Writes the whole tensors of a checkpoint as one file with Hugging Face names.
package enum CheckpointConversion {
    /// - Parameter state: whether the optimizer's moments are written too.
    package static func write(_ folder: CheckpointFolder, to path: String, state: Bool) throws {
        try checkTarget(path, of: folder)
        do throws(CheckpointProblem) {
            try folder.checkTensors(reads: false)
        } catch {
            throw error.error
        }
        let model = folder.manifest.model
        let kinds: [StateKind] = state ? StateKind.allCases : [.weight]
        let file = try RecordFile(path: path, grows: false)
        var (tensors, parts): ([TensorSpec], [(key: String, format: StateFormat, shape: [Int])]) = ([], [])
        for tensor in ParameterLayout.allTensors(model: model) {
            for kind in kinds {
                guard let header = folder.pieces[tensor.name + kind.suffix]?.first?.header else { continue }
                parts.append((header.key, header.format, header.shape))
                tensors.append(tensor)
            }
        }
        // Wider numbers first, so that every tensor starts on a multiple of its number's size.
        parts = parts.filter { $0.format == .fp32 } + parts.filter { $0.format != .fp32 }
        try SafeTensorsFile.header(
            parts.map { ($0.key, $0.format.rawValue, $0.format.bytes, $0.shape) },
            metadata: try Checkpoint.metadata(of: model, step: folder.manifest.step)
        ).withUnsafeBytes { try file.write($0) }
        for part in parts {
            let count = part.shape.reduce(1, *)
            let whole = Storage<UInt8>(count: count * part.format.bytes)
            let base = UnsafeMutableRawPointer(whole.pointer)
            let run = ElementRun(local: 0, whole: 0, count: count)
            do throws(CheckpointProblem) {
                try folder.read(
                    part.key, shape: part.shape, format: part.format, runs: [run],
                    place: { base + $0.local * part.format.bytes })
            } catch {
                throw error.error
            }
            var sum = ElementSum()
            part.format.add(run, at: base, to: &sum)
            guard sum.value == folder.sum(part.key) else {
                throw TrainingError.weights(
                    path: folder.path, reason: "tensor \(part.key) does not match its checksum")
            }
            try file.write(UnsafeRawBufferPointer(start: base, count: count * part.format.bytes))
        }
        try file.commit()
    }

    /// Refuses a file that lies in a checkpoint, or is one of the files that are read.
    private static func checkTarget(_ path: String, of folder: CheckpointFolder) throws(TrainingError) {
        var above = (RunFolder.absolute(path) as NSString).deletingLastPathComponent
        var isInside = false
        while !isInside, above.count > 1 {
            isInside = Checkpoint.isCheckpoint(above)
            above = (above as NSString).deletingLastPathComponent
        }
        let read = [CheckpointManifest.name] + folder.manifest.files.map(\.name)
        let target = FileIdentity(path)
        guard isInside || target != nil && read.contains(where: { FileIdentity(folder.path + "/" + $0) == target })
        else { return }
        throw .file(path: path, reason: "is a file of a checkpoint, or lies in one; name another file with --to")
    }
}
