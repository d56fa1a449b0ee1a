import Foundation

/// Counts in a file that worker and watcher both have in memory: what the worker did is known even after it trapped.
final class Progress {
    private static let fields = 4
    private let words: UnsafeMutablePointer<UInt64>

    /// Maps the file at `path`, which is made if it is not there.
    init?(path: String) {
        let size = MemoryLayout<UInt64>.stride * (1 + Self.fields * Kind.allCases.count)
        let descriptor = open(path, O_RDWR | O_CREAT, 0o600)
        guard descriptor >= 0, ftruncate(descriptor, off_t(size)) == 0,
            let address = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), address != MAP_FAILED
        else { return nil }
        close(descriptor)
        words = address.bindMemory(to: UInt64.self, capacity: size / MemoryLayout<UInt64>.stride)
    }

    /// The input at work.
    var index: Int {
        get { Int(words[0]) }
        set { words[0] = UInt64(newValue) }
    }

    /// Inputs of one kind, and how many of them came how far.
    struct Counts {
        var inputs = 0
        var parsed = 0
        var accepted = 0
        /// Without a word where one was due.
        var silent = 0
    }

    subscript(_ kind: Kind) -> Counts {
        get {
            let first = 1 + Self.fields * kind.rawValue
            return Counts(
                inputs: Int(words[first]), parsed: Int(words[first + 1]), accepted: Int(words[first + 2]),
                silent: Int(words[first + 3]))
        }
        set {
            let first = 1 + Self.fields * kind.rawValue
            for (offset, value) in [newValue.inputs, newValue.parsed, newValue.accepted, newValue.silent].enumerated() {
                words[first + offset] = UInt64(value)
            }
        }
    }
}
