extension Model {
    /// Gives the model these blocks, in the fewest words that a plan has for them: one shape, a first number of dense
    /// blocks and a period of blocks with experts, or named kinds and a pattern.
    mutating func setBlocks(_ blocks: [BlockShape]) {
        var shapes: [BlockShape] = []
        let numbers = blocks.map { block -> Int in
            if let known = shapes.firstIndex(of: block) { return known }
            shapes.append(block)
            return shapes.count - 1
        }
        kinds = []
        pattern = []
        guard shapes.count > 1 else {
            block = shapes.first ?? block
            return
        }
        if let mixture = Self.mixture(shapes, numbers) {
            block = mixture
            return
        }
        // The most frequent shape is that of the model; every kind says what differs.
        let counts = shapes.indices.map { kind in numbers.count { $0 == kind } }
        block = shapes[counts.indices.max { counts[$0] < counts[$1] } ?? 0]
        kinds = zip(Self.names(shapes), shapes).map(BlockKind.init)
        pattern = numbers
    }

    /// The shape with experts whose `firstDense` and `every` give the same blocks; nil if there is none.
    private static func mixture(_ shapes: [BlockShape], _ numbers: [Int]) -> BlockShape? {
        guard shapes.count == 2, let place = shapes.firstIndex(where: { $0.moe != nil }) else { return nil }
        var (mixture, dense) = (shapes[place], shapes[1 - place])
        let moe = mixture.moe
        guard dense.moe == nil else { return nil }
        dense.moe = moe
        guard dense == mixture, var rule = moe, let first = numbers.firstIndex(of: place) else { return nil }
        let places = numbers.indices.filter { numbers[$0] == place }
        let every = places.count > 1 ? places[1] - places[0] : numbers.count - first
        rule.every = every
        rule.firstDense = max(0, first - every + 1)
        guard numbers.indices.allSatisfy({ rule.hasExperts($0) == (numbers[$0] == place) }) else { return nil }
        mixture.moe = rule
        return mixture
    }

    /// Names of kinds of block by what sets them apart.
    private static func names(_ shapes: [BlockShape]) -> [String] {
        let hasBoth = shapes.contains { $0.moe == nil } && shapes.contains { $0.moe != nil }
        var used: [String: Int] = [:]
        return shapes.map { shape in
            var name = shape.halves == .feedForward ? "feedForward" : shape.attentionName
            if hasBoth, shape.halves.hasFeedForward { name += shape.moe == nil ? "Dense" : "Experts" }
            used[name, default: 0] += 1
            return used[name] == 1 ? name : "\(name)\(used[name] ?? 0)"
        }
    }
}

extension BlockShape {
    /// A word for the kind of the attention, or of the token mixer.
    var attentionName: String {
        if let mixer { return mixer.key }
        if mla?.indexer != nil { return "sparse" }
        if window != nil { return "local" }
        return chunk != nil ? "chunked" : "global"
    }
}
