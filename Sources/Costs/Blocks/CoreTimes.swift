internal import Models

/// Times of the core attention of a block, or of the recurrence in its place.
extension BlockTimes {
    func attention() -> (forward: Double, backward: Double) {
        let core = block.core
        let (s, T) = (Double(sequence), device.tokens)
        guard core.heads > 0 else { return (0, 0) }
        // Keys of the sequence, and those of a text.
        let own = attention(core.ownWork(length: s), keys: s, rowsOfKeys: T)
        guard let cross = core.cross else { return own }
        let text = attention(core.crossWork, keys: Double(cross.keys), rowsOfKeys: T * device.shares.text)
        return (own.forward + text.forward, own.backward + text.backward)
    }

    /// Seconds of both passes of the core attention of all rows to sequences of `s` keys.
    /// - Parameters:
    ///   - work: half of the multiply-adds of a row.
    ///   - keyRows: rows of keys and values on this device.
    private func attention(
        _ work: Double, keys s: Double, rowsOfKeys keyRows: Double
    ) -> (forward: Double, backward: Double) {
        let core = block.core
        let T = device.tokens
        if device.flashAttention {
            // QKᵀ and PV. The kernel skips keys that the mask hides.
            let flops = 4 * T * work / device.tensor
            let length = core.kernelLength(s)
            let forward = rates.flash(flops: flops, length: length)
            let backward = rates.flash(
                flops: CostConstants.flashBackwardWork * flops, length: length,
                share: CostConstants.flashBackwardShare)
            return (forward, backward)
        }
        // Unfused attention: every score is in memory, and products do not skip masked keys.
        let scores = T * s * Double(core.heads) / device.tensor
        let w = rates.elementBytes
        let bytes =
            w * scores + w * T * (Double(core.queries) / device.tensor + keyRows / T * keysAndValues / 2)
        // One small product for each head. It has as many tiles as one tall product of all heads' rows.
        let (rows, width) = (scores / s, core.width / Double(core.heads))
        let toScores = rates.product(rows, s, width, bytes: bytes, high: true)
        let fromScores = rates.product(rows, width, s, bytes: bytes, high: true)
        let dropForward = device.dropout ? rates.elementwise((2 * w + 1) * scores) : 0
        let forward = toScores + fromScores + rates.elementwise(2 * w * scores) + dropForward
        let backward = toScores + 3 * fromScores + rates.elementwise(3 * w * scores) + dropForward
        return (forward, backward)
    }

    /// Seconds of the recurrence of a token mixer: products of chunks at the rate of fused attention over sequences of a
    /// chunk's length, or the kernels' memory traffic where that takes longer. Like attention's, a backward computes half
    /// of the products again.
    func scan() -> (forward: Double, backward: Double) {
        guard let scan = block.core.scan, let chunk = scan.chunk else { return (0, 0) }
        let flops = 2 * device.tokens * scan.work(length: Double(sequence)) / device.tensor
        let length = min(Double(chunk), Double(sequence))
        let bytes = measure.bytes(scan.traffic)
        return (
            max(rates.flash(flops: flops, length: length), rates.elementwise(bytes)),
            max(
                rates.flash(
                    flops: CostConstants.flashBackwardWork * flops, length: length,
                    share: CostConstants.flashBackwardShare), rates.elementwise(Scan.backwardTraffic * bytes))
        )
    }

    /// Numbers in a row of keys and values on one device.
    private var keysAndValues: Double {
        block.core.keysAndValues(tensor: device.tensor)
    }
}
