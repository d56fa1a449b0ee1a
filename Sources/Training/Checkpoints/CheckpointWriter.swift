internal import Foundation
internal import MPI
internal import Models
internal import Plans
internal import Schedules
internal import Tensors

/// Writes the weights of a run, which lie spread over its ranks, as one file.
struct CheckpointWriter {
    let world: Communicator
    let model: Model
    let layout: Layout
    let placement: StagePlacement
    let partition: StagePartition
    let grid: RankGrid
    let expertGrid: ExpertGrid
    let parameters: ParameterSet
    let dataParallel: DataParallel

    /// Writes all weights to `path`. Tensors go to rank 0 one by one, which puts slices together, writes a file beside it and
    /// renames it at the end, so that `path` is never half a file. Every rank calls it.
    func saveWeights(to path: String, step: Int) throws {
        try save(
            ParameterLayout.allTensors(model: model), named: "", to: path,
            metadata: try Checkpoint.metadata(of: model, step: step))
    }

    /// Writes the adapters to the folder `path`, with PEFT's names. Every rank calls it.
    func saveAdapter(to path: String, step: Int, _ lora: LoRA) throws {
        let tensors = ParameterLayout.allTensors(model: model).filter { AdapterFile.isAdapter($0.name) }
        if world.rank == 0 {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            let configuration = try RecordFile(
                path: path + "/" + AdapterFile.configuration, grows: false, begun: true)
            try AdapterFile.configuration(of: model, lora).withUnsafeBytes { try configuration.write($0) }
            try configuration.commit()
        }
        try save(tensors, named: AdapterFile.prefix, to: path + "/" + AdapterFile.weights, metadata: ["format": "pt"])
    }

    /// Writes `tensors`, whose names begin with `prefix` in the file.
    private func save(
        _ tensors: [TensorSpec], named prefix: String, to path: String, metadata: [String: String]
    ) throws {
        guard world.rank == 0 else {
            for (index, tensor) in tensors.enumerated() { try sendShare(of: tensor, tag: index) }
            return
        }
        let file = try RecordFile(path: path, grows: false, begun: true)
        try SafeTensorsFile.header(tensors: tensors.map { $0.named(in: prefix) }, metadata: metadata)
            .withUnsafeBytes { try file.write($0) }
        for (index, tensor) in tensors.enumerated() {
            let whole = try gather(tensor, tag: index)
            try file.write(UnsafeRawBufferPointer(start: whole.pointer, count: tensor.count * 4))
        }
        try file.commit()
    }

    /// On every rank but 0: takes part in gathering a sharded tensor, and sends its share if the rank is one of the `owners`.
    private func sendShare(of tensor: TensorSpec, tag: Int) throws {
        guard let share = try localShare(of: tensor), owners(of: tensor).contains(world.rank) else { return }
        try world.send(share, to: 0, tag: tag)
    }

    /// On rank 0: puts a whole tensor together from its owners' shares.
    private func gather(_ tensor: TensorSpec, tag: Int) throws -> Storage<Float> {
        let whole = Storage<Float>(count: tensor.count)
        let mine = try localShare(of: tensor)
        let owners = owners(of: tensor)
        for (slice, owner) in owners.enumerated() {
            let share = TensorSlice(rank: slice, size: owners.count)
            let received = Storage<Float>(count: owner == 0 ? 0 : share.count(tensor))
            var source = UnsafePointer(received.pointer)
            if owner == 0 {
                guard let own = mine?.baseAddress else {
                    preconditionFailure("rank 0 owns \(tensor.name) and lacks it")
                }
                source = own
            } else {
                try world.receive(
                    into: UnsafeMutableBufferPointer(start: received.pointer, count: received.count), from: owner,
                    tag: tag)
            }
            share.forEachRun(tensor) { local, place, count in
                (whole.pointer + place).update(from: source + local, count: count)
            }
        }
        return whole
    }

    /// This rank's share of a tensor, gathered from the ranks it is sharded over; nil where its stage is not held.
    private func localShare(of tensor: TensorSpec) throws -> UnsafeBufferPointer<Float>? {
        guard let stage = stage(of: tensor), let (unit, slot) = parameters.find(stage: stage, name: tensor.name) else {
            return nil
        }
        try dataParallel.gatherWeights(of: unit)
        return UnsafeBufferPointer(start: unit.weights + slot.offset, count: slot.count)
    }

    /// The ranks whose shares make the whole tensor: the first of each set of copies.
    private func owners(of tensor: TensorSpec) -> [Int] {
        let pipeline = stage(of: tensor).map { placement.rank(stage: $0, microbatch: 0) } ?? 0
        let slices = 0..<(tensor.split == .whole ? 1 : layout.tensor)
        guard let expert = RoutedExperts.number(in: tensor.name), let moe = model.moe else {
            return slices.map { grid.rank(at: RankGrid.Coordinates(tensor: $0, pipeline: pipeline)) }
        }
        let holder = expert / (moe.experts / expertGrid.expert)
        return (0..<expertGrid.tensor).map { piece in
            let seat = expertGrid.seat(at: ExpertGrid.Coordinates(tensor: piece, expert: holder))
            return grid.rank(at: RankGrid.Coordinates(pipeline: pipeline)) + seat
        }
    }

    /// The stage that holds a tensor. A tied table counts as the first stage's.
    private func stage(of tensor: TensorSpec) -> Int? {
        let kind = ParameterLayout.units(model: model, layers: 0..<model.layers, isFirst: true, isLast: true)
            .first { $0.tensors.contains { $0.name == tensor.name } }?.kind
        switch kind {
        case .positions: return 0
        case .block(let layer), .experts(let layer): return partition.layers.firstIndex { $0.contains(layer) }
        case .table: return tensor.name == model.embedding.name ? 0 : partition.stages - 1
        case .finalNorm, nil: return partition.stages - 1
        }
    }
}
