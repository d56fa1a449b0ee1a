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

    package init(name: String, ranks: [[Span]]) {
        self.name = name
        self.ranks = ranks
    }
}
