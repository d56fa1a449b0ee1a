/// Calls `body` with pointers to the first elements of two lists; nil if one is empty.
func withUnsafePointers<A, B, T>(
    _ first: [A], _ second: [B], _ body: (UnsafePointer<A>, UnsafePointer<B>) -> T
) -> T? {
    first.withUnsafeBufferPointer { first in
        second.withUnsafeBufferPointer { second in
            guard let first = first.baseAddress, let second = second.baseAddress else { return nil }
            return body(first, second)
        }
    }
}
