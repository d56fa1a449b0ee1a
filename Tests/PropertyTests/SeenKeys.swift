import Models

/// Which keys the queries of a sequence see, token by token.
enum SeenKeys {
    /// The first key that the query at `place` sees, where that is known without the scores.
    static func first(_ shape: BlockShape, place: Int) -> Int {
        if let window = shape.window { return max(0, place - window + 1) }
        if let chunk = shape.chunk { return place / chunk * chunk }
        return 0
    }

    /// Pairs of a query and a key that it sees in a sequence of `length` tokens. A key on the edge of what the mask shows
    /// counts half: so many keys there are between those before a token and those with it.
    static func pairs(_ shape: BlockShape, length: Int) -> Double {
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

    /// Ranks before its own from which a rank needs keys, at most, where each of `ranks` holds as many neighbouring
    /// tokens. Chosen keys may lie anywhere.
    static func ranksBefore(_ shape: BlockShape, ranks: Int, length: Int) -> Int {
        let share = length / ranks
        return (0..<ranks).map { rank in rank - first(shape, place: rank * share) / share }.max() ?? 0
    }
}
