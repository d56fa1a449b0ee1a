internal import Schedules

/// The discrete-event core: gives every action and message of a program its start and end.
///
/// A rank runs its list strictly in order, one action at a time; an action starts when its rank is free and its input
/// has arrived. A full backward publishes its input gradient only at its end, a fused action both of its outputs.
/// One pass over the actions; nothing is allocated on the way, and an engine runs as often as is wanted.
struct Engine {
    let program: ScheduleProgram
    private let mode: ActionCosts.TransferMode
    private let transfer: Double
    /// Time of each kind on each stage: forward, backward, input gradient, weight gradient.
    private let times: [Double]
    /// Time of each fused action.
    private let fusedTimes: [Double]

    /// Start and end of every action, rank after rank; empty unless asked for.
    private(set) var start: [Double] = []
    private(set) var end: [Double] = []
    /// When each message left and arrived, by slot; departures only where the actions' times are kept too.
    private(set) var departure: [Double] = []
    private(set) var arrival: [Double]
    /// End of the last action.
    private(set) var makespan = 0.0

    /// When each rank is free again, and each link.
    private var free: [Double]
    private var linkFree: [Double]

    /// - Parameter keepsTimes: Whether the times of single actions are wanted, or only the makespan.
    init(program: ScheduleProgram, costs: ActionCosts, keepsTimes: Bool) {
        self.program = program
        mode = costs.transferMode
        transfer = costs.transfer
        times = costs.forward + costs.backward + costs.backwardInput + costs.backwardWeight
        fusedTimes = program.fused.map {
            (costs.forward[Int($0.forwardStage)] + costs.backward[Int($0.backwardStage)]) * costs.fusedShare
        }
        arrival = [Double](repeating: 0, count: program.slots)
        free = [Double](repeating: 0, count: program.ranks)
        linkFree = [Double](repeating: 0, count: program.links.count)
        if keepsTimes {
            start = [Double](repeating: 0, count: program.operations.count)
            end = start
            departure = arrival
        }
    }

    /// Runs the whole schedule from time 0.
    /// - Parameters:
    ///   - slowdown: What each rank's actions take more, 1 for none.
    ///   - noise: A factor for every action and message as it happens; nil for none.
    mutating func run(slowdown: [Double]? = nil, noise: Noise? = nil) {
        for rank in free.indices { free[rank] = 0 }
        for link in linkFree.indices { linkFree[link] = 0 }
        if var noise {
            pass(slowdown: slowdown) { noise.factor() }
        } else {
            pass(slowdown: slowdown) { 1 }
        }
    }

    @inline(__always)
    private mutating func pass(slowdown: [Double]?, factor: () -> Double) {
        let keepsTimes = !end.isEmpty
        let slowdown = slowdown ?? [Double](repeating: 1, count: program.ranks)
        makespan = 0
        for operation in program.operations {
            let rank = Int(operation.rank)
            var begin = free[rank]
            if operation.input >= 0 { begin = max(begin, arrival[Int(operation.input)]) }
            var length: Double
            if operation.time >= 0 {
                length = times[Int(operation.time)]
            } else {
                let index = Int(-1 - operation.time)
                length = fusedTimes[index]
                let input = program.fused[index].input
                if input >= 0 { begin = max(begin, arrival[Int(input)]) }
            }
            length *= slowdown[rank] * factor()
            let done = begin + length
            if keepsTimes {
                start[Int(operation.index)] = begin
                end[Int(operation.index)] = done
            }
            free[rank] = done
            makespan = max(makespan, done)
            if operation.output >= 0 {
                send(operation.output, link: operation.link, from: rank, at: done, keepsTimes, factor)
            }
            if operation.time < 0 {
                let partner = program.fused[Int(-1 - operation.time)]
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
            let length = transfer * factor()
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
        }
        arrival[Int(slot)] = arrived
        if keepsTimes { departure[Int(slot)] = left }
    }
}
