/// Writes trace events as JSON, byte by byte and without intermediate values: a trace may have a million events. Needs no
/// Foundation, which the rooms that write traces do not import.
struct TraceWriter {
    private var bytes: [UInt8] = Array(#"{"displayTimeUnit":"ms","traceEvents":["#.utf8)
    private var isEmpty = true
    /// Number of processes, and the number of the last one: they count from 1, since Perfetto keeps 0 for an idle kernel.
    private(set) var processes = 0

    /// Adds a process, to which the events that follow belong.
    mutating func addProcess(name: String, labels: String? = nil) {
        processes += 1
        metadata("process_name", process: processes, thread: nil, key: "name", value: name)
        if let labels { metadata("process_labels", process: processes, thread: nil, key: "labels", value: labels) }
        metadata("process_sort_index", process: processes, thread: nil, key: "sort_index", value: processes)
    }

    /// Adds a thread: a track of its process.
    mutating func addThread(process: Int, id: Int, name: String) {
        metadata("thread_name", process: process, thread: id, key: "name", value: name)
        metadata("thread_sort_index", process: process, thread: id, key: "sort_index", value: id)
    }

    private mutating func metadata(
        _ name: String, process: Int, thread: Int?, key: StaticString, value: String
    ) {
        event("M", name, process: process, thread: thread) { writer in
            writer.arguments { $0.field(key, value) }
        }
    }

    private mutating func metadata(_ name: String, process: Int, thread: Int?, key: StaticString, value: Int) {
        event("M", name, process: process, thread: thread) { writer in
            writer.arguments { $0.field(key, value) }
        }
    }

    /// Adds an event. `body` adds the fields that its phase needs.
    mutating func event(
        _ phase: StaticString, _ name: String, process: Int, thread: Int?, _ body: (inout TraceWriter) -> Void
    ) {
        if !isEmpty { bytes.append(UInt8(ascii: ",")) }
        isEmpty = false
        append("\n{\"ph\":\"")
        append(phase)
        append("\"")
        field("name", name)
        field("pid", process)
        if let thread { field("tid", thread) }
        body(&self)
        append("}")
    }

    /// Adds the event's `args`. `body` adds at least one field.
    mutating func arguments(_ body: (inout TraceWriter) -> Void) {
        append(",\"args\":{")
        let start = bytes.count
        body(&self)
        // Fields begin with a comma, the first of an object must not.
        if bytes.count > start { bytes.remove(at: start) }
        append("}")
    }

    mutating func field(_ key: StaticString, _ value: Int) {
        self.key(key)
        append(decimal: value.magnitude, isNegative: value < 0)
    }

    mutating func field(_ key: StaticString, _ value: Double) {
        self.key(key)
        bytes.append(contentsOf: (value.isFinite ? "\(value)" : "null").utf8)
    }

    mutating func field(_ key: StaticString, _ value: String) {
        self.key(key)
        append(quoted: value)
    }

    /// Nanoseconds, written as microseconds with up to three decimals.
    mutating func field(_ key: StaticString, nanoseconds: Int) {
        self.key(key)
        let (whole, part) = nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1000)
        append(decimal: whole, isNegative: nanoseconds < 0)
        if part > 0 {
            bytes.append(UInt8(ascii: "."))
            for divisor: UInt in [100, 10, 1] { bytes.append(UInt8(ascii: "0") + UInt8(part / divisor % 10)) }
        }
    }

    /// The whole file.
    func json() -> String { String(decoding: bytes + Array("\n]}\n".utf8), as: UTF8.self) }

    private mutating func key(_ key: StaticString) {
        append(",\"")
        append(key)
        append("\":")
    }

    private mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    private mutating func append(decimal number: UInt, isNegative: Bool) {
        if isNegative { bytes.append(UInt8(ascii: "-")) }
        let first = bytes.count
        var rest = number
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        bytes[first...].reverse()
    }

    /// Quotes and escapes (RFC 8259, section 7).
    private mutating func append(quoted string: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20:
                append("\\u00")
                for digit in [byte >> 4, byte & 15] {
                    bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
                }
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
