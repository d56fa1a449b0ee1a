internal import MPI
internal import Models
internal import Plans
internal import Tensors

/// The norm of a step's gradients over all ranks. The gradients of a tied table's two copies are summed first, and every
/// tensor counts once.
struct GradientNorm {
    private let parameters: ParameterSet
    /// The first and the last rank of a pipeline, where each holds a copy of a tied table; nil elsewhere.
    private let embedding: GroupCollectives?
    /// This rank's copy of that table.
    private let tied: ParameterUnit?
    /// Whether that copy is left out of the norm: the first stage's copy counts.
    private let skipsTied: Bool
    private let tensorRank: Int

    init(
        parameters: ParameterSet, embedding: Communicator?, tensorRank: Int, last: Int, sharesMemory: Bool
    ) throws(MPIError) {
        self.parameters = parameters
        self.tensorRank = tensorRank
        if let embedding {
            let first = parameters.units.first { $0.kind == .table && $0.stage == 0 }
            tied = first ?? parameters.units.first { $0.kind == .table && $0.stage == last }
            skipsTied = first == nil
            self.embedding = try GroupCollectives(embedding, capacity: 1 << 16, sharesMemory: sharesMemory)
        } else {
            (tied, skipsTied, self.embedding) = (nil, false, nil)
        }
    }

    /// Sums the tied table's gradients over the first and the last stage. Both copies then take the same step.
    func sumTiedGradients() throws(MPIError) {
        guard let embedding, tied?.isFrozen != true else { return }
        guard let tied else { preconditionFailure("a rank of the tied table's group without a copy of it") }
        try embedding.allReduce(parameters.gradientSlice(tied), count: parameters.ownRange(tied).count)
    }

    /// This rank's part of the squared norm of the reduced gradients. Over all ranks the parts add up to every tensor's
    /// square, once.
    func sumOfSquares() -> Double {
        var sum = 0.0
        for unit in parameters.units where !unit.isFrozen && !(skipsTied && unit === tied) {
            let range = parameters.ownRange(unit)
            // Without sharding every rank of the unit's group has the whole sum.
            let copies = parameters.sharding == .none ? Double(unit.shard.size) : 1
            for slot in unit.slots where slot.tensor.split != .whole || tensorRank == 0 {
                let part = (slot.offset..<slot.offset + slot.count).clamped(to: range)
                guard !part.isEmpty else { continue }
                let squares = VectorMath.sumOfSquares(
                    parameters.gradientSlice(unit) + part.lowerBound - range.lowerBound, count: part.count)
                sum += squares / copies
            }
        }
        return sum
    }
}
