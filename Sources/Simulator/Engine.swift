internal import Schedules

/// The discrete-event simulation: gives every action and message of a schedule its start and end.
///
/// A rank runs its list strictly in order, one action at a time. An action starts when its rank is free and its input has
/// arrived. A full backward sends its input gradient only at its end, a fused action both of its outputs. A run is one
/// pass over the actions and allocates nothing. An engine can run any number of times.
struct Engine {
    let schedule: ValidSchedule
    private let mode: ActionCosts.TransferMode
    private let transfer: Double
    /// Times of the exchanges of a divided vocabulary, by `ValidSchedule.Exchange`.
    private let exchanges: [Double]
    /// Times of messages into each stage, activations first, then gradients; empty if all take `transfer`.
    private let unlike: [Double]
    /// Times of actions that are not fused, as `ValidSchedule.Operation.time` numbers them.
    private let times: [Double]
    /// Time of each fused action.
    private let fusedTimes: [Double]

    /// Start of every action, rank after rank; empty without `keepsTimes`.
    private(set) var start: [Double] = []
    /// End of every action, likewise.
    private(set) var end: [Double] = []
    /// Departure of every message, by slot; empty without `keepsTimes`.
    private(set) var departure: [Double] = []
    /// Arrival of every message, by slot.
    private(set) var arrival: [Double]
    /// End of the last action.
    private(set) var makespan = 0.0

    /// Time at which each rank is free again.
    private var free: [Double]
    /// Time at which each link is free again.
    private var linkFree: [Double]

    /// - Parameter keepsTimes: whether the times of single actions are kept, and not the makespan alone.
    init(_ schedule: ValidSchedule, costs: ActionCosts, keepsTimes: Bool) {
        self.schedule = schedule
        mode = costs.transferMode
        transfer = costs.transfer
        unlike = costs.transfers.map { [0] + $0 + $0 + [0] } ?? []
        var times = costs.forward + costs.backward + costs.backwardInput + costs.backwardWeight
        if let vocabulary = costs.vocabulary, schedule.vocabulary != nil {
            // The place of fused actions, which have times of their own.
            times += [Double](repeating: 0, count: schedule.stages)
            times += [Double](repeating: vocabulary.softmax, count: schedule.stages)
            times += [Double](repeating: vocabulary.gradient, count: schedule.stages)
            exchanges = [vocabulary.broadcast, vocabulary.firstBarrier, vocabulary.secondBarrier]
        } else {
            exchanges = []
        }
        self.times = times
        fusedTimes = schedule.fused.map {
            (costs.forward[Int($0.forwardStage)] + costs.backward[Int($0.backwardStage)]) * costs.fusedShare
        }
        arrival = [Double](repeating: 0, count: schedule.slots)
        free = [Double](repeating: 0, count: schedule.ranks)
        linkFree = [Double](repeating: 0, count: schedule.links.count)
        if keepsTimes {
            start = [Double](repeating: 0, count: schedule.operations.count)
            end = start
            departure = arrival
        }
    }

    /// Runs the whole schedule from time 0.
    /// - Parameters:
    ///   - slowdown: a factor on the times of each rank's actions; nil: 1.
    ///   - noise: random factors on the time of every action and message; nil: 1.
    mutating func run(slowdown: [Double]? = nil, noise: Noise? = nil) {
        for rank in free.indices { free[rank] = 0 }
        for link in linkFree.indices { linkFree[link] = 0 }
        // The arrival of an exchange is the latest of all contributions.
        if !exchanges.isEmpty {
            for slot in 2 * schedule.stages * schedule.microbatches..<arrival.count {
                arrival[slot] = 0
                if !departure.isEmpty { departure[slot] = 0 }
            }
        }
        if var noise {
            timeAll(slowdown: slowdown) { noise.factor() }
        } else {
            timeAll(slowdown: slowdown) { 1 }
        }
    }

    @inline(__always)
    private mutating func timeAll(slowdown: [Double]?, factor: () -> Double) {
        let keepsTimes = !end.isEmpty
        let slowdown = slowdown ?? [Double](repeating: 1, count: schedule.ranks)
        makespan = 0
        for operation in schedule.operations {
            let rank = Int(operation.rank)
            var actionStart = free[rank]
            if operation.input >= 0 { actionStart = max(actionStart, arrival[Int(operation.input)]) }
            var length: Double
            if operation.time >= 0 {
                length = times[Int(operation.time)]
            } else {
                let index = Int(-1 - operation.time)
                length = fusedTimes[index]
                let input = schedule.fused[index].input
                if input >= 0 { actionStart = max(actionStart, arrival[Int(input)]) }
            }
            length *= slowdown[rank] * factor()
            let done = actionStart + length
            if keepsTimes {
                start[Int(operation.index)] = actionStart
                end[Int(operation.index)] = done
            }
            free[rank] = done
            makespan = max(makespan, done)
            if operation.output >= 0 {
                send(operation.output, link: operation.link, from: rank, at: done, keepsTimes, factor)
            }
            if operation.time < 0 {
                let partner = schedule.fused[Int(-1 - operation.time)]
                if partner.output >= 0 {
                    send(partner.output, link: partner.link, from: rank, at: done, keepsTimes, factor)
                }
            }
        }
    }

    @inline(__always)
    private mutating func send(
        _ slot: Int32, link: Int32, from rank: Int, at time: Double, _ keepsTimes: Bool, _ factor: () -> Double
    ) {
        var left = time
        var arrived = time
        if link >= 0, transfer > 0 {
            let length = (unlike.isEmpty ? transfer : unlike[Int(slot) / schedule.microbatches]) * factor()
            switch mode {
            case .asynchronous: break
            case .link:
                left = max(time, linkFree[Int(link)])
                linkFree[Int(link)] = left + length
            case .blocking:
                left = free[rank]
                free[rank] = left + length
            }
            arrived = left + length
        } else if link < -1 {
            arrived = max(arrival[Int(slot)], time + exchanges[-2 - Int(link)] * factor())
            left = max(departure.isEmpty ? 0 : departure[Int(slot)], time)
        }
        arrival[Int(slot)] = arrived
        if keepsTimes { departure[Int(slot)] = left }
    }
}
