package import MPI
internal import Models
internal import Plans
internal import Schedules

/// The part that a process takes in generating text: all of the model, or a rank's part in the layout of a run.
///
/// Tensor, pipeline and expert ranks hold what they hold in the run. Data and context ranks share the sequences: each reads
/// whole ones, its `seat`'s. Of the two copies of a bidirectional pipeline the first is used.
package struct GenerationPlace {
    let layout: Layout?
    /// nil: one process without MPI.
    let world: Communicator?
    let groups: ProcessGroups?
    /// The pipeline rank of each stage.
    let stageToRank: [Int]
    let layers: [Range<Int>]
    /// The number of this rank's share of the sequences.
    package let seat: Int
    /// The shares.
    package let seats: Int
    /// By seat: the rank that speaks for it, one that holds the last stage.
    package let speakers: [Int]

    /// One process.
    package init(layers: Int) {
        (layout, world, groups) = (nil, nil, nil)
        (stageToRank, self.layers) = ([0], [0..<layers])
        (seat, seats, speakers) = (0, 1, [0])
    }

    /// A rank of a run's layout. Every rank of `world` calls it.
    /// - Throws: `TrainingError` where the checkpoint's layout is not that of so many processes.
    package init(_ manifest: CheckpointManifest, path: String, world: Communicator) throws {
        let (layout, model) = (manifest.layout, manifest.model)
        guard world.size == layout.devices else {
            throw TrainingError.unsupported(
                field: "--layout", value: "run",
                reason:
                    "started as \(world.size) process\(world.size == 1 ? "" : "es"), and the layout of \(path) takes "
                    + "\(layout.devices): run mpirun -n \(layout.devices), or one process with --layout one")
        }
        if let problem = layout.problemsOfARun(model, batch: manifest.batch).first {
            throw TrainingError.layout(problem)
        }
        var schedule = try layout.schedule.schedule(
            ranks: layout.pipeline, virtualStages: layout.virtualStages,
            microbatches: manifest.batch / (layout.data * layout.microbatch))
        // Sequences go one way.
        schedule.placement.reverseStageToRank = nil
        let grid = RankGrid(layout)
        let groups = try ProcessGroups(world, grid: grid, schedule: schedule, tied: false, experts: ExpertGrid(layout))
        (self.layout, self.world, self.groups) = (layout, world, groups)
        stageToRank = schedule.placement.stageToRank
        layers = StagePartition(layout, model: model).layers
        seats = layout.data * layout.context
        seat = groups.place.data * layout.context + groups.place.context
        let last = stageToRank.last ?? 0
        speakers = (0..<seats).map {
            grid.rank(
                at: RankGrid.Coordinates(
                    tensor: 0, context: $0 % layout.context, data: $0 / layout.context, pipeline: last))
        }
    }

    /// Whether this is the process that speaks for all.
    package var isFirst: Bool { world.map { $0.rank == 0 } ?? true }

    var tensor: Int { layout?.tensor ?? 1 }
    var pipelineRank: Int { groups?.place.pipeline ?? 0 }

    /// The stages of this rank, in order.
    var held: [Int] { stageToRank.indices.filter { stageToRank[$0] == pipelineRank } }

    /// The numbers of this rank's seat become those of all seats, one seat behind the other, on every rank.
    package func share(_ numbers: [Int32]) throws(MPIError) -> [[Int32]] {
        guard let world else { return [numbers] }
        let all = try world.allGather(numbers)
        return speakers.map { Array(all[$0 * numbers.count..<($0 + 1) * numbers.count]) }
    }
}
