internal import MPI
internal import Plans
internal import Tensors

/// The end of a step's gradients: the copies of a tied table are summed, and every tensor's square counted once.
struct GradientNorm {
    private let parameters: ParameterSet
    /// First and last rank of a pipeline with a tied table on each.
    private let embedding: GroupBuffers?
    /// This rank's copy of that table.
    private let tied: ParameterUnit?
    /// Whether it is left out of the norm (the first stage's counts).
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
            self.embedding = try GroupBuffers(embedding, capacity: 1 << 16, sharesMemory: sharesMemory)
        } else {
            (tied, skipsTied, self.embedding) = (nil, false, nil)
        }
    }

    /// Sums the tied table's gradients over first and last stage; both then take the same step.
    func tie() throws(MPIError) {
        guard let embedding else { return }
        guard let tied else { preconditionFailure("a rank of the tied table's group without a copy of it") }
        try embedding.allReduce(parameters.gradientSlice(tied), count: parameters.ownRange(tied).count)
    }

    /// This rank's part of the squared norm of the reduced gradients: over all ranks it adds up to every tensor's once.
    func squared() -> Double {
        var sum = 0.0
        for unit in parameters.units where !(skipsTied && unit === tied) {
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
