internal import Models

/// Measure of the tensors of a block or of an end: their bytes on one device.
struct BlockMeasure: Sendable {
    let division: Division
    /// Bytes of a number in the activations' format.
    let activation: Double
    /// Bytes of a number that the product of a weight gradient reads.
    let operand: Double
    /// Whether there is dropout, with a byte of mask for every number that may be dropped.
    let dropout: Bool
    /// Bytes of a number in the gradients of weights, which only kernels read and write.
    var gradient = 0.0
    /// How the software runs norms.
    var norms = NormKernels()

    func bytes(_ stored: Stored) -> Double {
        let number: Double =
            switch stored.format {
            case .activation: activation
            case .operand: operand
            case .single: 4
            case .mask: dropout ? 1 : 0
            case .gradient: gradient
            }
        return stored.times * number * division.numbers(stored.extent)
    }

    func bytes(_ stored: [Stored]) -> Double {
        var sum = 0.0
        for one in stored { sum += bytes(one) }
        return sum
    }

    func numbers(_ extents: [Extent]) -> Double { extents.reduce(0) { $0 + division.numbers($1) } }

    /// Rows and widths of a product.
    func shape(_ product: Product) -> (rows: Double, inputs: Double, outputs: Double) {
        (
            division.rows(product.rows), division.width(product.inputs, product.rows),
            division.width(product.outputs, product.rows)
        )
    }

    /// Seconds of the memory-bound work of a pass.
    func seconds(_ work: Elementwise, _ rates: DeviceRates) -> Double {
        var (kernels, casts) = (0.0, 0.0)
        for kernel in work.kernels { kernels += rates.elementwise(bytes(kernel)) }
        for cast in work.casts { casts += rates.cast(numbers(cast)) }
        return kernels + casts
    }
}
