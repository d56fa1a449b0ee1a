import Tensors
import Testing

struct BitSumTests {
    /// Every bit of some bytes, at lengths around a word and a block.
    @Test(arguments: [1, 7, 8, 9, 63, 64, 255, 256, 257, 1000])
    func everyTurnedBitChangesTheSum(count: Int) {
        var bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) }
        func sum() -> UInt64 { bytes.withUnsafeBytes { $0.baseAddress.map { BitSum.of($0, count: count) } ?? 0 } }
        let right = sum()
        // The definition: words of eight bytes, the lowest first, the last filled up with zeros.
        var expected: UInt64 = 0
        for start in stride(from: 0, to: count, by: 8) {
            var word: UInt64 = 0
            for index in start..<min(start + 8, count) { word |= UInt64(bytes[index]) << UInt64(8 * (index - start)) }
            expected &+= word
        }
        #expect(right == expected)
        for bit in 0..<8 * count {
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(sum() != right)
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        }
    }
}
