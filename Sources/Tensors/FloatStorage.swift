internal import Glibc

/// A fixed run of fp32 numbers outside Swift's heap: zeroed, 64-byte aligned, on huge pages when it is large.
package final class FloatStorage {
    /// Numbers held.
    package let count: Int
    /// The first number; valid while this object lives.
    package let pointer: UnsafeMutablePointer<Float>

    private static let hugePage = 2 << 20

    /// Allocates `count` zeros.
    package init(count: Int) {
        self.count = count
        let bytes = max(count, 1) * MemoryLayout<Float>.stride
        let isLarge = bytes >= 2 * Self.hugePage
        let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: isLarge ? Self.hugePage : 64)
        // Advice before the first touch, so that the zeroing below already faults in whole huge pages.
        if isLarge { madvise(raw, bytes, MADV_HUGEPAGE) }
        memset(raw, 0, bytes)
        pointer = raw.bindMemory(to: Float.self, capacity: max(count, 1))
    }

    deinit { UnsafeMutableRawPointer(pointer).deallocate() }
}
