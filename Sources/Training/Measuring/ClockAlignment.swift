internal import MPI

/// The offset between the ranks' clocks, from the exchange with the shortest round trip (Cristian 1989).
enum ClockAlignment {
    private static let exchanges = 20

    /// This rank's clock minus rank 0's, seconds. Every rank of `world` calls it.
    static func offset(_ world: Communicator) throws(MPIError) -> Double {
        var offset = 0.0
        for rank in 1..<max(world.size, 1) where world.rank == 0 || world.rank == rank {
            var shortest = Double.infinity
            for _ in 0..<exchanges {
                if world.rank == 0 {
                    _ = try world.receive(Double.self, count: 1, from: rank, tag: tag)
                    try world.send([MonotonicClock.seconds()], to: rank, tag: tag)
                } else {
                    let asked = MonotonicClock.seconds()
                    try world.send([asked], to: 0, tag: tag)
                    let theirs = try world.receive(Double.self, count: 1, from: 0, tag: tag)[0]
                    let answered = MonotonicClock.seconds()
                    if answered - asked < shortest {
                        shortest = answered - asked
                        offset = (asked + answered) / 2 - theirs
                    }
                }
            }
        }
        return offset
    }

    private static let tag = 0
}
