import Foundation
import Schedules
import Simulator
import Testing

/// The trace follows the trace-event format: what `ph` promises, the event has.
@Suite struct ChromeTraceTests {
    private struct Trace: Decodable {
        struct Event: Decodable {
            var ph: String
            var name: String
            var cat: String?
            var pid: Int
            var tid: Int?
            var ts: Double?
            var dur: Double?
            var id: Int?
            var bp: String?
            var args: [String: Argument]?
        }

        enum Argument: Decodable, Equatable {
            case number(Double)
            case text(String)

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let number = try? container.decode(Double.self) {
                    self = .number(number)
                } else {
                    self = .text(try container.decode(String.self))
                }
            }
        }

        var displayTimeUnit: String
        var traceEvents: [Event]

        func of(_ phase: String) -> [Event] { traceEvents.filter { $0.ph == phase } }
    }

    private static func timeline(transfer: Double, mode: ActionCosts.TransferMode = .asynchronous) throws -> Timeline {
        let schedule = try ScheduleName.interleaved.schedule(ranks: 2, virtualStages: 2, microbatches: 4)
        let one = [Double](repeating: 1, count: 4)
        return try Simulator.simulate(
            schedule,
            costs: ActionCosts(
                forward: one, backwardInput: one, backwardWeight: one, transfer: transfer, transferMode: mode))
    }

    private static func parse(_ json: String) throws -> Trace {
        try JSONDecoder().decode(Trace.self, from: Data(json.utf8))
    }

    @Test func everyPhaseHasItsFields() throws {
        let trace = try Self.parse(Self.timeline(transfer: 0.25).chromeTrace())
        #expect(trace.displayTimeUnit == "ms")
        #expect(Set(trace.traceEvents.map(\.ph)) == ["M", "X", "C", "s", "f"])
        for event in trace.of("X") { #expect(event.ts != nil && event.dur != nil && event.tid != nil) }
        for event in trace.of("C") { #expect(event.ts != nil && event.args?.count == 1) }
        for event in trace.of("s") + trace.of("f") { #expect(event.ts != nil && event.id != nil && event.tid != nil) }
        #expect(trace.of("f").allSatisfy { $0.bp == "e" })
    }

    /// Rules of Perfetto for numbers beside the format: no process or thread 0 (its own idle one), none of more than 32
    /// bits; and every event belongs to a track that was named.
    @Test func processesAndThreadsAreNumberedAsPerfettoWants() throws {
        var both = ChromeTrace()
        both.add(try Self.timeline(transfer: 0.25))
        both.add(Timeline(name: "many ranks", ranks: [[Timeline.Span]](repeating: [], count: 5000)))
        let trace = try Self.parse(both.json())
        #expect(Set(trace.traceEvents.map(\.pid)) == [1, 2])
        let threads = trace.traceEvents.compactMap(\.tid)
        #expect(threads.allSatisfy { $0 > 0 && $0 <= UInt32.max })
        struct Track: Hashable {
            var pid: Int
            var tid: Int?
        }
        func tracks(_ events: [Trace.Event]) -> Set<Track> { Set(events.map { Track(pid: $0.pid, tid: $0.tid) }) }
        let named = tracks(trace.of("M").filter { $0.name == "thread_name" })
        #expect(tracks(trace.of("X") + trace.of("s") + trace.of("f")).isSubset(of: named))
        #expect(named.count == trace.of("M").filter { $0.name == "thread_name" }.count)
        #expect(named == tracks(trace.of("M").filter { $0.name == "thread_sort_index" }))
        for event in trace.traceEvents { #expect(event.ts ?? 0 >= 0 && event.dur ?? 0 >= 0 && !event.name.isEmpty) }
    }

    @Test func slicesCarryTimesInMicroseconds() throws {
        let timeline = try Self.timeline(transfer: 0.25)
        let trace = try Self.parse(timeline.chromeTrace(secondsPerUnit: 1e-3))
        let slices = trace.of("X")
        #expect(slices.count == timeline.ranks.joined().count)
        let first = try #require(slices.first)
        #expect(first.name == "0F0" && first.cat == "forward" && first.ts == 0 && first.dur == 1000)
        #expect(first.args?["stage"] == .number(0) && first.args?["microbatch"] == .number(0))
        let send = try #require(slices.first { $0.cat == "send" })
        #expect(send.name == "send 0F0" && send.ts == 1000 && send.dur == 250)
        #expect(send.args?["peer"] == .number(1))
    }

    @Test func ranksAndProcessesAreNamed() throws {
        var both = ChromeTrace()
        both.add(try Self.timeline(transfer: 0))
        both.add(Timeline(name: "a \"measured\" \\ run\n", ranks: [[]]))
        let trace = try Self.parse(both.json())
        let names = trace.of("M").filter { $0.name == "process_name" }.map { $0.args?["name"] }
        #expect(names == [.text("interleaved-1f1b"), .text("a \"measured\" \\ run\n")])
        let threads = trace.of("M").filter { $0.name == "thread_name" && $0.pid == 1 }.map { $0.args?["name"] }
        #expect(threads == [.text("rank 0"), .text("rank 1")])
    }

    @Test(arguments: [0.25, 2.5], ActionCosts.TransferMode.allCases)
    func slicesOfOneTrackDoNotOverlap(_ transfer: Double, _ mode: ActionCosts.TransferMode) throws {
        let trace = try Self.parse(Self.timeline(transfer: transfer, mode: mode).chromeTrace())
        let tracks = Dictionary(grouping: trace.of("X")) { $0.tid ?? -1 }
        #expect(tracks.count >= 4)
        for slices in tracks.values {
            let ordered = slices.sorted { ($0.ts ?? 0) < ($1.ts ?? 0) }
            for (one, next) in zip(ordered, ordered.dropFirst()) {
                #expect((one.ts ?? 0) + (one.dur ?? 0) <= next.ts ?? 0)
            }
        }
        let named = trace.of("M").filter { $0.name == "thread_name" }.compactMap(\.tid)
        #expect(Set(named) == Set(tracks.keys))
    }

    @Test(arguments: [0, 0.25])
    func arrowsLeadFromProducerToConsumer(_ transfer: Double) throws {
        let trace = try Self.parse(Self.timeline(transfer: transfer).chromeTrace())
        let (starts, ends) = (trace.of("s"), trace.of("f"))
        // Three boundaries between ranks, four micro-batches, there and back.
        #expect(starts.count == 24)
        #expect(Set(starts.map(\.id)).count == 24)
        #expect(starts.map(\.id) == ends.map(\.id))
        for (start, end) in zip(starts, ends) {
            #expect(start.name == end.name && start.cat == end.cat && start.tid != end.tid)
            let (from, to) = (try slice(of: start, in: trace), try slice(of: end, in: trace))
            #expect((from.ts ?? 0) + (from.dur ?? 0) <= to.ts ?? 0)
            #expect(from.args?["microbatch"] == to.args?["microbatch"])
            #expect(from.cat == to.cat)
        }
    }

    /// The slice that encloses a flow event on its track.
    private func slice(of flow: Trace.Event, in trace: Trace) throws -> Trace.Event {
        try #require(
            trace.of("X").first { slice in
                guard let ts = flow.ts, let start = slice.ts, let dur = slice.dur else { return false }
                return slice.pid == flow.pid && slice.tid == flow.tid && start <= ts && ts < start + dur
            })
    }

    @Test func theCounterReachesThePeakAndReturnsToNothing() throws {
        let timeline = try Self.timeline(transfer: 0)
        let trace = try Self.parse(timeline.chromeTrace())
        for (rank, peak) in timeline.peakActivations(release: .backwardWeight).enumerated() {
            let values = trace.of("C").filter { $0.name == "activations of rank \(rank)" }.map { $0.args?["stages"] }
            #expect(values.contains(.number(Double(peak))))
            #expect(!values.contains(.number(Double(peak + 1))))
            #expect(values.last == .number(0))
        }
    }
}
