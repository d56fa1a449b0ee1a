internal import Tensors

/// Hands out cache-line-aligned pieces of one allocation. Without storage it only counts.
struct Arena {
    private let base: UnsafeMutablePointer<Float>?
    private(set) var used = 0

    /// An arena that counts what would be taken. The memory it hands out must not be used.
    init() { base = nil }

    /// - Parameter start: first element to hand out, a multiple of 16.
    init(_ storage: Storage<Float>, from start: Int = 0) { base = storage.pointer + start }

    /// Room for `count` numbers.
    mutating func take(_ count: Int) -> UnsafeMutablePointer<Float> {
        defer { used += (count + 15) / 16 * 16 }
        // A counting arena never dereferences: any non-null address will do.
        return (base ?? UnsafeMutablePointer(bitPattern: 64)!) + used
    }

    /// Room for a matrix.
    mutating func take(rows: Int, columns: Int) -> Matrix {
        Matrix(take(rows * columns), rows: rows, columns: columns)
    }
}
