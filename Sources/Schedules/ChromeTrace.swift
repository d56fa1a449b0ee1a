/// Timelines as a Chrome trace-event file, which Perfetto and `chrome://tracing` open.
///
/// Each timeline is a process. Each rank has a track of what it computes, tracks for its communication (more than one
/// where transfers run at once, because slices of one track must nest), a counter of the activations it holds, and
/// arrows along which activations and gradients travel from rank to rank.
package struct ChromeTrace {
    private var writer = TraceWriter()
    private let secondsPerUnit: Double
    private var nextFlow = 0

    /// - Parameter secondsPerUnit: Length of one unit of the timelines' time, in seconds.
    package init(secondsPerUnit: Double = 1) { self.secondsPerUnit = secondsPerUnit }

    /// Adds one process to the file.
    package mutating func add(_ timeline: Timeline) {
        let process = writer.processes
        writer.beginProcess(name: timeline.name)
        for (rank, spans) in timeline.ranks.enumerated() {
            let tracks = Tracks(rank: rank, spans: spans)
            for track in 0..<tracks.count {
                writer.thread(process: process, id: tracks.id(track), name: tracks.name(track))
            }
            for (span, track) in zip(spans, tracks.trackOfSpan) where span.activity != .idle {
                slice(span, process: process, thread: tracks.id(track))
            }
            counter(spans, process: process, rank: rank)
        }
        flows(timeline, process: process)
    }

    /// The whole file.
    package func json() -> String { writer.finished() }

    private mutating func slice(_ span: Timeline.Span, process: Int, thread: Int) {
        var arguments: [(String, JSONValue)] = []
        if let action = span.action {
            arguments.append(("stage", .integer(Int(action.stage))))
            arguments.append(("microbatch", .integer(Int(action.microbatch))))
            if action.kind == .fused {
                arguments.append(("backwardStage", .integer(Int(action.partnerStage))))
                arguments.append(("backwardMicrobatch", .integer(Int(action.partnerMicrobatch))))
            }
        }
        if span.peer >= 0 { arguments.append(("peer", .integer(span.peer))) }
        if span.bytes > 0 { arguments.append(("bytes", .number(span.bytes))) }
        let action = span.action?.description ?? ""
        let name = span.activity == .compute && !action.isEmpty ? action : "\(span.activity.rawValue) \(action)"
        let category =
            span.activity == .compute ? span.action?.kind.category ?? span.activity.rawValue : span.activity.rawValue
        let (start, end) = (nanoseconds(span.start), nanoseconds(span.end))
        writer.event(
            phase: "X", name: name.hasSuffix(" ") ? String(name.dropLast()) : name, category: category,
            process: process, thread: thread,
            fields: [("ts", .microseconds(start)), ("dur", .microseconds(max(0, end - start)))], arguments: arguments)
    }

    /// Activations in flight, a step up at the start of every forward and down at the end of every backward.
    private mutating func counter(_ spans: [Timeline.Span], process: Int, rank: Int) {
        var held = 0
        func write(at time: Double) {
            writer.event(
                phase: "C", name: "activations of rank \(rank)", category: "memory", process: process, thread: nil,
                fields: [("ts", .microseconds(nanoseconds(time)))], arguments: [("stages", .integer(held))])
        }
        for span in spans where span.activity == .compute {
            guard let kind = span.action?.kind else { continue }
            let (kept, dropped) = ActivationRelease.backwardWeight.change(kind)
            if kept > 0 {
                held += kept
                write(at: span.start)
            }
            if dropped > 0 {
                held -= dropped
                write(at: span.end)
            }
        }
    }

    /// One arrow for every tensor that goes from one rank to another, from the slice that makes it to the one that
    /// takes it in.
    private mutating func flows(_ timeline: Timeline, process: Int) {
        struct Producer {
            var rank: Int
            var span: Timeline.Span
        }
        var producers: [Transfer.Kind: [Int64: Producer]] = [.activation: [:], .gradient: [:]]
        func key(_ stage: Int32, _ microbatch: Int32) -> Int64 { Int64(stage) << 32 | Int64(microbatch) }
        func forEachPart(_ body: (_ rank: Int, _ span: Timeline.Span, _ kind: Transfer.Kind, _ part: Action) -> Void) {
            for (rank, spans) in timeline.ranks.enumerated() {
                for span in spans where span.activity == .compute {
                    guard let parts = span.action?.parts else { continue }
                    for part in parts where part.kind != .backwardWeight {
                        body(rank, span, part.kind == .forward ? .activation : .gradient, part)
                    }
                }
            }
        }
        // Filed by the stage the tensor goes into.
        forEachPart { rank, span, kind, part in
            producers[kind]?[key(part.stage + (kind == .activation ? 1 : -1), part.microbatch)] =
                Producer(rank: rank, span: span)
        }
        var flow = nextFlow
        forEachPart { rank, span, kind, part in
            guard let producer = producers[kind]?[key(part.stage, part.microbatch)], producer.rank != rank else {
                return
            }
            let name = kind == .activation ? "activation" : "gradient"
            // Just inside the end of the producer, so that it binds to that slice and not to the one after it.
            let departure = producer.span.end - producer.span.duration / 1000
            writer.event(
                phase: "s", name: name, category: "transfer", process: process,
                thread: Tracks.id(rank: producer.rank, track: 0),
                fields: [("ts", .microseconds(nanoseconds(departure))), ("id", .integer(flow))], arguments: [])
            writer.event(
                phase: "f", name: name, category: "transfer", process: process,
                thread: Tracks.id(rank: rank, track: 0),
                fields: [
                    ("ts", .microseconds(nanoseconds(span.start))), ("id", .integer(flow)), ("bp", .string("e")),
                ],
                arguments: [])
            flow += 1
        }
        nextFlow = flow
    }

    private func nanoseconds(_ time: Double) -> Int64 {
        Int64(exactly: (time * secondsPerUnit * 1e9).rounded()) ?? 0
    }
}

extension Timeline {
    /// The timeline as a Chrome trace-event file.
    /// - Parameter secondsPerUnit: Length of one unit of the timeline's time, in seconds.
    package func chromeTrace(secondsPerUnit: Double = 1) -> String {
        var trace = ChromeTrace(secondsPerUnit: secondsPerUnit)
        trace.add(self)
        return trace.json()
    }
}

extension Action.Kind {
    fileprivate var category: String {
        switch self {
        case .forward: "forward"
        case .backward: "backward"
        case .backwardInput: "backward input"
        case .backwardWeight: "backward weight"
        case .fused: "forward and backward"
        }
    }
}

/// Which track of its rank each span is drawn on: 0 computes, the others communicate.
private struct Tracks {
    let rank: Int
    let trackOfSpan: [Int]
    let count: Int

    init(rank: Int, spans: [Timeline.Span]) {
        var ends: [Double] = []
        var tracks: [Int] = []
        tracks.reserveCapacity(spans.count)
        for span in spans {
            switch span.activity {
            case .compute, .optimizer, .idle: tracks.append(0)
            case .send, .receive, .collective:
                let lane = ends.firstIndex { $0 <= span.start } ?? ends.count
                if lane == ends.count { ends.append(span.end) } else { ends[lane] = span.end }
                tracks.append(lane + 1)
            }
        }
        self.rank = rank
        trackOfSpan = tracks
        count = ends.count + 1
    }

    /// Room for as many tracks as a rank can need, so that numbers do not meet.
    static func id(rank: Int, track: Int) -> Int { rank << 20 | track }

    func id(_ track: Int) -> Int { Self.id(rank: rank, track: track) }

    func name(_ track: Int) -> String {
        switch track {
        case 0: "rank \(rank)"
        case 1: "rank \(rank) communication"
        default: "rank \(rank) communication \(track)"
        }
    }
}
