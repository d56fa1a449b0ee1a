internal import COneDNN

/// Why a product cannot be prepared.
package enum ProductError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The processor does not multiply this element type.
    case noBFloat16
    /// The library knows no way to compute this product; its status code.
    case refused(status: Int)

    package var description: String {
        switch self {
        case .noBFloat16:
            "bf16: this processor does not multiply bf16 numbers (it needs AVX512-BF16); train with precision fp32"
        case .refused(let status): "the matrix library refused a product (oneDNN status \(status))"
        }
    }
}

/// Numbers a ``PreparedProduct`` multiplies; sums and results are fp32.
package protocol ProductElement: Sendable {
    /// Whether the elements are bfloat16.
    static var isBFloat16: Bool { get }
    /// Whether this processor multiplies them at full speed.
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

/// A product C[m, n] (+)= op(A)[m, k] · op(B)[k, n] of row-major matrices that the library has compiled for its
/// dimensions: prepare it once, run it every step without allocating. A and B hold `Element`s, C is fp32.
///
/// Not for several threads at once: it keeps the addresses of the matrices it is running on.
package final class PreparedProduct<Element: ProductElement> {
    private var product = trainyard_dnnl_product()

    /// `lda`, `ldb`, `ldc` are the distances between stored rows, by default those of matrices without gaps: A is stored
    /// [m, k], or [k, m] when transposed; B [k, n], or [n, k] when transposed. With `accumulate` the product is added to
    /// C, otherwise C is only written. Dimensions must be positive.
    package init(
        m: Int, n: Int, k: Int, transposeA: Bool = false, lda: Int? = nil, transposeB: Bool = false, ldb: Int? = nil,
        ldc: Int? = nil, accumulate: Bool = false
    ) throws(ProductError) {
        guard Element.isSupported else { throw .noBFloat16 }
        let status = trainyard_dnnl_product_create(
            &product, Element.isBFloat16, Int64(m), Int64(n), Int64(k), transposeA, Int64(lda ?? (transposeA ? m : k)),
            transposeB, Int64(ldb ?? (transposeB ? k : n)), Int64(ldc ?? n), accumulate)
        guard status == dnnl_success else { throw .refused(status: Int(status.rawValue)) }
    }

    deinit { trainyard_dnnl_product_destroy(&product) }

    /// C (+)= op(A)·op(B). C must not overlap A or B.
    package func run(_ a: UnsafePointer<Element>, _ b: UnsafePointer<Element>, into c: UnsafeMutablePointer<Float>) {
        let status = trainyard_dnnl_product_run(&product, a, b, c)
        precondition(status == dnnl_success, "oneDNN failed to run a product it had prepared")
    }
}
