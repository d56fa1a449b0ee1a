/// A linear layer y = x·W + b whose products are prepared for one number of rows: with ``BFloat16`` elements the
/// mixed-precision layer, its operands rounded and its sums, results, bias and gradients fp32.
///
/// Shapes: x [rows, inputs] and dy [rows, outputs] in `Element`s, weight [inputs, outputs] in `Element`s (a rounded copy
/// of the fp32 master), or [outputs, inputs] when `transposed`, as an embedding table is; y, dx, dWeight, bias, dBias fp32.
package final class PreparedLinear<Element: ProductElement> {
    private let forwardProduct, inputProduct, weightProduct: PreparedProduct<Element>
    private let (rows, outputs): (Int, Int)
    private let (biased, transposed): (Bool, Bool)

    /// - Throws: ``ProductError`` where the processor does not multiply these elements.
    package init(
        rows: Int, inputs: Int, outputs: Int, biased: Bool, transposed: Bool = false, accumulatesInput: Bool = false
    ) throws(ProductError) {
        (self.rows, self.outputs) = (rows, outputs)
        (self.biased, self.transposed) = (biased, transposed)
        forwardProduct = try PreparedProduct(
            m: rows, n: outputs, k: inputs, transposeB: transposed, accumulate: biased)
        inputProduct = try PreparedProduct(
            m: rows, n: inputs, k: outputs, transposeB: !transposed, accumulate: accumulatesInput)
        weightProduct =
            try transposed
            ? PreparedProduct(m: outputs, n: inputs, k: rows, transposeA: true, accumulate: true)
            : PreparedProduct(m: inputs, n: outputs, k: rows, transposeA: true, accumulate: true)
    }

    /// y = x·weight + bias; `bias` [outputs] is nil exactly if the layer was prepared without.
    package func forward(
        x: UnsafePointer<Element>, weight: UnsafePointer<Element>, bias: UnsafePointer<Float>?,
        y: UnsafeMutablePointer<Float>
    ) {
        precondition((bias != nil) == biased, "a bias exactly where the layer was prepared for one")
        if let bias {
            for row in 0..<rows { (y + row * outputs).update(from: bias, count: outputs) }
        }
        forwardProduct.run(x, weight, into: y)
    }

    /// dx = dy·weightᵀ, or added to dx if prepared so.
    package func inputGradient(
        dy: UnsafePointer<Element>, weight: UnsafePointer<Element>, dx: UnsafeMutablePointer<Float>
    ) {
        inputProduct.run(dy, weight, into: dx)
    }

    /// dWeight += xᵀ·dy. The bias's gradient is ``VectorMath/addColumnSums(of:into:rows:width:)`` of dy before rounding.
    package func weightGradient(
        x: UnsafePointer<Element>, dy: UnsafePointer<Element>, dWeight: UnsafeMutablePointer<Float>
    ) {
        if transposed { weightProduct.run(dy, x, into: dWeight) } else { weightProduct.run(x, dy, into: dWeight) }
    }
}
