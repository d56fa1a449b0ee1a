import Models

/// Which keys the queries of a sequence see, token by token.
enum SeenKeys {
    /// The first key that the query at `place` sees, where that is known without the scores.
    static func first(_ shape: BlockShape, place: Int) -> Int {
        if let window = shape.window { return max(0, place - window + 1) }
        if let chunk = shape.chunk { return place / chunk * chunk }
        return 0
    }

    /// Pairs of a query and a key that it sees in a sequence of the model, which may hold several documents: as many of
    /// each length as their shares of its tokens say.
    static func pairs(_ shape: BlockShape, _ model: Model) -> Double {
        guard let documents = model.documents else { return pairs(shape, length: model.sequence) }
        var (seen, tokens) = (0.0, 0.0)
        for document in documents.lengths {
            let length = min(document.tokens, model.sequence)
            seen += document.weight * pairs(shape, length: length)
            tokens += document.weight * Double(length)
        }
        return seen * Double(model.sequence) / tokens
    }

    /// Pairs of a query and a key that it sees in a sequence of `length` tokens. A key on the edge of what the mask shows
    /// counts half: so many keys there are between those before a token and those with it.
    static func pairs(_ shape: BlockShape, length: Int) -> Double {
        guard shape.causal else { return pairsOfBothSides(shape, length: length) }
        let most = shape.mla?.indexer?.topK ?? .max
        var twice = 0
        for place in 0..<length {
            // A window and a choice take keys up to a number, the token's own among them; a chunk begins anew.
            let limit = min(most, shape.window ?? .max)
            let before = place - (shape.chunk == nil ? 0 : first(shape, place: place))
            twice += min(limit, before) + min(limit, before + 1)
        }
        return Double(twice) / 2
    }

    /// `pairs` where no mask hides keys behind a token. Of a key on the edge of a window counts the area of the two tokens
    /// in which points of them are less than half of the window apart.
    private static func pairsOfBothSides(_ shape: BlockShape, length: Int) -> Double {
        if let chunk = shape.chunk {
            let (whole, rest) = (length / chunk, length % chunk)
            return Double(whole * chunk * chunk + rest * rest)
        }
        guard let window = shape.window else { return Double(length) * Double(length) }
        let reach = Double(window) / 2
        /// The probability that the difference of two uniform numbers is below `x`.
        func below(_ x: Double) -> Double {
            x <= -1 ? 0 : x >= 1 ? 1 : x < 0 ? (1 + x) * (1 + x) / 2 : 1 - (1 - x) * (1 - x) / 2
        }
        return (0..<length).reduce(0.0) { sum, distance in
            let area = below(reach - Double(distance)) - below(-reach - Double(distance))
            return sum + (distance == 0 ? 1 : 2) * Double(length - distance) * area
        }
    }

    /// Other ranks from which a rank needs keys, at most, where no mask hides keys behind a token.
    private static func ranksAround(_ shape: BlockShape, ranks: Int, length: Int) -> Int {
        let share = length / ranks
        return (0..<ranks).map { rank in
            let (first, last) = (rank * share, (rank + 1) * share - 1)
            var (low, high) = (0, length - 1)
            if let window = shape.window { (low, high) = (first - window / 2, last + window / 2) }
            if let chunk = shape.chunk { (low, high) = (first / chunk * chunk, last / chunk * chunk + chunk - 1) }
            return min(length - 1, high) / share - max(0, low) / share
        }.max() ?? 0
    }

    /// Ranks before its own from which a rank needs keys, at most, where each of `ranks` holds as many neighbouring
    /// tokens. Chosen keys may lie anywhere.
    static func ranksBefore(_ shape: BlockShape, ranks: Int, length: Int) -> Int {
        guard shape.causal else { return ranksAround(shape, ranks: ranks, length: length) }
        let share = length / ranks
        return (0..<ranks).map { rank in rank - first(shape, place: rank * share) / share }.max() ?? 0
    }
}
