#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// How a token is drawn from the logits: divided by the temperature, then cut to the likeliest tokens, then to the likeliest
/// share, as transformers orders its warpers.
package struct Sampling: Hashable, Sendable {
    /// 0 takes the likeliest token.
    package var temperature: Double
    /// Tokens that are kept: the likeliest, and those as likely as the last of them. nil: all.
    package var topK: Int?
    /// The fewest likeliest tokens whose share is at least this are kept. nil: all.
    package var topP: Double?

    package init(temperature: Double, topK: Int? = nil, topP: Double? = nil) {
        (self.temperature, self.topK, self.topP) = (temperature, topK, topP)
    }

    /// A token that may be drawn, and its weight; weights sum to anything.
    package struct Candidate: Hashable, Sendable {
        package var token: Int
        package var weight: Double
    }

    /// The tokens that may be drawn, in their order. Infinite temperatures aside, there is at least one unless there are no logits.
    package func candidates(_ logits: some RandomAccessCollection<Float>) -> [Candidate] {
        guard let largest = logits.max() else { return [] }
        guard temperature > 0 else {
            let first = logits.enumerated().first { $0.element == largest }
            return first.map { [Candidate(token: $0.offset, weight: 1)] } ?? []
        }
        let least = topK.map { Self.place($0, of: logits) } ?? -.infinity
        // Division by a positive temperature keeps the order.
        var kept: [Candidate] = []
        for (token, value) in logits.enumerated() where value >= least {
            kept.append(Candidate(token: token, weight: exp((Double(value) - Double(largest)) / temperature)))
        }
        guard let topP, topP < 1 else { return kept }
        return Self.likeliest(kept, share: topP)
    }

    /// Draws a token with `random` in [0, 1).
    package func token(_ logits: some RandomAccessCollection<Float>, random: Double) -> Int {
        let candidates = candidates(logits)
        var remaining = random * candidates.reduce(0) { $0 + $1.weight }
        for candidate in candidates {
            remaining -= candidate.weight
            if remaining < 0 { return candidate.token }
        }
        return candidates.last?.token ?? 0
    }

    /// The value at place `count` from the top; of fewer values the least.
    private static func place(_ count: Int, of values: some RandomAccessCollection<Float>) -> Float {
        guard count > 0, count < values.count else { return -.infinity }
        // Long lists are sorted at once.
        guard count <= 256 else { return values.sorted(by: >)[count - 1] }
        var top: [Float] = []
        for value in values where top.count < count || value > top[top.count - 1] {
            var place = top.count
            while place > 0, top[place - 1] < value { place -= 1 }
            top.insert(value, at: place)
            if top.count > count { top.removeLast() }
        }
        return top[top.count - 1]
    }

    /// Drops the least likely as long as what is dropped has no more than 1 − share, and keeps at least one.
    private static func likeliest(_ candidates: [Candidate], share: Double) -> [Candidate] {
        let total = candidates.reduce(0) { $0 + $1.weight }
        let rising = candidates.indices.sorted {
            (candidates[$0].weight, $1) < (candidates[$1].weight, $0)
        }
        var dropped: Set<Int> = []
        var sum = 0.0
        for index in rising.dropLast() {
            sum += candidates[index].weight
            guard sum / total <= 1 - share else { break }
            dropped.insert(index)
        }
        return candidates.indices.filter { !dropped.contains($0) }.map { candidates[$0] }
    }
}
