/// The feed-forward half of a block: its part, its routed experts, and the gradients that exist at once.
package struct FeedForwardSpec: Hashable, Sendable {
    package var part: Part
    /// The routed experts; nil in a dense block.
    package var experts: RoutedExperts?
    /// Alternative sets of tensors whose gradients exist at the same time. The widest set counts.
    package var widest: [[Extent]]
    /// Numbers in a row of the first products' results, over all tensor ranks.
    package var inner: Int
    package var words: FeedForwardWords
}

extension FeedForwardSpec {
    /// The feed-forward half of a block of the shape `model.block`.
    /// - Parameter denseWidth: size of the widest feed-forward network of the model's dense blocks; 0 if it has none.
    static func of(_ model: Model, denseWidth: Int) -> FeedForwardSpec {
        guard model.block.halves.hasFeedForward else { return none }
        let own = model.moe.map { mixture(model, $0, denseWidth: denseWidth) } ?? dense(model)
        return model.block.stream.isDouble ? own.onStreams(model) : own
    }

    /// The tensors of a block's feed-forward half, routed experts excluded.
    static func tensors(_ model: Model) -> [TensorSpec] {
        guard model.block.halves.hasFeedForward else { return [] }
        var part = Part()
        part.tensors = model.moe.map { mixtureTensors(model, $0) } ?? denseTensors(model)
        return part.onStreams(model).tensors
    }

    /// The products of a dense feed-forward half.
    static func products(_ model: Model) -> [Product] {
        var part = Part()
        part.products = denseProducts(model)
        return part.onStreams(model).products
    }

    /// A network for the rows of the image and one for those of the text. Past the last block with text there is none for
    /// the text.
    private func onStreams(_ model: Model) -> FeedForwardSpec {
        var spec = self
        spec.part = part.onStreams(model)
        let isLast = model.block.stream == .lastDouble
        spec.widest = (isLast ? [.image] : Rows.Stream.allCases).flatMap { stream in
            widest.map { $0.map { Extent($0.rows.of(stream), $0.width) } }
        }
        spec.words = words.onStreams(isLast: isLast)
        spec.words.sizes += model.textSymbols
        return spec
    }

    /// A block without a feed-forward half.
    static let none = FeedForwardSpec(
        part: Part(), widest: [], inner: 0,
        words: FeedForwardWords(
            parameters: "0", weights: [], kept: [], operands: [], products: [], widest: "0", inner: nil))
}

/// Experts of which every token passes through a few.
package struct RoutedExperts: Hashable, Sendable {
    package var mixture: Model.Mixture
    /// Tensors of one expert, with names relative to the expert.
    package var tensors: [TensorSpec]
    /// Products of one expert. A device runs its experts one after the other.
    package var products: [Product]
    /// Products of the shared experts, which every token passes through.
    package var shared: [Product] = []

    /// Beginning of the names of expert `number`'s tensors, relative to the block.
    package static func prefix(_ number: Int) -> String { "mlp.experts.\(number)." }

    /// The number of the expert that a tensor belongs to; nil if it belongs to none.
    package static func number(in name: String) -> Int? {
        let parts = name.split(separator: ".")
        guard let place = parts.firstIndex(of: "experts"), place + 1 < parts.count else { return nil }
        return Int(parts[place + 1])
    }
}

/// Terms of a feed-forward network in formulas. The letters of the cost model: n_m matrices of a network, f its size; E
/// experts of size f_e, k experts of a token, ρ rows at a device's experts for one row; n_s shared experts of size f_s.
package struct FeedForwardWords: Hashable, Sendable {
    /// Formula of the network's parameters.
    package var parameters: String
    /// Formula of the parameters that every tensor rank holds whole; nil if there are none.
    package var wholeParameters: String?
    /// Formula of the parameters of one routed expert.
    package var expertParameters = "0"
    /// Formulas of the rows that are sent to experts for one row, and of those of the fullest rank of experts.
    package var sent = "k"
    package var fullest = "k·i"
    /// Formula of the weights of routed experts that a token is multiplied by, which are among `weights`.
    package var routedWeights = "0"
    /// Formulas of the weights that a token is multiplied by.
    package var weights: [String]
    /// Bytes of a row that are kept for the backward; `w` stands for the bytes of a number. `combined`: the experts'
    /// results, which only some software keeps.
    package var kept: [String]
    package var combined: String?
    package var keptBehind: [String] = []
    /// Terms of `keptBehind`, and of `weights`, that belong to the networks beside the experts.
    package var keptBeside: [String] = []
    package var weightsBeside: [String] = []
    /// Numbers of a row that are kept between the halves of a split backward, in the format that products read.
    package var operands: [String]
    /// Bytes of a row that are kept in fp32 between the halves of a split backward.
    package var singleOperands: String?
    /// Widths of the results of all products.
    package var products: [String]
    /// Width of the tensors whose gradients exist at once.
    package var widest: String
    /// Width of the results of a dense network's activation.
    package var activation = "f/t"
    /// Width over all tensor ranks of the first products' results, in the network that has the widest; nil if there are
    /// none outside routed experts.
    package var inner: String?
    /// The sizes that the formulas name in addition to f and n_m.
    package var sizes: [SizeSymbol] = []
}

extension Part {
    /// The part on the streams that a feed-forward half works on.
    fileprivate func onStreams(_ model: Model) -> Part {
        switch model.block.stream {
        case .none, .single: self
        case .double: onBothStreams()
        case .lastDouble: on(.image)
        }
    }
}

extension FeedForwardWords {
    /// The formulas of a dense network for each stream, or for the image's alone.
    fileprivate func onStreams(isLast: Bool) -> FeedForwardWords {
        var both = self
        if !isLast {
            both.parameters = "2·(\(parameters))"
            both.wholeParameters = wholeParameters.map { "2·\($0)" }
            both.widest = "max(s − n_t, n_t)/s·\(widest)"
            return both
        }
        func ofImage(_ formula: String) -> String { "(s − n_t)/s·(\(formula))" }
        both.weights = weights.map(ofImage)
        both.kept = kept.map(ofImage)
        both.operands = operands.map(ofImage)
        both.products = products.map(ofImage)
        both.widest = ofImage(widest)
        both.activation = ofImage(activation)
        return both
    }
}
