internal import Foundation
package import Models
internal import Numbers
internal import Plans

/// Checkpoints on disk: a folder of safetensors files, or one file of whole weights with Hugging Face names and the model's
/// shape in its metadata.
package enum Checkpoint {
    /// The metadata key that holds the model's shape as JSON.
    package static let modelKey = "trainyard.model"
    /// The metadata key that holds the number of steps trained.
    package static let stepKey = "trainyard.step"

    /// The folder's name after `step` steps: `step-000200`.
    package static func name(step: Int) -> String {
        "step-" + Figures.padded(String(step), to: 6)
    }

    /// The number of steps in a checkpoint's name; nil for another file. Earlier releases wrote files of weights, whose names
    /// end in `.safetensors`.
    package static func step(of name: String) -> Int? {
        let stem = name.hasSuffix(suffix) ? name.dropLast(suffix.count) : name[...]
        guard stem.hasPrefix("step-"), let step = Int(stem.dropFirst(5)), step >= 0 else { return nil }
        return self.name(step: step) == stem ? step : nil
    }

    private static let suffix = ".safetensors"

    /// Whether a folder is a checkpoint, whole or not.
    package static func isCheckpoint(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: path + "/" + CheckpointManifest.name)
    }

    /// The weights of a file, of a checkpoint, or of a folder of Hugging Face's. The name of a file that is not there stands for the checkpoint of that step.
    package static func weights(at path: String) throws(TrainingError) -> any WeightSource {
        let files = FileManager.default
        let isThere = files.fileExists(atPath: path)
        let folder = !isThere && path.hasSuffix(suffix) ? String(path.dropLast(suffix.count)) : path
        if isCheckpoint(folder) { return try CheckpointFolder.opened(folder) }
        if let folder = HuggingFaceFolder.folder(path) { return try HuggingFaceFolder(path: folder) }
        return try SafeTensorsFile(path: path)
    }

    /// A hash of all weights that `weights` reads at a path; nil where they cannot be read.
    static func digest(ofWeightsAt path: String) -> UInt64? {
        let folder = isCheckpoint(path) ? path : HuggingFaceFolder.folder(path)
        guard let folder else { return ContentHash.ofFile(path) }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return nil }
        var hash = ContentHash()
        for name in names.sorted() where name.hasSuffix(".safetensors") || name.hasSuffix(".json") {
            let digest = ContentHash.ofFile(folder + "/" + name) ?? 0
            Array("\(name) \(digest)".utf8).withUnsafeBytes { hash.update($0) }
        }
        return hash.value
    }

    /// `path` itself, or the newest checkpoint in it when it is a directory. In a run's folder its manifest says which that is.
    package static func newest(at path: String) throws(TrainingError) -> String {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue,
            !isCheckpoint(path), !FileManager.default.fileExists(atPath: path + "/config.json")
        else { return path }
        if let manifest = try? RunManifest.read(folder: path) {
            let files = manifest.checkpoints.map { RunFolder.path(of: $0.file, in: path) }
            if let file = files.last(where: { FileManager.default.fileExists(atPath: $0) }) { return file }
        }
        for folder in [path, path + "/" + RunFolder.checkpoints] {
            if let name = checkpoints(in: folder).last { return folder + "/" + name }
        }
        throw .file(
            path: path,
            reason: "holds no checkpoint (step-…); train.checkpoint in the plan, or train --save FILE, writes one")
    }

    /// The names of a directory's checkpoints, oldest first by the time they were written. A shorter run that follows a longer
    /// one is the newer.
    package static func checkpoints(in directory: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        let written = names.filter { step(of: $0) != nil }.map { name in
            let attributes = try? FileManager.default.attributesOfItem(atPath: directory + "/" + name)
            return (name: name, date: attributes?[.modificationDate] as? Date ?? .distantPast)
        }
        return written.sorted { ($0.date, $0.name) < ($1.date, $1.name) }.map(\.name)
    }

    /// The metadata of a file of whole tensors.
    static func metadata(of model: Model, step: Int) throws -> [String: String] {
        let encoder = JSONEncoder()
        // Keys in a fixed order: equal weights make equal files, byte for byte.
        encoder.outputFormatting = .sortedKeys
        return [
            "format": "pt", stepKey: "\(step)", modelKey: String(decoding: try encoder.encode(model), as: UTF8.self),
        ]
    }

    /// The model in the metadata of a checkpoint that Trainyard wrote.
    package static func model(of file: SafeTensorsFile) throws(TrainingError) -> Model {
        guard let text = file.metadata[modelKey] else {
            throw .weights(path: file.path, reason: "its metadata has no \(modelKey): not a checkpoint of trainyard")
        }
        let model: Model
        do {
            model = try JSONDecoder().decode(Model.self, from: Data(text.utf8))
        } catch {
            throw .weights(path: file.path, reason: "the model shape in its metadata cannot be read")
        }
        // Anybody can have written it.
        if let problem = model.problems.first {
            throw .weights(path: file.path, reason: "the model shape in its metadata: \(problem)")
        }
        return model
    }
}
