import Foundation
import Models
import Plans
import Tensors
import TestSupport
import Training

/// A small run's state, as ranks of a layout hold it, without MPI.
struct SavedState {
    /// One way to cut the state among ranks.
    struct Cut: Sendable {
        var name: String
        var tensor = 1
        var data = 1
        var pipeline = 1
        var expert = 1
        var expertTensor = 1
        var sharding = Layout.Sharding.none
    }

    let model: Model
    let rule: UpdateRule

    static let gpt = Model(
        family: .gpt, layers: 3, hidden: 24, heads: 4, vocab: 64, sequence: 8, tiedEmbeddings: true)
    static let experts = Model(
        family: .llama, layers: 2, hidden: 24, heads: 4, kvHeads: 2, ffn: 40, vocab: 64, sequence: 8,
        moe: Model.Mixture(experts: 4, topK: 2, ffn: 20, shared: 1))

    static let cuts: [Cut] = [
        Cut(name: "alone"), Cut(name: "tensor 4", tensor: 4),
        Cut(name: "data 3 parameters", data: 3, sharding: .parameters),
        Cut(name: "pipeline 2 tensor 2", tensor: 2, pipeline: 2),
        Cut(name: "data 5 optimizer", data: 5, sharding: .optimizer),
        Cut(name: "data 3", data: 3), Cut(name: "tensor 2 data 3 gradients", tensor: 2, data: 3, sharding: .gradients),
        Cut(name: "pipeline 2 data 2 parameters", data: 2, pipeline: 2, sharding: .parameters),
    ]
    static let expertCuts: [Cut] = [
        Cut(name: "expert 4", data: 4, expert: 4), Cut(name: "expert 2 cut 2", data: 4, expert: 2, expertTensor: 2),
        Cut(name: "expert 2 parameters", data: 4, expert: 2, sharding: .parameters),
    ]

    /// The parameters of every rank.
    func ranks(_ cut: Cut) -> [ParameterSet] {
        (0..<cut.pipeline * cut.data * cut.tensor).map { rank in
            let (tensor, data) = (rank % cut.tensor, rank / cut.tensor % cut.data)
            let stage = rank / (cut.tensor * cut.data)
            let layers = model.layers * stage / cut.pipeline..<model.layers * (stage + 1) / cut.pipeline
            let seat = data * cut.tensor + tensor
            let copies = cut.data * cut.tensor / (cut.expert * cut.expertTensor)
            let units = ParameterLayout.units(
                model: model, layers: layers, isFirst: stage == 0, isLast: stage == cut.pipeline - 1,
                experts: TensorSlice(rank: seat / cut.expertTensor % cut.expert, size: cut.expert))
            return ParameterSet(
                stages: [(stage, units)], share: TensorSlice(rank: tensor, size: cut.tensor), sharding: cut.sharding,
                shard: TensorSlice(rank: data, size: cut.data),
                expertShare: TensorSlice(rank: seat % cut.expertTensor, size: cut.expertTensor),
                expertShard: TensorSlice(rank: seat / (cut.expert * cut.expertTensor), size: copies), rule: rule)
        }
    }

    func manifest(step: Int = 3) throws -> CheckpointManifest {
        let settings = TrainSettings(data: "text", steps: 10, schedule: .constant)
        return CheckpointManifest(
            step: step, run: "one", program: "tests", saved: Date(timeIntervalSince1970: 1e9), plan: "small",
            planText: "a: \"sha256\" : \"x\"\n", model: model, precision: .fp32, optimizer: Optimizer(), batch: 4,
            layout: Layout(), train: settings,
            data: CheckpointManifest.Position(sequences: 4 * step, bytes: 100, digest: "1"),
            random: CheckpointManifest.RandomState(seed: 1))
    }

    /// The state of one process after a step with gradients of all sizes.
    func alone() -> ParameterSet {
        let parameters = ranks(Cut(name: "alone"))[0]
        parameters.initialise(seed: 7)
        for unit in parameters.units where !unit.isFrozen {
            for index in 0..<unit.count { unit.gradients[index] = Float(index % 31 - 15) * 1e-3 }
        }
        parameters.optimise(OptimizerStep(rule, number: 1, learningRate: 1e-2, gradientScale: 1))
        return parameters
    }

    /// Saves ranks' shares as a checkpoint at `path`.
    @discardableResult func save(_ ranks: [ParameterSet], at path: String) throws -> SavedCheckpoint {
        let folder = CheckpointSaver.partial(path)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let shares = try ranks.enumerated().map { rank, parameters in
            try StateShare(StateDictionary(parameters, rule: rule, model: model), copies: rank % 2 == 1)
                .write(to: folder + "/" + CheckpointSaver.fileName(rank: rank, of: ranks.count))
        }
        var manifest = try manifest()
        return try CheckpointSaver.complete(shares, &manifest, at: path)
    }

    /// Loads every rank of a cut from a checkpoint.
    /// - Returns: bytes that each rank read, over those it holds.
    func load(_ cut: Cut, from path: String) throws -> (ranks: [ParameterSet], share: Double) {
        let ranks = ranks(cut)
        let shares = try ranks.map { parameters in
            let state = StateDictionary(parameters, rule: rule, model: model)
            return Double(try state.load(from: CheckpointFolder(path: path))) / Double(state.heldBytes)
        }
        return (ranks, shares.max() ?? 0)
    }

    /// All tensors of a checkpoint, whole, as the bytes of one file.
    static func whole(_ path: String, in folder: TemporaryFolder) throws -> Data {
        let file = folder["whole.safetensors"]
        try? FileManager.default.removeItem(atPath: file)
        try CheckpointConversion.write(CheckpointFolder(path: path), to: file, state: true)
        return try Data(contentsOf: URL(filePath: file))
    }
}
