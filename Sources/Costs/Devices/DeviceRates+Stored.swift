/// Products whose weights are stored in a format of their own, as models that answer read them.
extension DeviceRates {
    /// Rows of a product from which on its multiply-adds take longer than reading its weights in the format it computes in.
    private var balancedRows: Double { peak * operandBytes / (2 * memoryRate) }

    /// Seconds of `count` products side by side of m × k by k × n, each with a matrix of its own, as one kernel.
    ///
    /// A measured product of few rows waits for its weights. Weights in fewer bits than the product computes in come
    /// sooner: such a product is as efficient as one of so many rows that it waits for nothing.
    /// - Parameter weightBytes: bytes of a stored weight.
    package func product(_ m: Double, _ n: Double, _ k: Double, count: Double = 1, weightBytes: Double) -> Double {
        guard m > 0, n > 0, k > 0, count > 0 else { return 0 }
        let bytes = count * (weightBytes * k * n + elementBytes * m * (k + n))
        let isNarrow = weightBytes < 0.99 * operandBytes
        let rows = isNarrow ? max(m, balancedRows) : m
        let work = multiplyAdds(rows, n, k) * (m / rows)
        return max(launch, count * work, bytes / memoryRate)
    }

    /// Seconds of attention of one new token of each sequence to the keys before it.
    /// - Parameters:
    ///   - flops: of queries, keys and values, at the rate of the longest sequences that were measured.
    ///   - bytes: of the cache that is read.
    package func attend(flops: Double, bytes: Double) -> Double {
        guard flops > 0 || bytes > 0 else { return 0 }
        return max(flash(flops: flops, length: .greatestFiniteMagnitude), bytes / memoryRate)
    }
}
