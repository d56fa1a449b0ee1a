internal import Foundation

/// The events of one trace file that say where a step's time went, in columns. All others were passed over.
struct TraceEvents {
    /// Where an event ran, and what it stands for.
    enum Category: UInt8 {
        /// A kernel, copy or fill on the device.
        case device
        /// A named range as the device saw it.
        case deviceRange
        /// A named range of the host, such as `ProfilerStep#3`.
        case hostRange
        /// An operator on the host.
        case operation
        /// An event of Trainyard's own timelines.
        case timeline
    }

    /// One event. Times are in seconds.
    struct Event {
        var category: Category
        /// Place of its name in `names`.
        var name: Int32
        /// Place of its collective in `collectives`, −1 if it has none.
        var collective: Int32 = -1
        var process: Int = 0
        var thread: Int = 0
        var start: Double
        var duration: Double
        /// Joins a kernel to its launch; −1 if there is none.
        var correlation: Int = -1
        /// Whether it belongs to an action; of a timeline alone.
        var hasAction = false

        var end: Double { start + duration }
    }

    /// Fields of a collective or message that the profiler noted.
    struct Collective: Hashable {
        var name: String?
        var groupName: String?
        var description: String?
        var size: Int?
        /// Ranks of the group as far as they are written: the middle ones of many are left out.
        var ranks: [Int] = []
    }

    /// A process group as the head of the trace lists it.
    struct Group {
        var description: String?
        var ranks: [Int]
    }

    var events: [Event] = []
    private(set) var names: [String] = []
    /// Whether each name is of a collective or of a message. Names are few, and events are many.
    private(set) var isCommunication: [Bool] = []
    var collectives: [Collective] = []
    /// Seconds at which the host launched the work with this correlation.
    var launches: [Int: Double] = [:]
    var rank: Int?
    var worldSize: Int?
    var groups: [String: Group] = [:]
    /// Names of processes and threads.
    var processNames: [Int: String] = [:]
    var threadNames: [Int: String] = [:]
    /// Words beside the names of processes: of a timeline of Trainyard the degrees of its layout.
    var processLabels: [Int: String] = [:]
    /// Number of events of any kind.
    var count = 0

    /// Time of the first event, in microseconds. Times are counted from it: since 1970 they would lose their digits.
    private var origin: Double?
    private var places: [String: Int32] = [:]
    private var collectivePlaces: [Collective: Int32] = [:]

    init() {}

    private mutating func seconds(_ microseconds: Double) -> Double {
        let first = origin ?? microseconds
        origin = first
        return (microseconds - first) * 1e-6
    }

    private mutating func place(of name: String) -> Int32 {
        if let place = places[name] { return place }
        let place = Int32(names.count)
        names.append(name)
        isCommunication.append(KernelKind.isCommunication(name))
        places[name] = place
        return place
    }

    private mutating func place(of collective: Collective) -> Int32 {
        if let place = collectivePlaces[collective] { return place }
        let place = Int32(collectives.count)
        collectives.append(collective)
        collectivePlaces[collective] = place
        return place
    }
}

// MARK: - Reading

extension TraceEvents {
    /// Reads the text of a trace: an object with `traceEvents`, or a bare list of events.
    init(_ bytes: UnsafeBufferPointer<UInt8>) throws(JSONScanner.Fault) {
        self.init()
        var scanner = JSONScanner(bytes)
        if try scanner.peek() == UInt8(ascii: "[") {
            try readEvents(&scanner)
        } else {
            guard try scanner.peek() == UInt8(ascii: "{") else {
                throw JSONScanner.Fault(
                    place: scanner.place, rule: "is no JSON of trace events: it begins with neither { nor [")
            }
            try scanner.map { (scanner: inout JSONScanner, key) throws(JSONScanner.Fault) in
                if key.matches("traceEvents") {
                    try self.readEvents(&scanner)
                } else if key.matches("distributedInfo") {
                    try self.readDistributed(&scanner)
                } else {
                    try scanner.skip()
                }
            }
        }
        guard scanner.isAtEnd() else {
            throw JSONScanner.Fault(place: scanner.place, rule: "text follows the end of the JSON")
        }
    }

    private mutating func readEvents(_ scanner: inout JSONScanner) throws(JSONScanner.Fault) {
        guard try scanner.peek() == UInt8(ascii: "[") else {
            throw JSONScanner.Fault(place: scanner.place, rule: "traceEvents must be a list")
        }
        try scanner.list { (scanner: inout JSONScanner) throws(JSONScanner.Fault) in
            self.count += 1
            try self.readEvent(&scanner)
        }
    }

    /// Reads one event. `args` is looked at again where the event turns out to need it.
    private mutating func readEvent(_ scanner: inout JSONScanner) throws(JSONScanner.Fault) {
        guard try scanner.peek() == UInt8(ascii: "{") else {
            throw JSONScanner.Fault(place: scanner.place, rule: "an event must be a map")
        }
        var phase: UInt8 = 0
        var category: Category?
        var isLaunch = false
        var (name, arguments): (Int?, Int?)
        var (start, duration, process, thread) = (Double.nan, Double.nan, 0, 0)
        let first = scanner.place
        try scanner.map { (scanner: inout JSONScanner, key) throws(JSONScanner.Fault) in
            switch key.count {
            case 2 where key.matches("ph"): phase = try scanner.text()?.utf8.first ?? 0
            case 2 where key.matches("ts"): start = try scanner.number() ?? .nan
            case 3 where key.matches("dur"): duration = try scanner.number() ?? .nan
            case 3 where key.matches("pid"): process = try Self.identifier(&scanner)
            case 3 where key.matches("tid"): thread = try Self.identifier(&scanner)
            case 3 where key.matches("cat"):
                let word = try scanner.text() ?? ""
                category = Self.category(word)
                isLaunch = word.hasSuffix("_runtime") || word.hasSuffix("_driver")
            case 4 where key.matches("name"):
                _ = try scanner.peek()
                name = scanner.place
                try scanner.skip()
            case 4 where key.matches("args"):
                _ = try scanner.peek()
                arguments = scanner.place
                try scanner.skip()
            default: try scanner.skip()
            }
        }
        if phase == UInt8(ascii: "M") {
            return try readName(scanner, name, arguments, process: process, thread: thread)
        }
        guard phase == UInt8(ascii: "X") else { return }
        if isLaunch {
            if let arguments, start.isFinite, let correlation = try Self.correlation(scanner.at(arguments)) {
                launches[correlation] = seconds(start)
            }
            return
        }
        guard let category else { return }
        guard start.isFinite, duration.isFinite, duration >= 0, abs(start) < 1e18, duration < 1e15 else {
            throw JSONScanner.Fault(place: first, rule: "an event with ph X must have numbers ts and dur")
        }
        var reader = scanner.at(name ?? first)
        let word = name == nil ? "" : try reader.text() ?? ""
        var event = Event(
            category: category, name: place(of: word), process: process, thread: thread, start: seconds(start),
            duration: duration * 1e-6)
        // Operators are many, and nothing of them but their time is asked for.
        let isRecord = isCommunication[Int(event.name)]
        if let arguments, isRecord || category == .device || category == .timeline {
            try readArguments(scanner.at(arguments), &event, wantsGroup: isRecord)
        }
        events.append(event)
    }

    private static func category(_ word: String) -> Category? {
        switch word {
        case "kernel", "gpu_memcpy", "gpu_memset", "Kernel": .device
        case "gpu_user_annotation": .deviceRange
        case "user_annotation": .hostRange
        case "cpu_op": .operation
        default: timelineCategories.contains(word) ? .timeline : nil
        }
    }

    /// The kinds of work that Trainyard's own timelines name.
    static let timelineCategories: Set<String> = [
        "forward", "backward", "backward input", "backward weight", "forward and backward", "output softmax",
        "output gradient", "compute", "send", "receive", "collective", "optimizer",
    ]

    /// A number, or any number that stands for a name.
    private static func identifier(_ scanner: inout JSONScanner) throws(JSONScanner.Fault) -> Int {
        if try scanner.peek() == UInt8(ascii: "\"") {
            // FNV-1a over the name, away from the numbers of real processes.
            return try scanner.string().utf8.reduce(Int(bitPattern: 0xCBF2_9CE4_8422_2325)) {
                ($0 ^ Int($1)) &* 0x100_0000_01B3
            }
                | Int.min
        }
        return try scanner.number().flatMap { Int(exactly: $0.rounded()) } ?? 0
    }

    private static func correlation(_ scanner: JSONScanner) throws(JSONScanner.Fault) -> Int? {
        var scanner = scanner
        guard try scanner.peek() == UInt8(ascii: "{") else { return nil }
        var found: Int?
        try scanner.map { (scanner: inout JSONScanner, key) throws(JSONScanner.Fault) in
            if key.matches("correlation") {
                found = try scanner.number().flatMap { Int(exactly: $0) }
            } else {
                try scanner.skip()
            }
        }
        return found
    }

    private mutating func readName(
        _ scanner: JSONScanner, _ name: Int?, _ arguments: Int?, process: Int, thread: Int
    ) throws(JSONScanner.Fault) {
        guard let name, let arguments else { return }
        var reader = scanner.at(name)
        let kind = try reader.text()
        guard ["process_name", "thread_name", "process_labels"].contains(kind) else { return }
        reader = scanner.at(arguments)
        guard try reader.peek() == UInt8(ascii: "{") else { return }
        var found: String?
        try reader.map { (scanner: inout JSONScanner, key) throws(JSONScanner.Fault) in
            if key.matches("name") || key.matches("labels") { found = try scanner.text() } else { try scanner.skip() }
        }
        switch kind {
        case "process_name": processNames[process] = found
        case "process_labels": processLabels[process] = found
        default: threadNames[thread] = found
        }
    }

    private mutating func readArguments(
        _ scanner: JSONScanner, _ event: inout Event, wantsGroup: Bool
    ) throws(JSONScanner.Fault) {
        var scanner = scanner
        guard try scanner.peek() == UInt8(ascii: "{") else { return }
        var collective = Collective()
        var correlation = -1
        var hasAction = false
        try scanner.map { (scanner: inout JSONScanner, key) throws(JSONScanner.Fault) in
            if key.matches("correlation") {
                correlation = try scanner.number().flatMap { Int(exactly: $0) } ?? -1
            } else if key.matches("stage") {
                hasAction = true
                try scanner.skip()
            } else if !wantsGroup {
                try scanner.skip()
            } else if key.matches("Collective name") {
                collective.name = try scanner.text()
            } else if key.matches("Process Group Name") {
                collective.groupName = try scanner.text()
            } else if key.matches("Process Group Description") {
                collective.description = try scanner.text()
            } else if key.matches("Group size") {
                collective.size = try scanner.number().flatMap { Int(exactly: $0) }
            } else if key.matches("Process Group Ranks") {
                collective.ranks = try Self.ranks(&scanner)
            } else {
                try scanner.skip()
            }
        }
        event.correlation = correlation
        event.hasAction = hasAction
        if wantsGroup { event.collective = place(of: collective) }
    }

    /// The ranks of a group: a list, or as Kineto writes it, a text such as `[0, 1, ..., 63]`.
    private static func ranks(_ scanner: inout JSONScanner) throws(JSONScanner.Fault) -> [Int] {
        var found: [Int] = []
        if try scanner.peek() == UInt8(ascii: "[") {
            try scanner.list { (scanner: inout JSONScanner) throws(JSONScanner.Fault) in
                if let rank = try scanner.number().flatMap({ Int(exactly: $0) }) { found.append(rank) }
            }
        } else if let text = try scanner.text() {
            found = text.split { !$0.isWholeNumber }.compactMap { Int($0) }
        }
        return Array(Set(found.filter { $0 >= 0 })).sorted()
    }

    private mutating func readDistributed(_ scanner: inout JSONScanner) throws(JSONScanner.Fault) {
        guard try scanner.peek() == UInt8(ascii: "{") else { return try scanner.skip() }
        try scanner.map { (scanner: inout JSONScanner, key) throws(JSONScanner.Fault) in
            if key.matches("rank") {
                self.rank = try Self.count(&scanner)
            } else if key.matches("world_size") {
                self.worldSize = try Self.count(&scanner)
            } else if key.matches("pg_config"), try scanner.peek() == UInt8(ascii: "[") {
                try scanner.list { (scanner: inout JSONScanner) throws(JSONScanner.Fault) in
                    try self.readGroup(&scanner)
                }
            } else {
                try scanner.skip()
            }
        }
    }

    /// A count that is written as a number or as text.
    private static func count(_ scanner: inout JSONScanner) throws(JSONScanner.Fault) -> Int? {
        if try scanner.peek() == UInt8(ascii: "\"") { return Int(try scanner.string()) }
        return try scanner.number().flatMap { Int(exactly: $0) }
    }

    private mutating func readGroup(_ scanner: inout JSONScanner) throws(JSONScanner.Fault) {
        guard try scanner.peek() == UInt8(ascii: "{") else { return try scanner.skip() }
        var name: String?
        var group = Group(description: nil, ranks: [])
        try scanner.map { (scanner: inout JSONScanner, key) throws(JSONScanner.Fault) in
            if key.matches("pg_name") {
                name = try scanner.text()
            } else if key.matches("pg_desc") {
                group.description = try scanner.text()
            } else if key.matches("ranks") {
                group.ranks = try Self.ranks(&scanner)
            } else {
                try scanner.skip()
            }
        }
        if let name { groups[name] = group }
    }
}

extension Slice<UnsafeBufferPointer<UInt8>> {
    /// Whether the bytes are those of `word`.
    fileprivate func matches(_ word: StaticString) -> Bool {
        guard count == word.utf8CodeUnitCount else { return false }
        for offset in 0..<count where self[startIndex + offset] != word.utf8Start[offset] { return false }
        return true
    }
}
