internal import Models
internal import Plans
internal import Reading

/// The steps of one rank in a trace of the PyTorch profiler.
struct ProfilerTrace {
    /// A step's place in time.
    private struct Window {
        var number: Int
        var start: Double
        var end: Double
    }

    private let events: TraceEvents
    private let guide: GroupGuide
    /// Whether host copies are the plan's, rather than the odd one of a batch or a loss.
    private let offloads: Bool
    private let file: String

    init(_ events: TraceEvents, guide: GroupGuide, offloads: Bool, file: String) {
        self.events = events
        self.guide = guide
        self.offloads = offloads
        self.file = file
    }

    /// Whether the trace has kernels of a device; operators of the host are looked at where it has none.
    static func hasDevice(_ events: TraceEvents) -> Bool { events.events.contains { $0.category == .device } }

    /// The number of `ProfilerStep#3`.
    private static func stepNumber(_ name: String) -> Int? {
        name.hasPrefix("ProfilerStep#") ? Int(name.dropFirst(13)) : nil
    }

    /// The steps of the trace in their order.
    func steps() throws(PlanProblems) -> [TracedStep] {
        let isOnDevice = Self.hasDevice(events)
        let host = windows(of: .hostRange)
        guard !host.isEmpty || !windows(of: .deviceRange).isEmpty else {
            throw TraceFile.one(
                file, "has no ProfilerStep# annotation, so that nothing tells where a step begins",
                "give torch.profiler.profile a schedule and call prof.step() after every training step")
        }
        var (works, pieces) = isOnDevice ? devicePieces() : operationPieces()
        let windows = isOnDevice ? deviceWindows(host, pieces) : host
        // Compute and messages are looked at step by step, so both lists go by time.
        pieces.sort { $0.start < $1.start }
        if works.isEmpty { works = [.compute(.computing, .elementwise)] }
        let sweep = StepSweep(works: works, idle: .other)
        let longest = pieces.reduce(0) { max($0, $1.end - $1.start) }
        let isBackward = events.names.map(KernelKind.isAttentionBackward)
        let backwards = events.events.lazy.filter {
            $0.category == (isOnDevice ? .device : .operation) && isBackward[Int($0.name)]
        }.map(\.start).sorted()
        return windows.map { window in
            let first = Self.firstIndex(in: pieces, from: window.start - longest)
            let last = Self.firstIndex(in: pieces, from: window.end)
            var step = sweep.step(
                Array(pieces[first..<max(first, last)]), from: window.start, to: window.end, number: window.number)
            step.attentionBackwards = backwards.count { window.start <= $0 && $0 < window.end }
            return step
        }
    }

    /// The first piece that starts at or behind `time`.
    private static func firstIndex(in pieces: [StepSweep.Piece], from time: Double) -> Int {
        var (low, high) = (0, pieces.count)
        while low < high {
            let middle = low + (high - low) / 2
            if pieces[middle].start < time { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Steps

    /// The steps that annotations of one kind name. A step ends where the next one begins.
    private func windows(of category: TraceEvents.Category) -> [Window] {
        let numbers = events.names.map(Self.stepNumber)
        var found: [Int: Window] = [:]
        for event in events.events where event.category == category {
            guard let number = numbers[Int(event.name)] else { continue }
            // The device has an annotation for each of its streams.
            let window = found[number] ?? Window(number: number, start: event.start, end: event.end)
            found[number] = Window(
                number: number, start: min(window.start, event.start), end: max(window.end, event.end))
        }
        return Self.joined(Array(found.values))
    }

    private static func joined(_ windows: [Window]) -> [Window] {
        var windows = windows.sorted { ($0.start, $0.number) < ($1.start, $1.number) }
        for index in windows.indices.dropLast() { windows[index].end = windows[index + 1].start }
        return windows.filter { $0.end > $0.start }
    }

    /// The steps as the device saw them: by its own annotations, else by the launches of its kernels.
    private func deviceWindows(_ host: [Window], _ pieces: [StepSweep.Piece]) -> [Window] {
        let annotated = windows(of: .deviceRange)
        if !annotated.isEmpty { return annotated }
        var found: [Int: Window] = [:]
        for event in events.events where event.category == .device {
            guard let launch = events.launches[event.correlation],
                let step = host.last(where: { $0.start <= launch }), launch <= step.end
            else { continue }
            let window = found[step.number] ?? Window(number: step.number, start: event.start, end: event.end)
            found[step.number] = Window(
                number: step.number, start: min(window.start, event.start), end: max(window.end, event.end))
        }
        return found.isEmpty ? host : Self.joined(Array(found.values))
    }

    // MARK: Kernels of a device

    private func devicePieces() -> ([StepSweep.Work], [StepSweep.Piece]) {
        var table = WorkTable()
        var kinds: [Int32: KernelKind] = [:]
        let updates = optimizerRanges()
        var pieces: [StepSweep.Piece] = []
        pieces.reserveCapacity(events.events.count)
        for event in events.events where event.category == .device {
            let name = events.names[Int(event.name)]
            let work: StepSweep.Work
            if event.collective >= 0 {
                work = .communication(
                    guide.group(of: events.collectives[Int(event.collective)], kernel: name, groups: events.groups))
            } else if offloads, name.hasPrefix("Memcpy"), name.contains("HtoD") || name.contains("DtoH") {
                work = .communication(TracedGroup(parts: .offload, ranks: []))
            } else {
                let kind = kinds[event.name] ?? KernelKind(kernel: name)
                kinds[event.name] = kind
                let isUpdate = kind == .optimizer || updates.contains(events.launches[event.correlation] ?? event.start)
                work = isUpdate ? .compute(.optimizer, .optimizer) : .compute(.computing, kind)
            }
            pieces.append(StepSweep.Piece(start: event.start, end: event.end, work: table.place(of: work)))
        }
        return (table.works, pieces)
    }

    /// The ranges of the host in which optimizers launch their kernels.
    private func optimizerRanges() -> TimeRanges {
        TimeRanges(
            events.events.filter {
                $0.category == .hostRange && events.names[Int($0.name)].hasPrefix("Optimizer.step#")
            }.map { ($0.start, $0.end) })
    }

    // MARK: Operators of the host

    /// Operators contain one another: each moment is that of the innermost one.
    private func operationPieces() -> ([StepSweep.Work], [StepSweep.Piece]) {
        var table = WorkTable()
        var pieces: [StepSweep.Piece] = []
        let kinds = events.names.map(KernelKind.init(operation:))
        let isUpdate = events.names.map { $0.hasPrefix("Optimizer.step#") }
        var threads: [Int: [TraceEvents.Event]] = [:]
        for event in events.events where event.category == .operation || event.category == .hostRange {
            let name = Int(event.name)
            if events.isCommunication[name] {
                let collective =
                    event.collective >= 0 ? events.collectives[Int(event.collective)] : TraceEvents.Collective()
                let group = guide.group(of: collective, kernel: events.names[name], groups: events.groups)
                pieces.append(
                    StepSweep.Piece(start: event.start, end: event.end, work: table.place(of: .communication(group))))
            } else if event.category == .operation || isUpdate[name] {
                threads[event.thread, default: []].append(event)
            }
        }
        for thread in threads.keys.sorted() {
            let list = (threads[thread] ?? []).sorted { ($0.start, -$0.duration) < ($1.start, -$1.duration) }
            var open: [(end: Double, work: StepSweep.Work?)] = []
            var now = 0.0
            func pass(to time: Double) {
                if time > now, let work = open.last?.work {
                    pieces.append(StepSweep.Piece(start: now, end: time, work: table.place(of: work)))
                }
                now = max(now, time)
            }
            for event in list {
                while let last = open.last, last.end <= event.start {
                    pass(to: last.end)
                    open.removeLast()
                }
                pass(to: event.start)
                now = event.start
                let outer = open.last?.work
                let name = Int(event.name)
                let work: StepSweep.Work? =
                    if isUpdate[name] || outer == .compute(.optimizer, .optimizer) {
                        .compute(.optimizer, .optimizer)
                    } else if let kind = kinds[name] {
                        // An operator that fills or copies for another one is a part of it.
                        outer ?? .compute(kind == .optimizer ? .optimizer : .computing, kind)
                    } else {
                        outer
                    }
                open.append((min(event.end, open.last?.end ?? .infinity), work))
            }
            while let last = open.last {
                pass(to: last.end)
                open.removeLast()
            }
        }
        return (table.works, pieces)
    }
}

/// Works by their places.
private struct WorkTable {
    private(set) var works: [StepSweep.Work] = []
    private var places: [StepSweep.Work: Int] = [:]

    mutating func place(of work: StepSweep.Work) -> Int {
        if let place = places[work] { return place }
        places[work] = works.count
        works.append(work)
        return works.count - 1
    }
}

/// Ranges of time that do not overlap.
private struct TimeRanges {
    private let ranges: [(start: Double, end: Double)]

    init(_ ranges: [(Double, Double)]) { self.ranges = ranges.sorted { $0.0 < $1.0 }.map { (start: $0.0, end: $0.1) } }

    func contains(_ time: Double) -> Bool {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = low + (high - low) / 2
            if ranges[middle].start <= time { low = middle + 1 } else { high = middle }
        }
        return low > 0 && time < ranges[low - 1].end
    }
}
