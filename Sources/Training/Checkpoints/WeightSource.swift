package import Models
internal import Tensors

/// Something that holds the weights of a model: a file of whole tensors, or a checkpoint of any layout.
package protocol WeightSource {
    var path: String { get }
    func contains(_ name: String) -> Bool
    /// Copies a rank's share of a tensor as fp32.
    func copy(
        _ tensor: TensorSpec, to target: UnsafeMutablePointer<Float>, share: TensorSlice
    ) throws(TrainingError)
    /// The model in it.
    func model() throws(TrainingError) -> Model
    /// The model that it says to be of; nil: it says nothing.
    var statedModel: Model? { get }
    /// The file that says so.
    var statement: String { get }
    /// Makes sure that it holds all tensors of `model`, before memory is taken for any of them.
    func check(_ model: Model) throws(TrainingError)
}

extension WeightSource {
    package var statement: String { path }

    /// Makes sure that a run of `model` can start from these weights: that they are of a model that computes the same.
    package func checkStart(of model: Model) throws(TrainingError) {
        if let theirs = statedModel, let difference = model.difference(from: theirs) {
            throw .otherWeights(
                path: statement, field: "model." + difference.key, theirs: difference.theirs, ours: difference.ours)
        }
        // Of other files, loading says which tensor is missing.
        if self is HuggingFaceFolder { try check(model) }
    }

    package func copy(_ tensor: TensorSpec, to target: UnsafeMutablePointer<Float>) throws(TrainingError) {
        try copy(tensor, to: target, share: TensorSlice())
    }
}

extension SafeTensorsFile {
    package func model() throws(TrainingError) -> Model { try Checkpoint.model(of: self) }

    package var statedModel: Model? { metadata[Checkpoint.modelKey] == nil ? nil : try? model() }
}

extension CheckpointFolder: WeightSource {
    package func contains(_ name: String) -> Bool { pieces[name] != nil }

    package func model() throws(TrainingError) -> Model { manifest.model }

    package var statedModel: Model? { manifest.model }

    package func check(_ model: Model) throws(TrainingError) {
        guard let missing = ParameterLayout.allTensors(model: model).first(where: { pieces[$0.name] == nil }) else {
            return
        }
        throw .weights(path: path, reason: "tensor \(missing.name) is missing")
    }

    package func copy(
        _ tensor: TensorSpec, to target: UnsafeMutablePointer<Float>, share: TensorSlice
    ) throws(TrainingError) {
        var runs: [ElementRun] = []
        share.forEachRun(tensor) { local, whole, count in
            runs.append(ElementRun(local: local, whole: whole, count: count))
        }
        do throws(CheckpointProblem) {
            try read(
                tensor.name, shape: tensor.shape, format: .fp32, runs: runs,
                place: { UnsafeMutableRawPointer(target + $0.local) })
        } catch {
            throw error.error
        }
        // Of a part there is no checksum.
        guard share.count(tensor) == tensor.count, tensor.split == .whole || share.size == 1 else { return }
        var sum = ElementSum()
        StateFormat.fp32.add(ElementRun(local: 0, whole: 0, count: tensor.count), at: target, to: &sum)
        guard sum.value == self.sum(tensor.name) else {
            throw .weights(path: path, reason: "tensor \(tensor.name) does not match its checksum")
        }
    }
}
