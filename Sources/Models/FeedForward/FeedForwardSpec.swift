/// The feed-forward half of a block: its part, its routed experts, and what gradients need at once.
package struct FeedForwardSpec: Hashable, Sendable {
    package var part: Part
    /// Networks of which a token passes a few; nil in a dense block.
    package var experts: RoutedExperts?
    /// Sets of tensors whose gradients exist at once: the widest counts.
    package var widest: [[Extent]]
    /// Numbers in a row of the first products' results, over all tensor ranks.
    package var inner: Int
    package var words: FeedForwardWords
}

/// Networks of which every token passes through a few.
package struct RoutedExperts: Hashable, Sendable {
    package var mixture: Model.Mixture
    /// Weights of one expert, by the ends of their names.
    package var tensors: [TensorSpec]
    /// Products of one expert, one after the other for all that a device holds.
    package var products: [Product]

    /// Names of expert `number`'s tensors begin with it, behind the block's.
    package static func prefix(_ number: Int) -> String { "mlp.experts.\(number)." }

    /// The number of the expert a tensor belongs to; nil: none.
    package static func number(in name: String) -> Int? {
        let parts = name.split(separator: ".")
        guard let place = parts.firstIndex(of: "experts"), place + 1 < parts.count else { return nil }
        return Int(parts[place + 1])
    }
}

/// Symbols of a feed-forward network's figures in formulas, by the letters of the cost model: n_m matrices of a network,
/// f its size; E experts of size f_e, k of them a token, ρ rows at a device's experts for one row; n_s shared experts of
/// size f_s.
package struct FeedForwardWords: Hashable, Sendable {
    /// Its parameters.
    package var parameters: String
    /// Of them on every tensor rank, beside a bias behind it; nil: none.
    package var wholeParameters: String?
    /// Weights that a token multiplies.
    package var weights: [String]
    /// Bytes of a row that are kept, `w` a number; `combined`: results of experts, by software that keeps them.
    package var kept: [String]
    package var combined: String?
    package var keptBehind: [String] = []
    /// Numbers of a row kept between the halves of a split backward, in the format that products read.
    package var operands: [String]
    /// Bytes of them in fp32.
    package var singleOperands: String?
    /// Widths of the results of all products.
    package var products: [String]
    /// Width of the tensors whose gradients exist at once.
    package var widest: String
    /// The sizes that the formulas name beside f and n_m.
    package var sizes: [SizeSymbol] = []
}
