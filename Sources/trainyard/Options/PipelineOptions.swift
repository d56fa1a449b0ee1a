internal import ArgumentParser
internal import Options
internal import Plans
internal import Reading
internal import Schedules

/// The options for the size of a pipeline.
struct PipelineOptions: ParsableArguments {
    @Option(help: "Pipeline ranks.")
    var ranks: Count = 4

    @Option(help: "Stages each rank holds. (default: one if the schedule takes it, else as few as it does)")
    var virtualStages: Count?

    @Option(help: "Micro-batches an iteration.")
    var microbatches: Count = 8

    @Option(help: "Micro-batches that pass one stage of a rank before the next (interleaved-1f1b); chosen if left out.")
    var groupSize: Count?

    @Option(help: "Divide the vocabulary over the ranks, with passes S and T (1f1b): vocab-1 or vocab-2.")
    var vocabularyParallel: VocabularyParallel?

    /// The action lists of the schedule that the user names.
    /// - Throws: the exit code of bad input where there are none.
    func schedule(named name: String) throws -> Schedule {
        let stages = try virtualStages?.value ?? Self.scheduleName(name).fixedVirtualStages ?? 1
        return try Self.schedule(
            named: name,
            PipelineShape(
                ranks: ranks.value, virtualStages: stages, microbatches: microbatches.value,
                groupSize: groupSize?.value,
                vocabulary: vocabularyParallel))
    }

    /// The action lists of the schedule that the user names.
    /// - Throws: the exit code of bad input where there are none.
    static func schedule(named name: String, _ shape: PipelineShape) throws -> Schedule {
        let schedule = try scheduleName(name)
        do throws(ScheduleProblem) {
            return try schedule.schedule(shape)
        } catch {
            throw Failure.input(error.description)
        }
    }

    static func scheduleName(_ name: String) throws -> ScheduleName {
        guard let schedule = ScheduleName(named: name) else {
            let known = ScheduleName.allCases.map(\.rawValue)
            throw Failure.input(
                "there is no schedule \"\(name)\"; there are \(Wording.alternatives(known))")
        }
        return schedule
    }
}

extension VocabularyParallel: ExpressibleByArgument {}
