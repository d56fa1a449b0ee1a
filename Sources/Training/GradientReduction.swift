internal import MPI
internal import Plans
internal import Tensors

/// What has to be summed over ranks before the optimizer may step.
struct GradientReduction {
    /// Ranks that hold the same stages for other sequences.
    private let dataGroup: Communicator
    /// First and last rank of a pipeline whose embeddings are tied; nil for every other rank.
    private let embeddingGroup: Communicator?
    /// This rank's `wte.weight` gradient in the flat arrays, when `embeddingGroup` reduces it.
    private let tied: ParameterSet.Slot?
    /// Whether this rank's copy of the tied table is left out of the norm (the first stage's counts).
    private let skipsTiedInNorm: Bool

    init(
        pipelineGroup: Communicator, dataGroup: Communicator, model: Model, stages: Int,
        held: [Int], parameters: ParameterSet
    ) throws(MPIError) {
        self.dataGroup = dataGroup
        let isTied = model.tiedEmbeddings && pipelineGroup.size > 1
        let holdsFirst = held.contains(0)
        let holdsLast = held.contains(stages - 1)
        let joins = isTied && (holdsFirst || holdsLast)
        // Every rank takes part in a split, whether or not it joins a group.
        embeddingGroup = isTied ? try pipelineGroup.split(color: joins ? 0 : nil, key: pipelineGroup.rank) : nil
        tied = joins ? parameters.slot(stage: holdsFirst ? 0 : stages - 1, name: "wte.weight") : nil
        skipsTiedInNorm = joins && !holdsFirst
    }

    /// Sums gradients: the tied table over first and last stage, then everything over the data-parallel ranks.
    func reduce(_ parameters: ParameterSet) throws(MPIError) {
        if let embeddingGroup, let tied {
            try embeddingGroup.allReduceInPlace(
                UnsafeMutableBufferPointer(start: parameters.gradients + tied.offset, count: tied.tensor.count))
        }
        if dataGroup.size > 1 {
            try dataGroup.allReduceInPlace(
                UnsafeMutableBufferPointer(start: parameters.gradients, count: parameters.count))
        }
    }

    /// Sum of squares of this rank's reduced gradients, every tensor of the pipeline counted once.
    func squaredNorm(_ parameters: ParameterSet) -> Double {
        var sum = 0.0
        for slot in parameters.slots where !(skipsTiedInNorm && slot == tied) {
            sum += VectorMath.sumOfSquares(parameters.gradients + slot.offset, count: slot.tensor.count)
        }
        return sum
    }
}
