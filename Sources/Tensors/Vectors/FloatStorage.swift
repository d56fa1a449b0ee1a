#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// A fixed run of fp32 numbers outside Swift's heap: zeroed, 64-byte aligned, on huge pages when it is large.
package final class FloatStorage {
    /// Numbers held.
    package let count: Int
    /// The first number; valid while this object lives.
    package let pointer: UnsafeMutablePointer<Float>

    /// What was mapped for it, if it did not come from the heap.
    private let mapping: UnsafeMutableRawBufferPointer?

    private static let hugePage = 2 << 20

    /// Allocates `count` zeros.
    package init(count: Int) {
        self.count = count
        let bytes = max(count, 1) * MemoryLayout<Float>.stride
        let isLarge = bytes >= 2 * Self.hugePage
        let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: isLarge ? Self.hugePage : 64)
        // Advice before the first touch, so that the zeroing below already faults in whole huge pages.
        // The end that fills no huge page stays on small ones.
        if isLarge { madvise(raw, bytes / Self.hugePage * Self.hugePage, MADV_HUGEPAGE) }
        memset(raw, 0, bytes)
        pointer = raw.bindMemory(to: Float.self, capacity: max(count, 1))
        mapping = nil
    }

    /// Allocates `count` zeros. A page inside the ranges `sparse` takes memory only once something is written to it.
    package init(count: Int, sparse: [Range<Int>]) {
        self.count = count
        let width = MemoryLayout<Float>.stride
        let bytes = max(count, 1) * width
        // Room to start on a huge page.
        let length = bytes + Self.hugePage
        guard
            let address = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            address != MAP_FAILED
        else { preconditionFailure("no address space for \(bytes) bytes") }
        mapping = UnsafeMutableRawBufferPointer(start: address, count: length)
        let raw = address.alignedUp(toMultipleOf: Self.hugePage)
        pointer = raw.bindMemory(to: Float.self, capacity: max(count, 1))
        if bytes >= 2 * Self.hugePage { madvise(raw, bytes / Self.hugePage * Self.hugePage, MADV_HUGEPAGE) }
        for range in sparse {
            let (start, end) = (raw + range.lowerBound * width, raw + range.upperBound * width)
            let (first, last) = (start.alignedUp(toMultipleOf: 4096), end.alignedDown(toMultipleOf: 4096))
            if first < last { madvise(first, last - first, MADV_NOHUGEPAGE) }
        }
        var touched = 0
        for range in sparse {
            memset(raw + touched * width, 0, (range.lowerBound - touched) * width)
            touched = range.upperBound
        }
        memset(raw + touched * width, 0, (count - touched) * width)
    }

    deinit {
        if let mapping {
            munmap(mapping.baseAddress, mapping.count)
        } else {
            UnsafeMutableRawPointer(pointer).deallocate()
        }
    }
}
