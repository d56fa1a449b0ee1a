/// Bytes of the numbers in `HeldBlocks.numbers`, in the same order, where the inner loop of a search reads them without
/// counting references.
struct HeldByteNumbers {
    let kinds: Int
    let bytes: UnsafePointer<Double>
    /// Whether the software never frees memory, so that later moments reuse it.
    let pools: Bool

    /// Bytes of the blocks whose backward has not started, and of those between the two halves of their backward.
    @inline(__always)
    func blocks(_ held: UnsafePointer<Double>) -> (whole: Double, later: Double) {
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
    func sets(_ held: UnsafePointer<Double>) -> Double {
        var sum = 0.0
        for place in 0..<2 * kinds { sum += (held[place] + held[2 * kinds + place]) * bytes[place] }
        return sum
    }

    /// The most bytes of the blocks at one of `moments` and the most of the embedding at one, together.
    @inline(__always)
    func mostApart(_ held: UnsafePointer<Double>, moments: Int) -> Double {
        let stride = 4 * kinds + 1
        var (most, first) = (0.0, 0.0)
        for moment in 0..<moments {
            let numbers = held + moment * stride
            let (whole, later) = blocks(numbers)
            most = max(most, whole + later)
            first = max(first, numbers[stride - 1])
        }
        return most + first * bytes[stride - 1]
    }

    /// Bytes that the blocks and the embedding keep at the fullest of `moments`, whose numbers follow each other from
    /// `held` on.
    @inline(__always)
    func fullest(_ held: UnsafePointer<Double>, moments: Int) -> Double {
        let stride = 4 * kinds + 1
        let mask = bytes[stride - 1]
        var (most, mostSets) = (0.0, 0.0)
        for moment in 0..<moments {
            let numbers = held + moment * stride
            let (whole, later) = blocks(numbers)
            let masks = numbers[stride - 1] * mask
            if pools {
                let sets = sets(numbers)
                mostSets = max(mostSets, sets + masks)
                most = max(most, whole + later - sets)
            } else {
                most = max(most, whole + later + masks)
            }
        }
        return pools ? mostSets + most : most
    }
}

/// Bytes of the numbers in `HeldBlocks.numbers`, in the same order.
struct HeldBytes: Sendable {
    let kinds: Int
    let bytes: [Double]
    /// Whether the software never frees memory, so that later moments reuse it.
    let pools: Bool

    /// Appends the bytes to a list.
    /// - Parameters:
    ///   - plain: bytes of a block of each kind that is not recomputed.
    ///   - recomputed: bytes of a block of each kind that is recomputed if only some blocks are.
    ///   - mask: bytes that the first stage keeps for a micro-batch in addition to its blocks.
    static func add(plain: [ActivationBytes], recomputed: [ActivationBytes], mask: Double, to bytes: inout [Double]) {
        for kind in plain.indices {
            bytes.append(plain[kind].kept)
            bytes.append(recomputed[kind].kept)
        }
        for kind in plain.indices {
            bytes.append(plain[kind].later)
            bytes.append(recomputed[kind].later)
        }
        bytes.append(mask)
    }

    /// The bytes, with the numbers of one moment; nil if there are none, or if the moment is another model's.
    private func with<T>(_ held: HeldBlocks, _ body: (HeldByteNumbers, UnsafePointer<Double>) -> T) -> T? {
        guard held.kinds == kinds else { return nil }
        return held.numbers.withUnsafeBufferPointer { numbers in
            bytes.withUnsafeBufferPointer { bytes in
                guard let numbers = numbers.baseAddress, let bytes = bytes.baseAddress else { return nil }
                return body(HeldByteNumbers(kinds: kinds, bytes: bytes, pools: pools), numbers)
            }
        }
    }

    /// Bytes that the blocks keep at one moment.
    func blocks(_ held: HeldBlocks) -> Double {
        with(held) { bytes, numbers in
            let (whole, later) = bytes.blocks(numbers)
            return whole + later
        } ?? 0
    }

    /// Additional bytes of blocks between the two halves of a backward, beyond the tensors they kept before.
    func added(_ held: HeldBlocks) -> Double { blocks(held) - (with(held) { $0.sets($1) } ?? 0) }

    /// Bytes of the embedding's dropout masks at one moment.
    func masks(_ held: HeldBlocks) -> Double { held.first * (bytes.last ?? 0) }

    /// Bytes that the blocks and the embedding keep at one moment.
    func kept(_ held: HeldBlocks) -> Double { blocks(held) + masks(held) }
}
