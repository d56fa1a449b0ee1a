extension Int {
    /// The whole part of `value`. The nearest `Int` if it passes 64 bits, 0 for NaN.
    package init(saturating value: Double) {
        if let whole = Int(exactly: value.rounded(.towardZero)) {
            self = whole
        } else {
            self = value.isNaN ? 0 : (value < 0 ? .min : .max)
        }
    }

    /// The product of `factors`; nil if it passes 64 bits.
    package static func product(_ factors: Int...) -> Int? { product(factors) }

    /// The product of `factors`; nil if it passes 64 bits.
    package static func product(_ factors: [Int]) -> Int? {
        var product = 1
        for factor in factors {
            let (next, overflows) = product.multipliedReportingOverflow(by: factor)
            if overflows { return nil }
            product = next
        }
        return product
    }
}
