internal import Glibc

/// Memory outside Swift's heap for a fixed number of elements: its bytes start as zeros, it is aligned to 64 bytes, and
/// when it is large it lies on huge pages.
package final class Storage<Element: BitwiseCopyable> {
    /// Elements held.
    package let count: Int
    /// The first element; valid while this object lives.
    package let pointer: UnsafeMutablePointer<Element>

    /// The address range of memory that was mapped; nil for memory from the heap.
    private let mapping: UnsafeMutableRawBufferPointer?

    /// Allocates `count` elements of zero bytes.
    package init(count: Int) {
        self.count = count
        let bytes = max(count, 1) * MemoryLayout<Element>.stride
        let isLarge = bytes >= 2 * Pages.huge
        let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: isLarge ? Pages.huge : 64)
        // Advice before the first touch, so that the zeroing below already faults in whole huge pages.
        // The end that fills no huge page stays on small ones.
        if isLarge { madvise(raw, bytes / Pages.huge * Pages.huge, MADV_HUGEPAGE) }
        memset(raw, 0, bytes)
        pointer = raw.bindMemory(to: Element.self, capacity: max(count, 1))
        mapping = nil
    }

    /// Allocates `count` elements of zero bytes. A page inside the ranges `sparse` takes memory only once something is
    /// written to it.
    package init(count: Int, sparse: [Range<Int>]) {
        self.count = count
        let width = MemoryLayout<Element>.stride
        let bytes = max(count, 1) * width
        // Room to start on a huge page.
        let length = bytes + Pages.huge
        guard
            let address = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            address != MAP_FAILED
        else { fatalError("no address space for \(bytes) bytes") }
        mapping = UnsafeMutableRawBufferPointer(start: address, count: length)
        let raw = address.alignedUp(toMultipleOf: Pages.huge)
        pointer = raw.bindMemory(to: Element.self, capacity: max(count, 1))
        if bytes >= 2 * Pages.huge { madvise(raw, bytes / Pages.huge * Pages.huge, MADV_HUGEPAGE) }
        for range in sparse {
            let (start, end) = (raw + range.lowerBound * width, raw + range.upperBound * width)
            let (first, last) = (
                start.alignedUp(toMultipleOf: Pages.small), end.alignedDown(toMultipleOf: Pages.small)
            )
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

/// Bytes of a page of memory.
private enum Pages {
    static let small = 4096
    static let huge = 2 << 20
}

extension Storage where Element == Float {
    /// The first rows · columns numbers as a matrix.
    package func matrix(rows: Int, columns: Int) -> Matrix {
        assert(rows * columns <= count, "\(rows) × \(columns) numbers in storage of \(count)")
        return Matrix(pointer, rows: rows, columns: columns)
    }
}

/// Memory for a number of elements that changes from one use to the next. It only grows, so that after some steps nothing
/// is allocated.
package final class GrowingStorage<Element: BitwiseCopyable> {
    private var storage = Storage<Element>(count: 0)

    package init() {}

    /// The first element, until the next `reserve`.
    package var pointer: UnsafeMutablePointer<Element> { storage.pointer }

    /// Room for `count` elements. Earlier contents may be lost.
    package func reserve(_ count: Int) -> UnsafeMutablePointer<Element> {
        // A third more than needed: routing shifts a little at every step.
        if count > storage.count { storage = Storage(count: count + count / 3) }
        return storage.pointer
    }
}

extension GrowingStorage where Element == Float {
    /// Room for a matrix. Earlier contents may be lost.
    package func reserve(rows: Int, columns: Int) -> Matrix {
        Matrix(reserve(rows * columns), rows: rows, columns: columns)
    }
}
