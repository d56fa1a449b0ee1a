/// Timelines as a Chrome trace-event file, which Perfetto and `chrome://tracing` open.
///
/// Each timeline is a process. Each rank has a track for its compute, tracks for its communication, and a counter of the
/// activations it holds. Transfers that run at once need a track each, because slices of one track must nest. Arrows show
/// the activations and gradients that travel from rank to rank.
package struct ChromeTrace {
    private var writer = TraceWriter()
    private let secondsPerUnit: Double
    private var nextFlow = 0

    /// - Parameter secondsPerUnit: Length of one unit of the timelines' time, in seconds.
    package init(secondsPerUnit: Double = 1) { self.secondsPerUnit = secondsPerUnit }

    /// Adds one process to the file.
    /// - Parameter labels: words beside the name of the process; nil: none.
    package mutating func add(_ timeline: Timeline, labels: String? = nil) {
        writer.addProcess(name: timeline.name, labels: labels)
        let process = writer.processes
        for (rank, spans) in timeline.ranks.enumerated() {
            let tracks = Tracks(rank: rank, spans: spans)
            for track in 0..<tracks.count {
                writer.addThread(process: process, id: tracks.id(track), name: tracks.name(track, of: timeline))
            }
            for (span, track) in zip(spans, tracks.trackOfSpan) where span.activity != .idle {
                slice(span, process: process, thread: tracks.id(track))
            }
            counter(spans, process: process, rank: rank)
        }
        flows(timeline, process: process)
    }

    /// The whole file.
    package func json() -> String { writer.json() }

    private mutating func slice(_ span: Timeline.Span, process: Int, thread: Int) {
        let (start, end) = (nanoseconds(span.start), nanoseconds(span.end))
        let isCompute = span.activity == .compute
        var name = isCompute ? "" : span.activity.rawValue
        if let action = span.action { name += (name.isEmpty ? "" : " ") + action.description }
        writer.event("X", name.isEmpty ? span.activity.rawValue : name, process: process, thread: thread) { writer in
            writer.field("cat", (isCompute ? span.action?.kind.category : nil) ?? span.activity.rawValue)
            writer.field("ts", nanoseconds: start)
            writer.field("dur", nanoseconds: max(0, end - start))
            guard span.action != nil || span.peer >= 0 || span.bytes > 0 else { return }
            writer.arguments { writer in
                if let action = span.action {
                    writer.field("stage", Int(action.stage))
                    writer.field("microbatch", Int(action.microbatch))
                    if action.kind == .fused {
                        writer.field("backwardStage", Int(action.partnerStage))
                        writer.field("backwardMicrobatch", Int(action.partnerMicrobatch))
                    }
                }
                if span.peer >= 0 { writer.field("peer", span.peer) }
                if span.bytes > 0 { writer.field("bytes", span.bytes) }
            }
        }
    }

    /// The activations a rank holds: a step up at the start of every forward, down at the end of every backward.
    private mutating func counter(_ spans: [Timeline.Span], process: Int, rank: Int) {
        let name = "activations of rank \(rank)"
        var held = 0
        func write(at time: Double) {
            let time = nanoseconds(time)
            writer.event("C", name, process: process, thread: nil) { writer in
                writer.field("ts", nanoseconds: time)
                writer.arguments { $0.field("stages", held) }
            }
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

    /// One arrow for every tensor that crosses ranks, from the slice that produces it to the slice that uses it.
    private mutating func flows(_ timeline: Timeline, process: Int) {
        struct Producer {
            var rank: Int
            var departure: Double
        }
        func forEachPart(_ body: (_ rank: Int, _ span: Timeline.Span, _ part: Action) -> Void) {
            for (rank, spans) in timeline.ranks.enumerated() {
                for span in spans where span.activity == .compute {
                    guard let parts = span.action?.parts else { continue }
                    for part in parts where part.kind.passesTensors { body(rank, span, part) }
                }
            }
        }
        /// The key of a tensor into a stage.
        func key(into stage: Int32, _ part: Action) -> Int64 {
            Int64(stage) << 32 | Int64(part.microbatch) << 1 | (part.kind == .forward ? 0 : 1)
        }
        var producers: [Int64: Producer] = [:]
        forEachPart { rank, span, part in
            // Just before the producer's end, so that the arrow binds to that slice and not to the next.
            producers[key(into: part.stage + (part.kind == .forward ? 1 : -1), part)] =
                Producer(rank: rank, departure: span.end - span.duration / 1000)
        }
        forEachPart { rank, span, part in
            guard let producer = producers[key(into: part.stage, part)], producer.rank != rank else { return }
            let name = part.kind == .forward ? "activation" : "gradient"
            let flow = nextFlow
            let (departure, arrival) = (nanoseconds(producer.departure), nanoseconds(span.start))
            writer.event("s", name, process: process, thread: Tracks.id(rank: producer.rank, track: 0)) { writer in
                writer.field("cat", "transfer")
                writer.field("ts", nanoseconds: departure)
                writer.field("id", flow)
            }
            writer.event("f", name, process: process, thread: Tracks.id(rank: rank, track: 0)) { writer in
                writer.field("cat", "transfer")
                writer.field("ts", nanoseconds: arrival)
                writer.field("id", flow)
                writer.field("bp", "e")
            }
            nextFlow += 1
        }
    }

    private func nanoseconds(_ time: Double) -> Int {
        Int(exactly: (time * secondsPerUnit * 1e9).rounded()) ?? 0
    }
}

extension Timeline {
    /// The timeline as a Chrome trace-event file.
    /// - Parameter secondsPerUnit: Length of one unit of the timeline's time, in seconds.
    /// - Parameter labels: words beside the name of the process; nil: none.
    package func chromeTrace(secondsPerUnit: Double = 1, labels: String? = nil) -> String {
        var trace = ChromeTrace(secondsPerUnit: secondsPerUnit)
        trace.add(self, labels: labels)
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
        case .softmax: "output softmax"
        case .outputGradient: "output gradient"
        }
    }
}

/// The track of its rank on which each span is drawn: 0 for compute, the others for communication.
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

    /// The number of a track in the file. Each rank has room for 2¹⁶ tracks. No number is 0, which Perfetto keeps for itself,
    /// and all are below 2³², beyond which Perfetto merges tracks.
    static func id(rank: Int, track: Int) -> Int { (rank + 1) << 16 | track }

    func id(_ track: Int) -> Int { Self.id(rank: rank, track: track) }

    func name(_ track: Int, of timeline: Timeline) -> String {
        switch track {
        case 0: timeline.label(ofRank: rank)
        case 1: "rank \(rank) communication"
        default: "rank \(rank) communication \(track)"
        }
    }
}
