/// The time of a schedule without a closed form: its lists are run.
extension PipelineSchedule {
    /// Actions beyond which a shorter run is timed.
    private static var mostTimedActions: Int { 1 << 16 }

    /// Time of an iteration with equal stages. Of a long run the first micro-batches are run, and each of the others adds a
    /// micro-batch's work. Infinite where the lists cannot be run.
    static func listedMakespan(_ shape: PipelineShape, times: UniformTimes) -> Double {
        let timed = timedShape(shape)
        guard let schedule = try? schedule(timed), let valid = try? ValidSchedule(schedule) else { return .infinity }
        // A micro-batch meets a rank once a stage; of the two copies of a bidirectional pipeline it meets one.
        let stages = Double(schedule.stages / schedule.ranks)
        return valid.makespan(
            forward: times.forward / stages, backwardInput: times.backwardInput / stages,
            backwardWeight: times.backwardWeight / stages, transfer: times.transfer)
            + Double(shape.microbatches - timed.microbatches) * times.whole
    }

    /// The run that is timed for `shape`: the run itself unless it is long.
    static func timedShape(_ shape: PipelineShape) -> PipelineShape {
        let actions = (splitsBackward ? 3 : 2) * shape.ranks * shape.virtualStages
        let most = max(4 * shape.ranks, mostTimedActions / actions)
        guard shape.microbatches > most else { return shape }
        var short = shape
        for microbatches in stride(from: most, to: 0, by: -1) {
            short.microbatches = microbatches
            if problem(short) == nil { return short }
        }
        return shape
    }
}
