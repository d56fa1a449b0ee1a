package import Plans

/// What one device computes a second: the roofline of every operation.
package struct DeviceRates: Sendable {
    /// Datasheet rate of the blocks' and of half-precision products, FLOP/s.
    let peak: Double
    let highPeak: Double
    /// Size of a product on the curve over its real size: an 8-bit product is as efficient as the half-precision one
    /// that takes as long.
    let sizeScale: Double
    /// Share of the curves' rates that products keep inside a training step.
    let inStep: Double
    /// Compute lost while a collective runs beside it, as a share of the collective's time.
    let contention: Double
    /// Bytes a second of memory-bound kernels.
    let memoryRate: Double
    let launch: Double
    /// Seconds the host takes to launch a block's pass, with unfused and with fused attention; 0 on a processor core,
    /// which computes when it is called.
    let host: (unfused: Double, fused: Double)
    let matmul: EfficiencyCurve
    /// Products by shape instead; nil where only sizes were measured.
    let shape: MatmulShape?
    let attention: EfficiencyCurve
    /// Bytes of one activation element.
    let elementBytes: Double

    package init(device: Device, precision: Precision, fitted: FittedConstants = FittedConstants()) throws(CostError) {
        guard let peak = device.peakFLOPs[precision], peak > 0 else {
            throw .noRate(precision: precision.rawValue, device: device.name)
        }
        self.peak = peak
        // Attention, the head and everything an 8-bit run keeps in 16 bits.
        highPeak = precision == .fp8 ? device.peakFLOPs[.bf16] ?? device.peakFLOPs[.fp16] ?? peak : peak
        sizeScale = highPeak / peak
        let accelerator = peak >= CostConstants.slowestAccelerator
        inStep = accelerator ? fitted.inStepShare : 1
        contention = accelerator ? fitted.contention : CostConstants.coreContention
        host = accelerator ? (fitted.hostUnfused, fitted.hostFused) : (0, 0)
        memoryRate = device.memoryBytesPerSecond * device.memoryEfficiency
        launch = device.launchSeconds
        matmul = device.matmulEfficiency
        shape = device.matmulShape
        attention = device.attentionEfficiency
        elementBytes = precision == .fp32 ? 4 : 2
    }

    /// Seconds of an m×k by k×n product.
    func product(_ m: Double, _ n: Double, _ k: Double, high: Bool = false) -> Double {
        let bytes = elementBytes * (m * k + k * n + m * n)
        guard let shape else { return product(flops: 2 * m * n * k, bytes: bytes, high: high) }
        return tiled(m, n, k, shape: shape, bytes: bytes, high: high)
    }

    /// Seconds of a product by its tiles and waves. An 8-bit product of twice the rate fills twice the depth.
    private func tiled(
        _ m: Double, _ n: Double, _ k: Double, shape: MatmulShape, bytes: Double, high: Bool
    ) -> Double {
        guard m > 0, n > 0, k > 0 else { return 0 }
        let tile = MatmulShape.tile
        let waves = (m / tile).rounded(.up) * (n / tile).rounded(.up) / shape.units
        let counted = (1 - shape.quantised) * max(waves, 1) + shape.quantised * waves.rounded(.up)
        let depth = k + (high ? shape.fill : shape.fill / sizeScale)
        let work = counted * shape.units * 2 * tile * tile * depth
        let rate = (high ? highPeak : peak) * shape.sustained * inStep
        return max(launch, work / rate + shape.overhead, bytes / memoryRate)
    }

    /// Seconds of products of `flops` in all that touch `bytes`.
    func product(flops: Double, bytes: Double, high: Bool = false) -> Double {
        guard flops > 0 else { return 0 }
        let share = inStep * matmul.share(of: high ? flops : flops * sizeScale)
        return max(launch, flops / ((high ? highPeak : peak) * share), bytes / memoryRate)
    }

    /// Seconds of a weight-gradient product added to an accumulator of `accumulatorBytes` an element: a tile is read and
    /// written after its last multiply-add, so that traffic comes on top.
    func accumulate(_ m: Double, _ n: Double, _ k: Double, accumulatorBytes: Double, high: Bool = false) -> Double {
        let bytes = elementBytes * (m * k + k * n)
        let product =
            shape.map { tiled(m, n, k, shape: $0, bytes: bytes, high: high) }
            ?? product(flops: 2 * m * n * k, bytes: bytes, high: high)
        return product + 2 * accumulatorBytes * m * n / memoryRate
    }

    /// Seconds of a kernel that moves `bytes`.
    func memory(_ bytes: Double) -> Double { bytes > 0 ? max(launch, bytes / memoryRate) : 0 }

    /// Seconds a transfer of `seconds` adds to compute of `behind` seconds it runs beside, at least `least`: what sticks
    /// out, and the compute lost to the rest.
    func exposed(_ seconds: Double, behind: Double, least: Double = 0) -> Double {
        let outside = max(least, seconds - behind)
        return outside + contention * max(0, seconds - outside)
    }

    /// Seconds of flash attention of `flops` (the causal half) over sequences of `length`, `slowdown` below the curve.
    func flash(flops: Double, length: Double, share: Double = 1) -> Double {
        max(launch, flops / (highPeak * attention.share(of: length) * share * inStep))
    }
}

extension EfficiencyCurve {
    /// Share of peak at a size: linear between the points in log₂ of the size, flat outside.
    /// Complexity: O(points).
    package func share(of size: Double) -> Double {
        guard let last = points.last else { return 1 }
        if size >= last.size { return last.share }
        if size <= points[0].size { return points[0].share }
        var upper = 1
        while points[upper].size < size { upper += 1 }
        let (low, high) = (points[upper - 1], points[upper])
        let position = logarithm(size / low.size) / logarithm(high.size / low.size)
        return low.share + (high.share - low.share) * position
    }
}
