internal import Numbers
package import Reading

/// Stated batches: a number of sequences a step, or of tokens if the word `tokens` follows the number.
package enum BatchSize {
    /// Tokens a step of the largest batch among the shipped plans: DeepSeek-V3's 15,360 sequences of 4,096 (its report,
    /// section 4.2).
    static let largestPublished = 15_360.0 * 4096

    /// The number of sequences that hold `tokens`: the power of two within 5 % if there is one (batches of "4M tokens"
    /// are 1,024 sequences of 4,096), else the nearest number.
    package static func sequences(tokens: Double, sequence: Int) -> Int? {
        let exact = tokens / Double(max(1, sequence))
        guard exact >= 0.5, exact <= Double(Bounds.batch.upperBound) else { return nil }
        let nearest = max(1, Int(exact.rounded()))
        if Double(nearest) == exact { return nearest }
        var power = 1
        while Double(power) * 1.5 < exact { power *= 2 }
        return abs(Double(power) / exact - 1) <= 0.05 ? power : nearest
    }

    /// The remark about a batch far larger than published ones, or larger than a hundredth of the run's tokens; nil if
    /// neither holds.
    package static func remark(_ batch: Int, sequence: Int, tokens: Double?) -> Remark? {
        let perStep = Double(batch) * Double(sequence)
        var oddities: [String] = []
        if perStep > 2 * largestPublished {
            oddities.append("published runs go to \(Figures.magnitude(largestPublished)) (DeepSeek-V3)")
        }
        if let tokens, perStep * 100 > tokens {
            let steps = max(1, Int((tokens / perStep).rounded(.up)))
            oddities.append("the whole run would be \(steps) step\(steps == 1 ? "" : "s")")
        }
        guard !oddities.isEmpty else { return nil }
        var text =
            "batch \(Figures.grouped(batch)) counts sequences: \(Figures.magnitude(perStep)) tokens a step; "
            + oddities.joined(separator: ", and ")
        if batch >= sequence, let meant = sequences(tokens: Double(batch), sequence: sequence), meant != batch {
            text +=
                "; if tokens were meant, write batch: \(Figures.magnitude(Double(batch))) tokens, which are "
                + "\(Figures.grouped(meant)) sequences of \(Figures.grouped(sequence))"
        }
        return Remark(.batchLarge, text)
    }
}

extension FieldReader {
    /// The value of `key` in tokens, written as `4M tokens`. nil, and the key stays unread, if the value does not end
    /// in `tokens`.
    func tokens(_ key: String) -> Double? {
        guard let text = scalar(key)?.trimmed, text.hasSuffix("tokens") else { return nil }
        guard let value = try? Quantity.parse(String(text.dropLast(6)), as: .count), value >= 1 else { return nil }
        _ = self.text(key)
        return value
    }
}
