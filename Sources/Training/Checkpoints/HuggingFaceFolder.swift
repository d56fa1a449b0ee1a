internal import Foundation
package import Models
internal import Reading
internal import Tensors

/// A folder with a model as Hugging Face's tools keep it: `config.json`, and `model.safetensors` or the files that
/// `model.safetensors.index.json` lists.
package final class HuggingFaceFolder: WeightSource {
    static let weights = "model.safetensors"
    static let index = "model.safetensors.index.json"

    package let path: String
    /// The configuration file.
    private let configuration: String
    private let described: Model
    /// Most tokens of a sequence that the configuration states.
    let longest: Int
    private let type: String
    private let files: [SafeTensorsFile]
    /// The number of the file that holds a tensor, by the tensor's name there.
    private let places: [String: Int]

    /// The folder that `path` means: a folder with a `config.json`, one of the Hub's local cache, or the name of a model
    /// there. nil: it is none.
    static func folder(_ path: String) -> String? {
        var isDirectory: ObjCBool = false
        // A file of weights is no configuration.
        if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue {
            return nil
        }
        let suffix = "/config.json"
        return HuggingFaceModel.file(path, library: .standard()).flatMap { file in
            file.hasSuffix(suffix) ? String(file.dropLast(suffix.count)) : nil
        }
    }

    /// Reads the configuration and the files' headers.
    package init(path: String) throws(TrainingError) {
        self.path = path
        configuration = path + "/config.json"
        let reading: HuggingFaceModel
        do throws(PlanProblems) {
            var read = ReadFiles()
            reading = try HuggingFaceModel.read(configuration, library: .standard(), files: &read)
        } catch {
            throw .configuration(
                error.problems.first ?? PlanProblem(file: path, field: "", rule: "is not a model's configuration"))
        }
        if let problem = reading.foreign.first { throw .configuration(problem) }
        (described, type, longest) = (reading.model, reading.modelType, reading.longest)
        let names = try Self.names(of: path)
        var files: [SafeTensorsFile] = []
        var places: [String: Int] = [:]
        for name in names.files {
            let file = try SafeTensorsFile(path: path + "/" + name)
            for tensor in file.entries.keys.sorted() {
                if let other = places[tensor] {
                    throw .weights(
                        path: file.path,
                        reason: "tensor \(tensor) is also in \((files[other].path as NSString).lastPathComponent)")
                }
                places[tensor] = files.count
            }
            files.append(file)
        }
        for (tensor, name) in names.listed.sorted(by: { $0.key < $1.key }) {
            guard let place = places[tensor], files[place].path == path + "/" + name else {
                throw .weights(
                    path: path + "/" + Self.index, reason: "tensor \(tensor) is not in \(name), where it is listed")
            }
        }
        (self.files, self.places) = (files, places)
    }

    /// The names of the files with weights, and of the file of every tensor where an index lists them.
    private static func names(of path: String) throws(TrainingError) -> (files: [String], listed: [String: String]) {
        let manager = FileManager.default
        if manager.fileExists(atPath: path + "/" + weights) { return ([weights], [:]) }
        let index = path + "/" + index
        guard manager.fileExists(atPath: index) else {
            let hasOther = manager.fileExists(atPath: path + "/pytorch_model.bin")
            throw .file(
                path: path,
                reason: "holds neither \(weights) nor \(Self.index)"
                    + (hasOther ? "; pytorch_model.bin is not read" : "")
                    + "; save_pretrained of transformers writes it")
        }
        guard let text = manager.contents(atPath: index), let map = JSONValue(text: text)?.map?["weight_map"]?.map,
            !map.isEmpty
        else { throw .weights(path: index, reason: "has no weight_map: it is no index of safetensors files") }
        var listed: [String: String] = [:]
        for (tensor, value) in map.sorted(by: { $0.key < $1.key }) {
            guard let name = value.text, name.hasSuffix(".safetensors"), !name.contains("/"), !name.utf8.contains(0)
            else {
                throw .weights(
                    path: index,
                    reason: "weight_map.\(tensor): must name a .safetensors file in the same folder"
                        + (value.text.map { " (found '\($0.prefix(60))')" } ?? ""))
            }
            guard manager.fileExists(atPath: path + "/" + name) else {
                throw .weights(path: index, reason: "weight_map.\(tensor): there is no file \(name)")
            }
            listed[tensor] = name
        }
        return (Set(listed.values).sorted(), listed)
    }

    /// The model that the configuration describes.
    package func model() throws(TrainingError) -> Model { described }

    package var statedModel: Model? { described }

    package var statement: String { configuration }

    /// The place of a tensor, or nil.
    private func place(_ tensor: TensorSpec) -> (file: SafeTensorsFile, place: StoredName)? {
        for place in StoredName.places(of: tensor, type: type, experts: described.moe?.experts ?? 0) {
            if let file = places[place.name] { return (files[file], place) }
        }
        return nil
    }

    package func contains(_ name: String) -> Bool {
        places[name] != nil || places["transformer." + name] != nil
    }

    private func found(_ tensor: TensorSpec) throws(TrainingError) -> (file: SafeTensorsFile, place: StoredName) {
        guard let found = place(tensor) else {
            let name = StoredName.places(of: tensor, type: type, experts: described.moe?.experts ?? 0)[0].name
            throw .weights(path: path, reason: "tensor \(name) is missing")
        }
        return found
    }

    package func copy(
        _ tensor: TensorSpec, to target: UnsafeMutablePointer<Float>, share: TensorSlice
    ) throws(TrainingError) {
        let (file, place) = try found(tensor)
        try file.copy(tensor, from: place, to: target, share: share)
    }

    /// Makes sure that the files hold all tensors of `model`, and no others.
    package func check(_ model: Model) throws(TrainingError) {
        let least = model.layers + model.mixtureLayers
        guard least <= places.count else {
            throw .weights(
                path: path,
                reason: "holds \(places.count) tensors, a model of \(model.layers) layers has more than \(least)")
        }
        var base = model
        base.tuning = nil
        var used: Set<String> = []
        for tensor in ParameterLayout.allTensors(model: base) {
            let (file, place) = try found(tensor)
            try file.check(place, of: tensor)
            used.insert(place.name)
        }
        let others = places.keys.filter { !used.contains($0) && !Self.isBuffer($0) }.sorted()
        guard let other = others.first else { return }
        if other == "lm_head.weight", model.tiedEmbeddings, try isTable(other, of: model) { return }
        throw .weights(
            path: path,
            reason: other == "lm_head.weight" && model.tiedEmbeddings
                ? "lm_head.weight is not the table of tokens, and tie_word_embeddings is true"
                : "tensor \(other) is no part of the \(type) that config.json describes")
    }

    /// Whether a tensor is the table of tokens, number for number.
    private func isTable(_ name: String, of model: Model) throws(TrainingError) -> Bool {
        let table = model.embedding
        let (file, place) = try found(table)
        guard let number = places[name], files[number].entries[name]?.shape == table.shape else { return false }
        let (one, other) = (Storage<Float>(count: table.count), Storage<Float>(count: table.count))
        try file.copy(table, from: place, to: one.pointer, share: TensorSlice())
        try files[number].copy(
            table, from: StoredName(name: name, shape: table.shape), to: other.pointer, share: TensorSlice())
        return memcmp(one.pointer, other.pointer, 4 * table.count) == 0
    }

    /// Whether a tensor is one of the constants that older releases stored: masks and frequencies.
    private static func isBuffer(_ name: String) -> Bool {
        [".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"].contains(where: name.hasSuffix)
    }
}
