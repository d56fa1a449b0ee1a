internal import COneDNN

/// The reason that a product cannot be prepared.
package enum ProductError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The processor does not multiply this element type.
    case noBFloat16
    /// The matrix library has no code for this product. `status` is its status code.
    case refused(status: Int)

    package var description: String {
        switch self {
        case .noBFloat16:
            "bf16: this processor does not multiply bf16 numbers (it needs AVX512-BF16); train with precision fp32"
        case .refused(let status): "the matrix library refused a product (oneDNN status \(status))"
        }
    }
}

/// The numbers a ``PreparedProduct`` multiplies. Its sums and results are fp32.
package protocol ProductElement: Sendable {
    /// Whether the elements are bfloat16.
    static var isBFloat16: Bool { get }
    /// Whether this processor multiplies such numbers at full speed.
    static var isSupported: Bool { get }
}

extension Float: ProductElement {
    package static var isBFloat16: Bool { false }
    package static var isSupported: Bool { true }
}

extension BFloat16: ProductElement {
    package static var isBFloat16: Bool { true }
    package static var isSupported: Bool { trainyard_dnnl_has_bfloat16() }
}

/// a [m, k] or transposed [k, m], b [k, n] or transposed [n, k], c [m, n]: a product c = a·b that the matrix library has
/// compiled for its dimensions. a and b hold `Element`s, c is fp32. Running it allocates nothing.
///
/// One thread at a time may run it: it keeps the addresses of the matrices it is running on.
package final class PreparedProduct<Element: ProductElement> {
    private var product = trainyard_dnnl_product()

    /// - Parameter accumulate: whether the product is added to c, rather than written.
    /// - Throws: ``ProductError`` for elements the processor does not multiply, and for dimensions that are not positive.
    package init(
        m: Int, n: Int, k: Int, transposeA: Bool = false, transposeB: Bool = false, accumulate: Bool = false
    ) throws(ProductError) {
        guard Element.isSupported else { throw .noBFloat16 }
        let status = trainyard_dnnl_product_create(
            &product, Element.isBFloat16, Int64(m), Int64(n), Int64(k), transposeA, Int64(transposeA ? m : k),
            transposeB, Int64(transposeB ? k : n), Int64(n), accumulate)
        guard status == dnnl_success else { throw .refused(status: Int(status.rawValue)) }
    }

    deinit { trainyard_dnnl_product_destroy(&product) }

    /// c = a·b, or c += a·b where it was prepared so. No matrix has gaps; c must not overlap a or b.
    package func run(_ a: UnsafePointer<Element>, _ b: UnsafePointer<Element>, into c: UnsafeMutablePointer<Float>) {
        let status = trainyard_dnnl_product_run(&product, a, b, c)
        if status != dnnl_success { fatalError("oneDNN failed to run a product it had prepared") }
    }
}
