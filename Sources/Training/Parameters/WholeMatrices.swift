internal import MPI
internal import Models
internal import Tensors

/// Muon's step of the matrices that a rank holds. Tensor ranks gather a matrix that they cut between them, each orthogonalises
/// all of it and keeps its slice: the update is the same as on one process.
final class WholeMatrices {
    private let tensor: GroupCollectives?
    private let expertTensor: GroupCollectives?
    private let own: GrowingStorage<Float>
    private let gathered: GrowingStorage<Float>
    private let whole: GrowingStorage<Float>
    private let room: GrowingStorage<Float>

    /// - Parameters:
    ///   - tensor: ranks that share a block's matrices.
    ///   - expertTensor: ranks that share an expert's matrices.
    init(tensor: Communicator, expertTensor: Communicator, sharesMemory: Bool) throws(MPIError) {
        func collectives(_ group: Communicator) throws(MPIError) -> GroupCollectives? {
            group.size > 1 ? try GroupCollectives(group, capacity: 1 << 16, sharesMemory: sharesMemory) : nil
        }
        self.tensor = try collectives(tensor)
        self.expertTensor = try collectives(expertTensor)
        (own, gathered, whole, room) = (GrowingStorage(), GrowingStorage(), GrowingStorage(), GrowingStorage())
    }

    /// Whether Muon steps `slot` of `unit`: matrices of blocks and experts.
    static func contains(_ slot: ParameterUnit.Slot, of unit: ParameterUnit) -> Bool {
        switch unit.kind {
        case .block, .experts: slot.tensor.isMatrix
        case .table, .positions, .finalNorm: false
        }
    }

    /// Steps one matrix. Queries, keys and values that lie side by side are orthogonalised by themselves.
    func step(
        _ slot: ParameterUnit.Slot, of unit: ParameterUnit, _ part: UpdatePart, moment: UnsafeMutablePointer<Float>,
        _ muon: Muon, learningRate: Double, gradientScale: Float
    ) throws(MPIError) {
        let tensor = slot.tensor
        let update = own.reserve(slot.count)
        muon.blend(
            gradients: part.gradients, gradientScale: gradientScale, moment: moment, update: update, count: slot.count)
        let (rows, columns) = (tensor.shape[0], tensor.shape[1])
        let all = whole.reserve(rows * columns)
        let collectives = unit.isExperts ? expertTensor : self.tensor
        if tensor.split != .whole, let collectives {
            let slices = gathered.reserve(slot.count * unit.share.size)
            try collectives.gatherSlices(update, length: slot.count, into: slices)
            for rank in 0..<unit.share.size {
                TensorSlice(rank: rank, size: unit.share.size).forEachRun(tensor) { local, place, count in
                    (all + place).update(from: slices + rank * slot.count + local, count: count)
                }
            }
        } else {
            all.update(from: update, count: slot.count)
        }
        var groups = 1
        if case .columns(let joined) = tensor.split { groups = joined }
        let width = columns / groups
        for group in 0..<groups {
            let matrix = Matrix(all, rows: rows, columns: columns).columns(group * width..<(group + 1) * width)
            let space = room.reserve(rows * width + Muon.room(rows: rows, columns: width))
            let copy = Matrix(space, rows: rows, columns: width)
            copy.copy(from: matrix)
            muon.orthogonalise(copy, room: space + rows * width)
            matrix.copy(from: copy)
        }
        let slice = tensor.split == .whole ? TensorSlice() : unit.share
        slice.forEachRun(tensor) { local, place, count in
            (update + local).update(from: all + place, count: count)
        }
        muon.apply(
            part.weights, update: update, count: slot.count, rows: rows, columns: width, learningRate: learningRate)
    }
}
