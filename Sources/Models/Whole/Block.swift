/// One kind of block of a model: its norms, its attention and its feed-forward half.
package struct Block: Hashable, Sendable {
    package let norms: Part
    package let attention: AttentionSpec
    package let feedForward: FeedForwardSpec
    /// A row of the residual stream, on the ranks that share it out.
    package let stream: Extent
    /// Parameters of the tensors that ranks cut between them, of those that each has whole, and of all routed experts.
    package let cutParameters: Int
    package let wholeParameters: Int
    package let expertParameters: Int

    init(hidden: Int, norms: Part, attention: AttentionSpec, feedForward: FeedForwardSpec) {
        self.norms = norms
        self.attention = attention
        self.feedForward = feedForward
        stream = Extent(.scattered, whole: hidden)
        let parts = [norms, attention.part, feedForward.part]
        let whole = parts.reduce(0) { $0 + $1.tensors.wholeParameters }
        wholeParameters = whole
        cutParameters = parts.reduce(0) { $0 + $1.tensors.parameters } - whole
        expertParameters = feedForward.experts.map { $0.mixture.experts * $0.tensors.parameters } ?? 0
    }

    /// Its parts in the order in which their tensors lie in memory.
    package var parts: [Part] { [norms, attention.part, feedForward.part] }

    /// Weights that one token multiplies: all but those of the experts it does not pass.
    package var activeWeights: Double {
        func sum(_ products: [Product]) -> Double { products.reduce(0) { $0 + $1.weights } }
        let every = parts.reduce(0) { $0 + sum($1.products) }
        guard let experts = feedForward.experts else { return every }
        return every + Double(experts.mixture.topK) * sum(experts.products)
    }

    /// Parameters beside routed experts' that one device holds.
    package func held(tensor: Double) -> Double { Double(cutParameters) / tensor + Double(wholeParameters) }
}
