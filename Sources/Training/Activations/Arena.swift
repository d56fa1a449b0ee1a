internal import Tensors

/// Hands out cache-line-aligned pieces of one allocation; with no storage it only counts.
struct Arena {
    private let base: UnsafeMutablePointer<Float>?
    private(set) var used = 0

    /// Counts what would be taken; the pointers handed out must not be used.
    init() { base = nil }

    /// - Parameter start: first element to hand out, a multiple of 16.
    init(_ storage: FloatStorage, from start: Int = 0) { base = storage.pointer + start }

    mutating func take(_ count: Int) -> UnsafeMutablePointer<Float> {
        defer { used += (count + 15) / 16 * 16 }
        // A counting arena never dereferences: any non-null address will do.
        return (base ?? UnsafeMutablePointer(bitPattern: 64)!) + used
    }
}
