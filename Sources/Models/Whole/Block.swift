/// One kind of block of a model: its norms, its attention and its feed-forward half, and the sums over them.
///
/// A class, because a search prices blocks many thousand times and passing one on must not copy its lists.
package final class Block: Sendable {
    package let shape: BlockShape
    package let norms: Part
    package let attention: AttentionSpec
    package let feedForward: FeedForwardSpec
    /// The part that joins the rows of a module of multi-token prediction; empty in other blocks.
    package let prediction: Part
    /// Sizes of the core attention.
    package let core: CoreAttention
    /// What generation keeps of a sequence.
    package let cache: BlockCache
    /// The experts; nil in a dense block.
    package let mixture: Model.Mixture?
    /// A row of the residual stream on the ranks that divide its rows.
    package let stream: Extent
    /// Rows of the residual stream, as `stream`, that enter the block: two in a module of multi-token prediction.
    package let inputs: Int
    /// Whether the rows that enter the block are among `kept`.
    package let keepsInput: Bool
    /// Whether the first to read these rows are norms of several kernels, where software has such.
    package let normsReadInput: Bool
    package let parameters: BlockParameters

    // Lists of all parts, joined.
    package let products: [Product]
    /// Products of one routed expert.
    package let expertProducts: [Product]
    /// Products of the shared experts, which are also among `products`.
    package let sharedProducts: [Product]
    package let kept: [Kept]
    package let operands: [Stored]
    /// The modules that a backward can compute again by themselves.
    package let recomputations: [Recomputation]
    /// Kept tensors that only products read, and the result of the core attention if a backward reads it for the gradient
    /// of its product's own weights.
    package let productInputs: [ProductInput]
    package let attended: [Extent]
    package let forward: Elementwise
    package let backward: Elementwise
    package let otherKernels: Int
    /// Exchanges among tensor ranks.
    private let messages: JoinedMessages
    /// Exchanges among tensor ranks with sequence parallelism.
    private let scatteredMessages: JoinedMessages
    /// Terms of the norms in formulas.
    package let normWords: NormWords
    /// What training changes, if not the whole block.
    package let tuned: TunedBlock?

    /// - Parameters:
    ///   - model: a model all of whose blocks are of this kind.
    ///   - denseWidth: size of the widest feed-forward network of the dense blocks beside this kind; 0 if there are
    ///     none.
    init(_ model: Model, denseWidth: Int) {
        let norms = Part.norms(model)
        let attention = AttentionSpec.of(model)
        let feedForward = FeedForwardSpec.of(model, denseWidth: denseWidth)
        shape = model.block
        self.norms = norms
        self.attention = attention
        self.feedForward = feedForward
        core = attention.core
        cache = BlockCache(model)
        mixture = feedForward.experts?.mixture
        stream = Extent(.scattered, whole: model.hidden)
        inputs = model.block.predicts ? 2 : 1
        normsReadInput = model.hasNormsInSteps && (model.block.norms != .post || model.block.predicts)
        // The parts in the order of their tensors in memory.
        prediction = model.block.predicts ? .prediction(model) : Part()
        let parts = [norms, attention.part, feedForward.part] + (model.block.predicts ? [prediction] : [])
        let modules = shape.tuning == nil ? nil : BlockModules(model)
        let tuned = shape.tuning.flatMap { tuning in modules.map { TunedBlock(model, tuning, $0) } }
        self.tuned = tuned
        let adapters = tuned?.adapters ?? []
        let expertAdapters = tuned?.expertAdapters ?? []
        products = parts.flatMap(\.products) + adapters.flatMap(\.products)
        expertProducts = (feedForward.experts?.products ?? []) + expertAdapters.flatMap(\.products)
        sharedProducts = feedForward.experts?.shared ?? []
        if let tuned, let modules {
            kept = tuned.kept(parts, model, modules)
            keepsInput = tuned.keepsInput(model, modules)
            operands = tuned.operands(model, modules)
        } else {
            kept = parts.flatMap(\.kept)
            keepsInput = true
            operands = parts.flatMap(\.operands)
        }
        let again = parts.flatMap(\.recomputations)
        recomputations = tuned.map { tuned in again.map { tuned.completed($0, model) } } ?? again
        productInputs = parts.flatMap(\.inputs)
        attended =
            model.block.changes("self_attn.o_proj")
            ? kept.filter { $0.role == .attended }.map(\.stored.extent) : []
        let kernels = adapters + expertAdapters
        let tensors = parts.flatMap(\.tensors) + adapters.flatMap(\.tensors)
        let ofExpert = (feedForward.experts?.tensors ?? []) + expertAdapters.flatMap(\.tensors)
        parameters = BlockParameters(
            cut: tensors.parameters - tensors.wholeParameters, whole: tensors.wholeParameters,
            routed: (mixture?.experts ?? 0) * ofExpert.parameters)
        forward = Elementwise(joining: parts.map(\.forward) + kernels.map { Elementwise($0.forward) })
        backward = Elementwise(joining: parts.map(\.backward) + kernels.map { Elementwise($0.backward) })
        otherKernels = parts.reduce(0) { $0 + $1.otherKernels } + 2 * kernels.count
        let own = parts.map(\.messages)
        var all = own
        if model.block.parallel != .none, model.block.halves == .both {
            // Both halves' results are added up at once; behind one norm both read the same rows (Chowdhery et al.
            // 2022, section 2), unless the attention reads latents.
            all[1].results = []
            if model.block.parallel.sharesNorm, model.mla?.queryRank ?? 0 == 0 { all[2].inputs = [] }
        }
        let sums = tuned?.sums ?? ([], [])
        messages = JoinedMessages(all, narrow: sums)
        // Rows that are scattered for the experts stay scattered. Only shared experts gather their rows. Experts beside
        // an attention leave it its own exchanges.
        scatteredMessages = JoinedMessages(
            own.contains(where: \.staysScattered) ? own.filter { !$0.staysScattered } : all, narrow: sums)
        normWords = NormWords(model)
    }

    /// The products that every row passes through, and those of one routed expert, without adapters.
    package var ownProducts: ArraySlice<Product> { products.prefix(tuned?.changes.count ?? products.count) }
    package var ownExpertProducts: ArraySlice<Product> {
        expertProducts.prefix(tuned?.changesExperts.count ?? expertProducts.count)
    }

    /// Exchanges among tensor ranks, with or without sequence parallelism.
    package func messages(sequenceParallel: Bool) -> JoinedMessages {
        sequenceParallel ? scatteredMessages : messages
    }
}

/// The parameters of one block. Held without references, because a search reads them for every layout.
package struct BlockParameters: Hashable, Sendable {
    /// In the tensors that tensor ranks cut between them.
    package var cut: Int
    /// In the tensors that each tensor rank holds whole.
    package var whole: Int
    /// In all routed experts.
    package var routed: Int

    /// Parameters that one device holds, routed experts excluded.
    package func held(tensor: Double) -> Double { Double(cut) / tensor + Double(whole) }

    /// Parameters of routed experts that one device holds.
    /// - Parameter pieces: number of ranks that divide the experts: expert ranks times those that share an expert.
    package func heldExperts(pieces: Double) -> Double { Double(routed) / pieces }
}
