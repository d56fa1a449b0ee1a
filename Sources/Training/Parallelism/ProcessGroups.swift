internal import MPI
internal import Plans
internal import Schedules

/// The ranks that a rank works with: one communicator for each kind of parallelism.
struct ProcessGroups {
    let place: RankGrid.Coordinates
    /// The ranks that share this rank's matrices.
    let tensor: Communicator
    /// The ranks that hold the other pieces of its sequences.
    let context: Communicator
    /// The ranks that a micro-batch travels through.
    let pipeline: Communicator
    /// The ranks that hold the same stages and the same share of the matrices: data- and context-parallel ranks, and in a
    /// bidirectional pipeline also the rank with the other copy of the stages.
    let gradient: Communicator
    /// The ranks that exchange tokens because each holds other experts.
    let experts: Communicator
    /// The ranks that hold the other pieces of this rank's experts.
    let expertTensor: Communicator
    /// The ranks that hold the same piece of the same experts.
    let expertCopies: Communicator
    /// The ranks that together hold the tokens of one micro-batch.
    let microbatch: Communicator
    /// The first and the last rank of a pipeline, where each holds a copy of a tied table; nil on every other rank.
    let embedding: Communicator?

    init(
        _ world: Communicator, grid: RankGrid, schedule: Schedule, tied: Bool, experts expertGrid: ExpertGrid
    ) throws(MPIError) {
        let place = grid.coordinates(of: world.rank)
        self.place = place
        func group(color: Int, key: Int) throws(MPIError) -> Communicator {
            guard let made = try world.split(color: color, key: key) else {
                preconditionFailure("a split with a colour gives a communicator")
            }
            return made
        }
        tensor = try group(
            color: (place.pipeline * grid.data + place.data) * grid.context + place.context, key: place.tensor)
        context = try group(
            color: (place.pipeline * grid.data + place.data) * grid.tensor + place.tensor, key: place.context)
        pipeline = try group(
            color: (place.data * grid.context + place.context) * grid.tensor + place.tensor, key: place.pipeline)
        // Ranks r and p−1−r of a bidirectional pipeline hold the same two stages.
        let mirrored = grid.pipeline - 1 - place.pipeline
        let twins = schedule.placement.reverseStageToRank == nil ? place.pipeline : min(place.pipeline, mirrored)
        gradient = try group(
            color: twins * grid.tensor + place.tensor,
            key: (place.pipeline * grid.data + place.data) * grid.context + place.context)
        let seat = expertGrid.coordinates(ofSeat: grid.seat(of: place))
        // A copy of all experts takes expert · tensor ranks.
        let copy = place.pipeline * expertGrid.copies + seat.copy
        experts = try group(color: copy * expertGrid.tensor + seat.tensor, key: seat.expert)
        expertTensor = try group(color: copy * expertGrid.expert + seat.expert, key: seat.tensor)
        expertCopies = try group(
            color: (twins * expertGrid.expert + seat.expert) * expertGrid.tensor + seat.tensor, key: world.rank)
        microbatch = try group(
            color: place.pipeline * grid.data + place.data, key: place.context * grid.tensor + place.tensor)
        let held = schedule.stages(on: place.pipeline)
        let (first, last) = (held.contains(0), held.contains(schedule.stages - 1))
        let joins = tied && first != last
        // Every rank takes part in a split, whether or not it joins a group.
        embedding =
            tied
            ? try world.split(
                color: joins
                    ? (place.data * grid.context + place.context) * grid.tensor + place.tensor : nil,
                key: place.pipeline) : nil
    }
}

extension Schedule {
    /// The stages that `rank` holds, of both directions, in order.
    func stages(on rank: Int) -> [Int] {
        (0..<stages).filter {
            placement.stageToRank[$0] == rank || placement.reverseStageToRank?[$0] == rank
        }
    }

    /// The number of backwards of `stage` that `rank` computes in a step.
    func backwards(of stage: Int, on rank: Int) -> Int {
        actions[rank].reduce(0) { count, action in
            var count = count
            var parts = action.parts
            while let part = parts.next() {
                if Int(part.stage) == stage, part.kind == .backward || part.kind == .backwardInput { count += 1 }
            }
            return count
        }
    }
}
