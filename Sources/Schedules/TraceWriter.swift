/// A value of a trace event.
enum JSONValue {
    case integer(Int)
    case number(Double)
    case string(String)
    /// Nanoseconds, written as microseconds with three decimals.
    case microseconds(Int64)
}

/// Writes trace events as JSON, byte by byte: a trace has a million events and the rooms that make one do without
/// Foundation.
struct TraceWriter {
    private var bytes: [UInt8] = Array(#"{"displayTimeUnit":"ms","traceEvents":["#.utf8)
    private var isEmpty = true
    /// Processes begun so far; the next one's number.
    private(set) var processes = 0

    mutating func beginProcess(name: String) {
        metadata("process_name", process: processes, thread: nil, ("name", .string(name)))
        metadata("process_sort_index", process: processes, thread: nil, ("sort_index", .integer(processes)))
        processes += 1
    }

    mutating func thread(process: Int, id: Int, name: String) {
        metadata("thread_name", process: process, thread: id, ("name", .string(name)))
        metadata("thread_sort_index", process: process, thread: id, ("sort_index", .integer(id)))
    }

    private mutating func metadata(_ name: String, process: Int, thread: Int?, _ argument: (String, JSONValue)) {
        event(
            phase: "M", name: name, category: nil, process: process, thread: thread, fields: [], arguments: [argument])
    }

    mutating func event(
        phase: String, name: String, category: String?, process: Int, thread: Int?, fields: [(String, JSONValue)],
        arguments: [(String, JSONValue)]
    ) {
        if !isEmpty { bytes.append(UInt8(ascii: ",")) }
        isEmpty = false
        bytes.append(contentsOf: "\n{\"ph\":".utf8)
        write(string: phase)
        field("name", .string(name))
        if let category { field("cat", .string(category)) }
        field("pid", .integer(process))
        if let thread { field("tid", .integer(thread)) }
        for (key, value) in fields { field(key, value) }
        if !arguments.isEmpty {
            bytes.append(contentsOf: ",\"args\":{".utf8)
            for (index, (key, value)) in arguments.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                write(string: key)
                bytes.append(UInt8(ascii: ":"))
                write(value)
            }
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: "}"))
    }

    func finished() -> String { String(decoding: bytes + Array("\n]}\n".utf8), as: UTF8.self) }

    private mutating func field(_ key: String, _ value: JSONValue) {
        bytes.append(UInt8(ascii: ","))
        write(string: key)
        bytes.append(UInt8(ascii: ":"))
        write(value)
    }

    private mutating func write(_ value: JSONValue) {
        switch value {
        case .integer(let number): bytes.append(contentsOf: String(number).utf8)
        case .number(let number): bytes.append(contentsOf: (number.isFinite ? "\(number)" : "null").utf8)
        case .string(let text): write(string: text)
        case .microseconds(let nanoseconds):
            if nanoseconds < 0 { bytes.append(UInt8(ascii: "-")) }
            let (whole, part) = nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1000)
            bytes.append(contentsOf: String(whole).utf8)
            if part > 0 {
                bytes.append(UInt8(ascii: "."))
                for divisor: UInt64 in [100, 10, 1] { bytes.append(UInt8(ascii: "0") + UInt8(part / divisor % 10)) }
            }
        }
    }

    /// Quotes and escapes (RFC 8259, section 7).
    private mutating func write(string: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                bytes.append(contentsOf: "\\u00".utf8)
                bytes.append(digits[Int(byte >> 4)])
                bytes.append(digits[Int(byte & 15)])
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
