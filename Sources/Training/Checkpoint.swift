internal import Foundation
internal import MPI
package import Plans
internal import Schedules

/// Weights on disk: one safetensors file with Hugging Face GPT-2 names, whatever the layout that trained them, and the
/// model's shape in its metadata.
package enum Checkpoint {
    /// The metadata key that holds the model's shape as JSON.
    package static let modelKey = "trainyard.model"
    /// The metadata key that holds the number of steps trained.
    package static let stepKey = "trainyard.step"

    /// `step-000200.safetensors`.
    package static func name(step: Int) -> String {
        let digits = String(step)
        return "step-" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits + ".safetensors"
    }

    /// Makes sure that checkpoints can be written to `directory`, before hours of training.
    package static func prepare(directory: String) throws(TrainingError) {
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        } catch {
            throw .file(path: directory, reason: "cannot make this directory for checkpoints")
        }
        guard FileManager.default.isWritableFile(atPath: directory) else {
            throw .file(path: directory, reason: "this directory for checkpoints is not writable")
        }
    }

    /// Deletes all but the newest `keep` checkpoints of `directory`.
    package static func prune(directory: String, keep: Int) {
        for name in checkpoints(in: directory).dropLast(max(keep, 1)) {
            try? FileManager.default.removeItem(atPath: directory + "/" + name)
        }
    }

    /// `path` itself, or the newest checkpoint in it when it is a directory.
    package static func newest(at path: String) throws(TrainingError) -> String {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
            return path
        }
        guard let name = checkpoints(in: path).last else {
            throw .file(path: path, reason: "holds no checkpoint (step-….safetensors)")
        }
        return path + "/" + name
    }

    /// The names of a directory's checkpoints, oldest first by the time they were written: a shorter run that follows a
    /// longer one is the newer.
    private static func checkpoints(in directory: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        let written = names.filter { $0.hasPrefix("step-") && $0.hasSuffix(".safetensors") }.map { name in
            let attributes = try? FileManager.default.attributesOfItem(atPath: directory + "/" + name)
            return (name: name, date: attributes?[.modificationDate] as? Date ?? .distantPast)
        }
        return written.sorted { ($0.date, $0.name) < ($1.date, $1.name) }.map(\.name)
    }

    /// The model a checkpoint of ours was trained as.
    package static func model(of file: SafeTensorsFile) throws(TrainingError) -> Model {
        guard let text = file.metadata[modelKey] else {
            throw .weights(path: file.path, reason: "its metadata has no \(modelKey): not a checkpoint of trainyard")
        }
        do {
            return try JSONDecoder().decode(Model.self, from: Data(text.utf8))
        } catch {
            throw .weights(path: file.path, reason: "the model shape in its metadata cannot be read")
        }
    }
}

extension Trainer {
    /// Writes all weights to `path`: tensor by tensor to rank 0, which writes a file beside it and renames it at the
    /// end, so that `path` is never half a file. Every rank calls it.
    package func saveWeights(to path: String, step: Int) throws {
        let tensors = ParameterLayout.allTensors(model: plan.model)
        guard world.rank == 0 else {
            guard dataRank == 0 else { return }
            for (index, tensor) in tensors.enumerated() where owner(of: tensor) == world.rank {
                guard let stage = stage(of: tensor) else { continue }
                let begin = parameters.weights + parameters.offset(stage: stage, name: tensor.name)
                try world.send(UnsafeBufferPointer(start: begin, count: tensor.count), to: 0, tag: index)
            }
            return
        }
        let partial = path + ".partial"
        do {
            let encoder = JSONEncoder()
            // The same weights make the same file.
            encoder.outputFormatting = .sortedKeys
            let metadata = [
                "format": "pt", Checkpoint.stepKey: "\(step)",
                Checkpoint.modelKey: String(decoding: try encoder.encode(plan.model), as: UTF8.self),
            ]
            guard FileManager.default.createFile(atPath: partial, contents: nil),
                let handle = FileHandle(forWritingAtPath: partial)
            else { throw TrainingError.file(path: partial, reason: "cannot be written: " + MappedFile.lastError) }
            defer { try? handle.close() }
            try handle.write(contentsOf: SafeTensorsFile.header(tensors: tensors, metadata: metadata))
            var scratch: [Float] = []
            for (index, tensor) in tensors.enumerated() {
                let owner = owner(of: tensor)
                if owner == 0, let stage = stage(of: tensor) {
                    let begin = parameters.weights + parameters.offset(stage: stage, name: tensor.name)
                    try handle.write(contentsOf: Data(bytesNoCopy: begin, count: tensor.count * 4, deallocator: .none))
                } else {
                    scratch = try world.receive(Float.self, count: tensor.count, from: owner, tag: index)
                    try handle.write(contentsOf: scratch.withUnsafeBytes { Data($0) })
                }
            }
            try handle.synchronize()
        } catch {
            try? FileManager.default.removeItem(atPath: partial)
            throw error
        }
        guard rename(partial, path) == 0 else {
            throw TrainingError.file(path: path, reason: "cannot be written: " + MappedFile.lastError)
        }
    }

    /// The stage that holds a tensor; the first for a tied table.
    private func stage(of tensor: ParameterTensor) -> Int? {
        if tensor.name == "wte.weight" || tensor.name == "wpe.weight" { return 0 }
        guard tensor.name.hasPrefix("h.") else { return partition.stages - 1 }
        guard let layer = Int(tensor.name.dropFirst(2).prefix { $0 != "." }) else { return nil }
        return partition.layers.firstIndex { $0.contains(layer) }
    }

    /// The world rank of the first data-parallel copy of that stage.
    private func owner(of tensor: ParameterTensor) -> Int {
        let pipelineRank = stage(of: tensor).map { schedule.placement.rank(stage: $0, microbatch: 0) } ?? 0
        return grid.rank(at: RankGrid.Coordinates(pipeline: pipelineRank))
    }
}
