/// Seconds of one pass through some blocks, by what they go to.
package struct PassSeconds: Hashable, Codable, Sendable {
    /// Products that every row passes through.
    package var products = 0.0
    /// Products of routed experts.
    package var experts = 0.0
    /// Queries that meet keys, and recurrences.
    package var attention = 0.0
    /// Memory-bound kernels: norms, activations, positions.
    package var kernels = 0.0
    /// The head: its norm and the product that gives logits.
    package var head = 0.0
    /// Messages among devices that no compute hides.
    package var messages = 0.0

    package init() {}

    package var total: Double { products + experts + attention + kernels + head + messages }
    /// Seconds without messages.
    var computed: Double { total - messages }

    static func + (a: PassSeconds, b: PassSeconds) -> PassSeconds { a.combined(b, +) }

    static func * (times: Double, pass: PassSeconds) -> PassSeconds { pass.combined(pass) { one, _ in times * one } }

    private func combined(_ other: PassSeconds, _ combine: (Double, Double) -> Double) -> PassSeconds {
        var sum = PassSeconds()
        for part: WritableKeyPath<PassSeconds, Double> in [
            \.products, \.experts, \.attention, \.kernels, \.head, \.messages,
        ] { sum[keyPath: part] = combine(self[keyPath: part], other[keyPath: part]) }
        return sum
    }
}
