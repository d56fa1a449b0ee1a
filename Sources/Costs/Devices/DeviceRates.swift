package import Models
package import Plans

/// Rates of one device under one generation of software: the roofline of every operation.
package final class DeviceRates: Sendable {
    /// Datasheet rate of the blocks' products, FLOP/s.
    let peak: Double
    /// Datasheet rate of the products that an 8-bit run computes in 16 bits, FLOP/s; without 8 bits, `peak`.
    let highPeak: Double
    /// Factor on a product's size before its efficiency is looked up: an 8-bit product is as efficient as a
    /// half-precision product of the same duration.
    let sizeScale: Double
    /// Rate of products inside a training step, as a fraction of their measured rate.
    let inStep: Double
    let framework: Framework
    /// Bytes a second of memory-bound kernels.
    let memoryRate: Double
    let launch: Double
    /// Multiprocessors of the device; nil: unknown.
    let multiprocessors: Double?
    let matmul: EfficiencyCurve
    /// Efficiency of products by their measured shapes; nil if none were measured.
    let products: ProductTable?
    /// Efficiency of products by tiles and waves; nil if only sizes were measured.
    let shape: MatmulShape?
    let attention: EfficiencyCurve
    /// Rate of the software's fused attention, as a multiple of the device's efficiency curve.
    private let attentionFactor: Double
    /// Bytes of one number of an activation.
    package let elementBytes: Double
    /// Bytes of a number that a product reads.
    package let operandBytes: Double
    /// Bytes of a kept number that only products read.
    let inputBytes: Double
    /// The formats of a run in 8 or 4 bits; nil: none is stated, or the software keeps everything in fp32.
    let recipe: Recipe?
    /// Copies of a weight in the recipe's format: along rows and columns, or one for both.
    let weightCopies: Double
    /// Bytes that a cast moves for a number.
    private let castBytes: Double
    /// Rates of blocks that a recipe leaves in bf16; nil: there are none.
    let bf16Blocks: DeviceRates?

    package init(
        device: Device, precision: Precision, framework: Framework, recipe stated: Recipe? = nil
    ) throws(CostError) {
        guard let peak = device.peakFLOPs[precision], peak > 0 else {
            throw .noRate(precision: precision.rawValue, device: device.name)
        }
        self.peak = peak
        // Rate of attention, the head and everything else that an 8-bit run computes in 16 bits.
        let isLow = precision == .fp8 || precision == .mxfp8 || precision == .nvfp4
        highPeak = isLow ? device.peakFLOPs[.bf16] ?? device.peakFLOPs[.fp16] ?? peak : peak
        sizeScale = highPeak / peak
        hasEightBitProducts = isLow
        inStep = device.sustainedShare
        self.framework = framework
        memoryRate = device.memoryBytesPerSecond * device.memoryEfficiency
        launch = device.launchSeconds
        multiprocessors = device.multiprocessors
        matmul = device.matmulEfficiency
        products = device.products
        shape = device.matmulShape
        attention = device.attentionEfficiency
        attentionFactor = framework.attention * (framework.portableAttention ? device.portableAttention : 1)
        let element: Double = precision == .fp32 || framework.memory.storesFP32 ? 4 : 2
        elementBytes = element
        let recipe = framework.memory.storesFP32 ? nil : stated
        self.recipe = recipe
        operandBytes = recipe?.operandBytes ?? (isLow ? 1 : element)
        inputBytes = recipe?.operandBytes ?? element
        // Devices with MXFP8 read 8-bit operands along rows and columns (Transformer Engine, "Handling transposes").
        let copies: Double = recipe?.alwaysNeedsTwoCopies ?? true || device.peakFLOPs[.mxfp8] == nil ? 2 : 1
        weightCopies = recipe == nil ? 0 : copies
        castBytes =
            recipe.map {
                (framework.fusedCasts ? $0.reads : max($0.reads, copies)) * element + copies * $0.operandBytes
            } ?? element + 2
        let format: Precision = device.peakFLOPs[.bf16] == nil ? .fp16 : .bf16
        var others: DeviceRates?
        if let recipe, recipe.bf16LayersAtStart + recipe.bf16LayersAtEnd > 0, device.peakFLOPs[format] != nil {
            others = try DeviceRates(device: device, precision: format, framework: framework)
        }
        bf16Blocks = others
    }

    /// How the software runs norms and gates of these activations.
    var normKernels: NormKernels {
        NormKernels(
            areSeveral: framework.runsNormsInSteps, elementBytes: elementBytes, splitsGates: framework.runsGatesInSteps,
            gathersRotary: framework.memory.gathersRotary)
    }

    /// Bytes of a number that the weight gradients of a block read: those of adapters are in 16 bits in a recipe.
    func operandBytes(of block: Block) -> Double {
        recipe != nil && block.tuned?.tuning.lora != nil ? elementBytes : operandBytes
    }

    /// Seconds of an m×k by k×n product.
    func product(_ m: Double, _ n: Double, _ k: Double, high: Bool = false) -> Double {
        product(m, n, k, bytes: elementBytes * (m * k + k * n + m * n), high: high)
    }

    /// Seconds of an m×k by k×n product that moves `bytes`.
    func product(_ m: Double, _ n: Double, _ k: Double, bytes: Double, high: Bool) -> Double {
        guard m > 0, n > 0, k > 0 else { return 0 }
        return max(launch, multiplyAdds(m, n, k, high: high), bytes / memoryRate)
    }

    /// Seconds of the multiply-adds of an m×k by k×n product. Its efficiency comes from measured shapes, else from tiles
    /// and waves, else from its size.
    func multiplyAdds(_ m: Double, _ n: Double, _ k: Double, high: Bool = false) -> Double {
        if let products {
            // An 8-bit product at twice the rate is as efficient as a half-precision product of half the depth.
            let share = products.share(m, n, high ? k : k * sizeScale)
            return 2 * m * n * k / ((high ? highPeak : peak) * share * inStep)
        }
        if let shape { return tiled(m, n, k, shape: shape, high: high) }
        return multiplyAdds(flops: 2 * m * n * k, high: high)
    }

    /// Seconds of a product by its tiles and waves. At twice the rate, an 8-bit product spends twice the depth on
    /// filling.
    private func tiled(_ m: Double, _ n: Double, _ k: Double, shape: MatmulShape, high: Bool) -> Double {
        let tile = MatmulShape.tile
        let waves = (m / tile).rounded(.up) * (n / tile).rounded(.up) / shape.units
        let counted = (1 - shape.quantised) * max(waves, 1) + shape.quantised * waves.rounded(.up)
        let depth = k + (high ? shape.fill : shape.fill / sizeScale)
        let work = counted * shape.units * 2 * tile * tile * depth
        let rate = (high ? highPeak : peak) * shape.sustained * inStep
        return work / rate + shape.overhead
    }

    private func multiplyAdds(flops: Double, high: Bool) -> Double {
        flops / ((high ? highPeak : peak) * (inStep * matmul.share(of: high ? flops : flops * sizeScale)))
    }

    /// Seconds of products with `flops` in total that move `bytes`.
    func product(flops: Double, bytes: Double, high: Bool = false) -> Double {
        guard flops > 0 else { return 0 }
        return max(launch, multiplyAdds(flops: flops, high: high), bytes / memoryRate)
    }

    /// Seconds of a weight-gradient product that adds to an accumulator of `accumulatorBytes` a number. Each tile of
    /// the accumulator is read and written after the tile's last multiply-add, so this traffic adds to the product's
    /// time.
    func accumulate(_ m: Double, _ n: Double, _ k: Double, accumulatorBytes: Double, high: Bool = false) -> Double {
        product(m, n, k, bytes: elementBytes * (m * k + k * n), high: high)
            + (2 * accumulatorBytes + (framework.fusedAccumulation ? 0 : 2 * elementBytes)) * m * n / memoryRate
    }

    /// Seconds of a kernel that moves `bytes`.
    package func memory(_ bytes: Double) -> Double { bytes > 0 ? max(launch, bytes / memoryRate) : 0 }

    /// Whether the blocks' products are in 8 bits, at a higher rate or not.
    let hasEightBitProducts: Bool

    /// Seconds of reading `elements` and writing them in the products' format, in the copies that products along rows and
    /// columns read. Norms and activations need no cast unless a recipe says so: they write their results in that format
    /// themselves (Transformer Engine).
    func cast(_ elements: Double) -> Double { hasEightBitProducts ? memory(castBytes * elements) : 0 }

    /// Seconds of elementwise work that would move `bytes` if it were one kernel.
    func elementwise(_ bytes: Double) -> Double { framework.elementwise * memory(bytes) }

    /// A transfer of `seconds` that overlaps with compute of `behind` seconds; at least `least` seconds of it are
    /// exposed.
    func hide(_ seconds: Double, behind: Double, least: Double = 0) -> Exposed {
        Exposed(seconds, behind: behind, least: least, contention: framework.contention)
    }

    /// Seconds of flash attention of `flops` (the causal half) over sequences of `length` tokens.
    ///
    /// - Parameter share: efficiency as a fraction of the curve's.
    package func flash(flops: Double, length: Double, share: Double = 1) -> Double {
        max(launch, flops / (highPeak * attention.share(of: length) * share * attentionFactor * inStep))
    }
}

/// A transfer that overlaps with compute.
struct Exposed {
    /// Exposed seconds: those that the transfer adds to the compute.
    var seconds = 0.0
    /// Seconds of the transfer that compute hides.
    var hidden = 0.0

    init(seconds: Double = 0, hidden: Double = 0) {
        self.seconds = seconds
        self.hidden = hidden
    }

    /// A transfer of `whole` seconds that overlaps with compute of `behind` seconds. At least `least` seconds are not
    /// hidden. Of the hidden seconds, compute loses the fraction `contention`.
    @inline(__always)
    init(_ whole: Double, behind: Double, least: Double, contention: Double) {
        let outside = max(least, whole - behind)
        hidden = max(0, whole - outside)
        seconds = outside + contention * hidden
    }
}
