/// The runs that a law was fitted to: from the smallest to the largest. nil: not stated.
package struct FittedRange: Hashable, Sendable {
    package var parameters: ClosedRange<Double>?
    package var tokens: ClosedRange<Double>?
    package var flops: ClosedRange<Double>?

    package init(
        parameters: ClosedRange<Double>? = nil, tokens: ClosedRange<Double>? = nil, flops: ClosedRange<Double>? = nil
    ) {
        self.parameters = parameters
        self.tokens = tokens
        self.flops = flops
    }
}
