/// Bytes of the numbers in `HeldBlocks.numbers`, in the same order. A class, so that a search passes it on without
/// copying lists.
final class HeldBytes: Sendable {
    private let kinds: Int
    private let bytes: [Double]
    /// Whether the software never frees memory, so that later moments reuse it.
    private let pools: Bool

    /// - Parameters:
    ///   - plain: bytes of a block of each kind that is not recomputed.
    ///   - recomputed: bytes of a block of each kind that is recomputed if only some blocks are.
    ///   - mask: bytes that the first stage keeps for a micro-batch in addition to its blocks.
    init(plain: [ActivationBytes], recomputed: [ActivationBytes], mask: Double, pools: Bool) {
        kinds = plain.count
        var bytes: [Double] = []
        bytes.reserveCapacity(4 * kinds + 1)
        for (plain, recomputed) in zip(plain, recomputed) { bytes += [plain.kept, recomputed.kept] }
        for (plain, recomputed) in zip(plain, recomputed) { bytes += [plain.later, recomputed.later] }
        self.bytes = bytes + [mask]
        self.pools = pools
    }

    /// Bytes of the blocks whose backward has not started, and of those between the two halves of their backward.
    @inline(__always)
    private func blocks(
        _ held: UnsafePointer<Double>, _ bytes: UnsafePointer<Double>
    ) -> (whole: Double, later: Double) {
        var (whole, later) = (0.0, 0.0)
        let half = 2 * kinds
        for place in 0..<half {
            whole += held[place] * bytes[place]
            later += held[half + place] * bytes[half + place]
        }
        return (whole, later)
    }

    /// Bytes of the blocks, if each had all its tensors also after the first half of its backward.
    @inline(__always)
    private func sets(_ held: UnsafePointer<Double>, _ bytes: UnsafePointer<Double>) -> Double {
        var sum = 0.0
        for place in 0..<2 * kinds { sum += (held[place] + held[2 * kinds + place]) * bytes[place] }
        return sum
    }

    /// Bytes that the blocks and the embedding keep at the fullest of `moments`, whose numbers follow each other from
    /// `held` on.
    @inline(__always)
    func fullest(_ held: UnsafePointer<Double>, moments: Int) -> Double {
        bytes.withUnsafeBufferPointer { buffer in
            guard let bytes = buffer.baseAddress else { return 0 }
            let stride = 4 * kinds + 1
            let mask = bytes[stride - 1]
            var (most, mostSets) = (0.0, 0.0)
            for moment in 0..<moments {
                let numbers = held + moment * stride
                let (whole, later) = blocks(numbers, bytes)
                let masks = numbers[stride - 1] * mask
                if pools {
                    let sets = sets(numbers, bytes)
                    mostSets = max(mostSets, sets + masks)
                    most = max(most, whole + later - sets)
                } else {
                    most = max(most, whole + later + masks)
                }
            }
            return pools ? mostSets + most : most
        }
    }

    private func with<T>(_ held: HeldBlocks, _ body: (UnsafePointer<Double>, UnsafePointer<Double>) -> T) -> T? {
        held.numbers.withUnsafeBufferPointer { numbers in
            bytes.withUnsafeBufferPointer { bytes in
                guard let numbers = numbers.baseAddress, let bytes = bytes.baseAddress, held.kinds == kinds else {
                    return nil
                }
                return body(numbers, bytes)
            }
        }
    }

    /// Bytes that the blocks and the embedding keep at the fullest of `moments`.
    func fullest(_ moments: [HeldBlocks]) -> Double {
        moments.flatMap(\.numbers).withUnsafeBufferPointer { numbers in
            numbers.baseAddress.map { fullest($0, moments: moments.count) } ?? 0
        }
    }

    /// Bytes that the blocks keep at one moment.
    func blocks(_ held: HeldBlocks) -> Double {
        with(held) { numbers, bytes in
            let (whole, later) = blocks(numbers, bytes)
            return whole + later
        } ?? 0
    }

    /// Additional bytes of blocks between the two halves of a backward, beyond the tensors they kept before.
    func added(_ held: HeldBlocks) -> Double {
        blocks(held) - (with(held) { numbers, bytes in sets(numbers, bytes) } ?? 0)
    }

    /// Bytes of the embedding's dropout masks at one moment.
    func masks(_ held: HeldBlocks) -> Double { held.first * (bytes.last ?? 0) }

    /// Bytes that the blocks and the embedding keep at one moment.
    func kept(_ held: HeldBlocks) -> Double { blocks(held) + masks(held) }
}
