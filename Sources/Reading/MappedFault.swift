internal import Synchronization

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// What happens when a mapped file is cut and somebody reads behind its new end: the system sends SIGBUS, and nothing can go on.
/// A process that has asked for it ends with one line that names the file.
package enum MappedFault {
    /// A mapping. The signal's handler reads it, so it holds nothing that Swift counts.
    private struct Entry {
        var start: UInt = 0
        var count: UInt = 0
        var path: UnsafeMutablePointer<CChar>?
    }

    /// What the handler works with. It may neither lock nor allocate.
    private struct Table: @unchecked Sendable {
        /// Files mapped at a time; a file beyond them has no name in the line.
        static let capacity = 1024
        static let lineBytes = 8192
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
        let line = UnsafeMutablePointer<UInt8>.allocate(capacity: lineBytes)

        init() { entries.initialize(repeating: Entry(), count: Self.capacity) }
    }

    private static let table = Table()
    private static let writing = Mutex(())
    /// Words that the line begins with; 0: nobody has asked.
    private static let prefix = Atomic<UInt>(0)

    static func add(_ bytes: UnsafeRawBufferPointer, _ path: String) {
        guard let start = bytes.baseAddress else { return }
        writing.withLock { _ in
            for index in 0..<Table.capacity where table.entries[index].count == 0 {
                table.entries[index].start = UInt(bitPattern: start)
                table.entries[index].path = strdup(path)
                table.entries[index].count = UInt(bytes.count)
                return
            }
        }
    }

    static func remove(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        writing.withLock { _ in
            for index in 0..<Table.capacity
            where table.entries[index].count > 0 && table.entries[index].start == UInt(bitPattern: start) {
                table.entries[index].count = 0
                free(table.entries[index].path)
                table.entries[index].path = nil
                return
            }
        }
    }

    /// From now on a mapped file that is cut ends this process with exit code 1 and one line on standard error.
    /// - Parameter words: what the line begins with, such as `program: rank 3: `.
    package static func endProcess(saying words: String) {
        _ = table
        let old = prefix.exchange(UInt(bitPattern: strdup(words)), ordering: .sequentiallyConsistent)
        if old != 0 { return }
        var action = sigaction()
        let handler: @convention(c) (Int32, UnsafeMutablePointer<siginfo_t>?, UnsafeMutableRawPointer?) -> Void = {
            number, information, _ in
            MappedFault.answer(number, MappedFault.address(information))
        }
        #if canImport(Darwin)
            action.__sigaction_u.__sa_sigaction = handler
        #elseif canImport(Musl)
            action.__sa_handler.sa_sigaction = handler
        #else
            action.__sigaction_handler.sa_sigaction = handler
        #endif
        action.sa_flags = SA_SIGINFO
        _ = sigaction(SIGBUS, &action, nil)
    }

    private static func address(_ information: UnsafeMutablePointer<siginfo_t>?) -> UInt {
        #if canImport(Darwin)
            UInt(bitPattern: information?.pointee.si_addr)
        #elseif canImport(Musl)
            UInt(bitPattern: information?.pointee.__si_fields.__sigfault.si_addr)
        #else
            UInt(bitPattern: information?.pointee._sifields._sigfault.si_addr)
        #endif
    }

    /// Runs in the signal's handler.
    private static func answer(_ number: Int32, _ address: UInt) {
        for index in 0..<Table.capacity {
            let entry = table.entries[index]
            guard entry.count > 0, address >= entry.start, address - entry.start < entry.count else { continue }
            var filled = 0
            append(UnsafePointer(bitPattern: prefix.load(ordering: .sequentiallyConsistent)), &filled)
            append(UnsafePointer(entry.path), &filled)
            append(": it was cut short while it was read; the file must stay as it is\n", &filled)
            _ = write(2, table.line, filled)
            _exit(1)
        }
        // Another fault: the system's own answer follows when the instruction is tried again.
        signal(number, SIG_DFL)
    }

    private static func append(_ text: UnsafePointer<CChar>?, _ filled: inout Int) {
        guard let text else { return }
        var place = 0
        while text[place] != 0, filled < Table.lineBytes {
            table.line[filled] = UInt8(bitPattern: text[place])
            (place, filled) = (place + 1, filled + 1)
        }
    }

    private static func append(_ text: StaticString, _ filled: inout Int) {
        for place in 0..<text.utf8CodeUnitCount where filled < Table.lineBytes {
            table.line[filled] = text.utf8Start[place]
            filled += 1
        }
    }
}
