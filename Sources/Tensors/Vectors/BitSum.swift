/// The sum of the 64-bit words of some memory, modulo 2⁶⁴. One changed bit changes a word by a power of two, and so always
/// the sum. It runs at the speed of memory, which a hash of every element does not.
package enum BitSum {
    private typealias Words = SIMD8<UInt64>

    /// - Parameter count: bytes from `start` on. Bytes behind the last whole word count as a word filled up with zeros.
    package static func of(_ start: UnsafeRawPointer, count: Int) -> UInt64 {
        let block = 4 * MemoryLayout<Words>.size
        var (first, second, third, fourth) = (Words(), Words(), Words(), Words())
        var place = 0
        while place &+ block <= count {
            let from = start + place
            first &+= from.loadUnaligned(as: Words.self)
            second &+= from.loadUnaligned(fromByteOffset: 64, as: Words.self)
            third &+= from.loadUnaligned(fromByteOffset: 128, as: Words.self)
            fourth &+= from.loadUnaligned(fromByteOffset: 192, as: Words.self)
            place &+= block
        }
        var sum = (first &+ second &+ third &+ fourth).wrappedSum()
        while place &+ 8 <= count {
            sum &+= start.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            place &+= 8
        }
        var (rest, shift) = (UInt64(0), UInt64(0))
        while place < count {
            rest |= UInt64(start.load(fromByteOffset: place, as: UInt8.self)) &<< shift
            (place, shift) = (place &+ 1, shift &+ 8)
        }
        return sum &+ rest
    }
}
