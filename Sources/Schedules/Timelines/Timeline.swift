/// When everything happens: the spans of each rank, ordered by start. The simulator predicts one, the runtime measures
/// one. Every figure and picture is computed from it.
package struct Timeline: Hashable, Codable, Sendable {
    /// The kind of work of a span.
    package enum Activity: String, Hashable, Codable, Sendable, CaseIterable {
        case compute, send, receive, collective, optimizer, idle
    }

    /// One span of one rank's time, in seconds (or ticks) since the iteration began.
    package struct Span: Hashable, Codable, Sendable {
        package var activity: Activity
        /// Of compute: the action. Of a transfer: the action whose tensor travels. Of a collective: the action that waits for it.
        package var action: Action?
        package var start: Double
        package var end: Double
        /// Bytes moved by a transfer or collective, 0 for compute.
        package var bytes: Double
        /// The other rank of a transfer, −1 if none.
        package var peer: Int

        package init(
            _ activity: Activity, action: Action? = nil, start: Double, end: Double, bytes: Double = 0, peer: Int = -1
        ) {
            self.activity = activity
            self.action = action
            self.start = start
            self.end = end
            self.bytes = bytes
            self.peer = peer
        }

        package var duration: Double { end - start }
    }

    package var name: String
    /// Spans of each rank, ordered by start.
    package var ranks: [[Span]]
    /// What each rank runs on, if ranks run on unlike devices.
    package var places: [String]?

    package init(name: String, ranks: [[Span]]) {
        self.name = name
        self.ranks = ranks
    }

    /// The places of all ranks in words: `ranks 0 to 3 on h100`; nil if ranks do not differ.
    package var placesInWords: String? {
        guard let places, !places.isEmpty else { return nil }
        var runs: [(first: Int, last: Int, place: String)] = []
        for (rank, place) in places.enumerated() {
            if let last = runs.last, last.place == place {
                runs[runs.count - 1].last = rank
            } else {
                runs.append((rank, rank, place))
            }
        }
        return runs.map { run in
            (run.first == run.last ? "rank \(run.first)" : "ranks \(run.first) to \(run.last)") + " on \(run.place)"
        }.joined(separator: ", ")
    }

    /// The label of a rank in drawings: `rank 3`, with what it runs on if ranks differ.
    package func label(ofRank rank: Int) -> String {
        guard let places, rank < places.count else { return "rank \(rank)" }
        return "rank \(rank) \(places[rank])"
    }
}
