internal import Numbers

/// Quantiles and mean of a figure over samples, in JSON.
struct Distribution: Encodable {
    /// null where so many samples never end.
    var p10, p50, p90, mean: Double?

    enum CodingKeys: String, CodingKey { case p10, p50, p90, mean }

    init(_ quantiles: Quantiles) {
        func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
        (p10, p50, p90) = (finite(quantiles.at(0.1)), finite(quantiles.at(0.5)), finite(quantiles.at(0.9)))
        mean = finite(quantiles.mean)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(p10, forKey: .p10)
        try container.encode(p50, forKey: .p50)
        try container.encode(p90, forKey: .p90)
        try container.encode(mean, forKey: .mean)
    }
}
