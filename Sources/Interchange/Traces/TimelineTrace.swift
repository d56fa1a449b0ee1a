internal import Plans
internal import Reading
internal import Schedules

/// The step in a trace that `trainyard simulate` or `trainyard train` wrote, one rank of every pipeline stage.
struct TimelineTrace {
    private let events: TraceEvents
    private let layout: Layout
    /// Micro-batches of a step of the plan; nil: not known.
    private let microbatches: Int?
    private let file: String

    init(_ events: TraceEvents, layout: Layout, microbatches: Int?, file: String) {
        self.microbatches = microbatches
        self.events = events
        self.layout = layout
        self.file = file
    }

    /// Whether the trace holds one of Trainyard's timelines.
    static func matches(_ events: TraceEvents) -> Bool { events.events.contains { $0.category == .timeline } }

    /// Whether a real run wrote it.
    var isMeasured: Bool { events.processNames.values.contains { $0.hasSuffix("(measured)") } }

    /// The number of a rank in the name of its track: `rank 3`, `rank 3 h100`, `rank 3 communication 2`.
    private static func rank(_ name: String) -> Int? {
        let words = name.split(separator: " ")
        return words.count > 1 && words[0] == "rank" ? Int(words[1]) : nil
    }

    func ranks() throws(PlanProblems) -> [TracedRank] {
        let spans = events.events.filter { $0.category == .timeline }
        let processes = Set(spans.map(\.process))
        guard processes.count == 1 else {
            let names = processes.sorted().map { events.processNames[$0] ?? "process \($0)" }.joined(separator: ", ")
            throw TraceFile.one(
                file, "holds \(processes.count) timelines (\(names)); one is compared with a plan",
                "write a trace of one: without --compare")
        }
        var byRank: [Int: [TraceEvents.Event]] = [:]
        for span in spans {
            guard let rank = events.threadNames[span.thread].flatMap(Self.rank), (0..<1 << 20).contains(rank) else {
                throw TraceFile.one(file, "has an event on a track (tid \(span.thread)) that is not named after a rank")
            }
            byRank[rank, default: []].append(span)
        }
        let count = (byRank.keys.max() ?? 0) + 1
        guard count == layout.pipeline else {
            throw TraceFile.one(
                file,
                "has \(Wording.count(count, "rank")) of a pipeline, and the plan's pipeline has \(layout.pipeline)",
                "name the plan that it was written for")
        }
        try checkLayout(processes.first.flatMap { events.processLabels[$0] }, spans)
        let start = spans.lazy.map(\.start).min() ?? 0
        let end = spans.lazy.map(\.end).max() ?? 0
        // All passes end here; what comes behind them is no pipeline's.
        let passesEnd = spans.lazy.filter { self.isPass($0) }.map(\.end).max() ?? start
        return byRank.keys.sorted().map { rank in
            let step = step(byRank[rank] ?? [], from: start, passesEnd: passesEnd, to: end)
            return TracedRank(rank: rank, stage: rank, steps: [step])
        }
    }

    /// Refuses a trace of another layout than the plan's, or of another number of stages or micro-batches: its differences from the
    /// plan's price would be those of the layouts.
    private func checkLayout(_ label: String?, _ spans: [TraceEvents.Event]) throws(PlanProblems) {
        let fix = "name the plan that it was written for"
        if let label, label.contains(" · "), label != layout.degreesInWords {
            throw TraceFile.one(file, "is of \(label), and the plan's layout is \(layout.degreesInWords)", fix)
        }
        let names = Set(spans.lazy.filter(\.hasAction).map(\.name))
        let forwards = names.compactMap { Action(events.names[Int($0)]) }.flatMap(\.parts).filter {
            $0.kind == .forward
        }
        guard let microbatches, !forwards.isEmpty else { return }
        let expected = try? layout.schedule.schedule(layout.pipelineShape(microbatches: microbatches))
        let stages = Set(forwards.map(\.stage)).count
        if let expected, stages != expected.stages {
            throw TraceFile.one(
                file,
                "has \(Wording.count(stages, "stage")) of a pipeline, and the plan's \(layout.schedule.rawValue) has "
                    + "\(expected.stages)", fix)
        }
        let found = Set(forwards.map(\.microbatch)).count
        guard found != microbatches else { return }
        throw TraceFile.one(
            file,
            "has \(found == 1 ? "1 micro-batch" : "\(found) micro-batches"), and a step of the plan has \(microbatches)",
            "\(fix), or give the plan the batch of that run")
    }

    private func isPass(_ event: TraceEvents.Event) -> Bool {
        !["send", "receive", "collective", "optimizer"].contains(events.names[Int(event.name)].firstWord)
    }

    /// The parts that a pass is made of where its communication is not shown apart.
    private var wholePass: StepParts {
        var parts: StepParts = [.computing, StepParts(.contention), StepParts(.host), StepParts(.shardedData)]
        parts.formUnion([.tensor, .context, .expert, .offload])
        return parts
    }

    /// Communication inside passes that the layout has.
    private var insidePasses: StepParts {
        var parts: StepParts = []
        if layout.tensor > 1 { parts.formUnion(.tensor) }
        if layout.context > 1 { parts.formUnion(.context) }
        if layout.expert > 1 { parts.formUnion(.expert) }
        if layout.data * layout.context > 1 { parts.formUnion(StepParts(.shardedData)) }
        return parts.isEmpty ? StepParts(.shardedData) : parts
    }

    private func step(_ spans: [TraceEvents.Event], from start: Double, passesEnd: Double, to end: Double) -> TracedStep
    {
        let pass = isMeasured ? wholePass.subtracting([insidePasses, .data]) : wholePass
        let works: [StepSweep.Work] = [
            .compute(pass, nil), .compute(.optimizer, nil), .blocking(insidePasses),
            .communication(TracedGroup(parts: [StepParts(.reduction), .outside], ranks: [])),
            .communication(TracedGroup(parts: waiting, ranks: [])),
        ]
        let pieces = spans.map { span in
            let work =
                switch events.names[Int(span.name)].firstWord {
                case "optimizer": 1
                case "collective": span.hasAction ? 2 : 3
                case "send", "receive": 4
                default: 0
                }
            return StepSweep.Piece(start: span.start, end: span.end, work: work)
        }
        // Between passes a rank of a pipeline waits for the others; behind them, and without a pipeline, for the host.
        let inside = StepSweep(works: works, idle: layout.pipeline > 1 ? waiting : rest)
            .step(pieces, from: start, to: passesEnd, number: nil)
        let after = StepSweep(works: works, idle: rest).step(pieces, from: passesEnd, to: end, number: nil)
        var step = inside
        step.seconds += after.seconds
        step.parts.merge(after.parts) { $0 + $1 }
        return step
    }

    private var waiting: StepParts { [StepParts(.bubble), StepParts(.messages)] }
    private var rest: StepParts { [StepParts(.reduction), .outside] }
}

extension String {
    fileprivate var firstWord: String { split(separator: " ").first.map(String.init) ?? "" }
}

extension Wording {
    /// `1 rank`, `4 ranks`.
    static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
}
