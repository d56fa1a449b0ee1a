/// A kind of block of which training does not change all weights: its adapters, the products whose weights have
/// gradients, and its parameters by what becomes of them.
package final class TunedBlock: Sendable {
    package let tuning: BlockTuning
    /// Adapters of the products that every row passes through, and of one routed expert.
    package let adapters: [Adapter]
    package let expertAdapters: [Adapter]
    /// For each product of the block without adapters, and of an expert: whether training changes its weights.
    package let changes: [Bool]
    package let changesExperts: [Bool]
    /// Parameters that training changes.
    package let trained: BlockParameters
    /// Frozen parameters that are stored in few bits.
    package let quantized: BlockParameters

    /// Whether a backward of the block computes anything.
    package var passesGradient: Bool { tuning.passesGradient }
    /// Bytes of a quantized weight; nil: none is.
    package var quantizedBytes: Double? { tuning.quantized?.bytes }

    /// - Parameters:
    ///   - model: a model all of whose blocks are of this kind.
    ///   - modules: the matrices of the block's products.
    init(_ model: Model, _ tuning: BlockTuning, _ modules: BlockModules) {
        self.tuning = tuning
        let lora = tuning.lora
        let (products, experts) = (Self.products(model), Self.expertProducts(model))
        let matrices = modules.attention + modules.feedForward
        adapters = zip(products, matrices).flatMap { lora?.adapters(of: $0, $1) ?? [] }
        expertAdapters = zip(experts, modules.experts).flatMap {
            lora?.adapters(of: $0, $1, prefix: RoutedExperts.path) ?? []
        }
        func changes(_ tensors: [TensorSpec], _ prefix: String = "") -> Bool {
            tensors.contains { !tuning.freezes(prefix + $0.module) }
        }
        self.changes = matrices.map { changes($0) }
        changesExperts = modules.experts.map { changes($0, RoutedExperts.path) }

        let own = Part.normTensors(model) + AttentionSpec.tensors(model) + FeedForwardSpec.tensors(model)
        let routed =
            model.block.halves.hasFeedForward ? model.moe.map { FeedForwardSpec.expertTensors(model, $0) } : nil
        let count = Double(model.moe?.experts ?? 0)
        func parameters(_ own: [TensorSpec], _ ofExpert: [TensorSpec]) -> BlockParameters {
            BlockParameters(
                cut: own.parameters - own.wholeParameters, whole: own.wholeParameters,
                routed: Int(count) * ofExpert.parameters)
        }
        let ofExpert = routed ?? []
        trained = parameters(
            own.filter { !tuning.freezes($0.module) } + adapters.flatMap(\.tensors),
            ofExpert.filter { !tuning.freezes(RoutedExperts.path + $0.module) } + expertAdapters.flatMap(\.tensors))
        quantized =
            tuning.quantized == nil
            ? parameters([], [])
            : parameters(
                zip(matrices, self.changes).flatMap { $1 ? [] : $0 },
                zip(modules.experts, changesExperts).flatMap { $1 ? [] : $0 })
    }

    /// Tensors among the block's `own` that training changes, and its adapters' tensors.
    package func changed(_ own: [TensorSpec]) -> [TensorSpec] {
        own.filter { !tuning.freezes($0.module) } + adapters.flatMap(\.tensors)
    }

    /// Tensors among a routed expert's `own` that training changes, and its adapters' tensors.
    package func changedOfExpert(_ own: [TensorSpec]) -> [TensorSpec] {
        own.filter { !tuning.freezes(RoutedExperts.path + $0.module) } + expertAdapters.flatMap(\.tensors)
    }

    /// The products that every row passes through, without adapters, in the order of `Block.products`.
    static func products(_ model: Model) -> [Product] {
        let attention = model.block.halves.hasAttention ? AttentionSpec.products(model) : []
        guard model.block.halves.hasFeedForward else { return attention }
        return attention
            + (model.moe.map { FeedForwardSpec.mixtureProducts(model, $0) } ?? FeedForwardSpec.denseProducts(model))
    }

    static func expertProducts(_ model: Model) -> [Product] {
        guard model.block.halves.hasFeedForward, let moe = model.moe else { return [] }
        return FeedForwardSpec.expertProducts(model, moe)
    }

    // MARK: - Lists of the block

    /// Tensors that a half of the block needs for gradients of weights.
    private struct Half {
        /// Whether the rows of the residual stream that its products read are needed, and the gradients of its results.
        var needsInput = false
        var needsResult = false
    }

    private func half(_ modules: [[TensorSpec]], _ products: some Sequence<Product>, _ hidden: Int, prefix: String = "")
        -> Half
    {
        var half = Half()
        for (product, tensors) in zip(products, modules) where tensors.contains(where: { learns(prefix, $0) }) {
            if Self.readsStream(product, tensors, hidden) { half.needsInput = true }
            if Self.writesStream(product, tensors, hidden) { half.needsResult = true }
        }
        return half
    }

    /// Whether a product reads rows of the residual stream; latent rows and heads may be as wide.
    private static func readsStream(_ product: Product, _ tensors: [TensorSpec], _ hidden: Int) -> Bool {
        let narrow = ["q_b_proj", "kv_b_proj", "latent_up_proj", "o_a_proj", "dt_proj"]
        return product.inputs == Width(whole: hidden) && product.rows != .routed && !isAny(tensors, of: narrow)
    }

    /// Whether the results of a product are added to the residual stream.
    private static func writesStream(_ product: Product, _ tensors: [TensorSpec], _ hidden: Int) -> Bool {
        let narrow = [
            "q_a_proj", "kv_a_proj_with_mqa", "gate", "latent_down_proj", "x_proj", "wq_b", "wk", "weights_proj",
        ]
        return product.outputs == Width(whole: hidden) && !isAny(tensors, of: narrow)
    }

    private static func isAny(_ tensors: [TensorSpec], of names: [String]) -> Bool {
        tensors.contains { tensor in names.contains { tensor.module == $0 || tensor.module.hasSuffix("." + $0) } }
    }

    private func learns(_ prefix: String, _ tensor: TensorSpec) -> Bool { tuning.learns(prefix + tensor.module) }

    /// The tensors that a forward keeps: without inputs of products that need none, with the adapters' narrow results.
    func kept(_ parts: [Part], _ model: Model, _ modules: BlockModules) -> [Kept] {
        guard passesGradient else { return [] }
        let halves = halves(model, modules)
        let block = model.block
        var kept: [Kept] = []
        for (number, part) in parts.enumerated() {
            for (place, one) in part.kept.enumerated() {
                var one = one
                switch one.role {
                case .normResult:
                    one.stored.times = min(one.stored.times, norms(one.madeBy, halves, model))
                case .activationResult where number == 2 && !halves.feedForward.needsResult: continue
                case .productInput where number == 1 && !halves.attention.needsResult: continue
                case .normalised where !tuning.changesNorms: continue
                case .other where number == 0 && place == 0 && block.norms == .post:
                    // Without a norm before a half, the stream is kept as the input of the half's products.
                    let needed = [halves.attention, halves.feedForward].filter(\.needsInput).count
                    one.stored.times = min(one.stored.times, Double(needed))
                default: break
                }
                if one.stored.times > 0 { kept.append(one) }
            }
        }
        return kept + adapters.map { Kept($0.narrow, madeBy: Self.modules(of: $0, model)) }
            + expertAdapters.map { Kept($0.narrow, madeBy: .mixture) }
    }

    /// Whether the rows that enter the block are among `kept`: norms read their inputs again, products only where their weights
    /// are trained.
    func keepsInput(_ model: Model, _ modules: BlockModules) -> Bool {
        let block = model.block
        guard passesGradient else { return false }
        guard block.norms == .post else { return true }
        let halves = halves(model, modules)
        let isJoined = block.parallel != .none && block.halves == .both
        return block.halves.hasAttention && halves.attention.needsInput
            || (isJoined || !block.halves.hasAttention) && halves.feedForward.needsInput
    }

    /// Number of results of norms, those that `module` makes, which halves need as their inputs.
    private func norms(_ module: RecomputeModules, _ halves: (attention: Half, feedForward: Half), _ model: Model)
        -> Double
    {
        let block = model.block
        let needed = (halves.attention.needsInput, halves.feedForward.needsInput)
        if block.parallel.sharesNorm, block.halves == .both { return needed.0 || needed.1 ? 1 : 0 }
        let ofAttention: RecomputeModules = block.hasSoftmax && model.mla != nil ? .norms : .fusibleNorms
        let ofNetwork: RecomputeModules = block.moe != nil ? .norms : .fusibleNorms
        return (needed.0 && ofAttention == module ? 1 : 0) + (needed.1 && ofNetwork == module ? 1 : 0)
    }

    private func halves(_ model: Model, _ modules: BlockModules) -> (attention: Half, feedForward: Half) {
        let products = Self.products(model)
        var feedForward = half(
            modules.feedForward, products.dropFirst(modules.attention.count), model.hidden)
        if modules.experts.contains(where: { $0.contains { learns(RoutedExperts.path, $0) } }) {
            feedForward.needsResult = true
        }
        return (half(modules.attention, products, model.hidden), feedForward)
    }

    /// The tensors that are kept between the two halves of a split backward: inputs of products whose weights or adapters
    /// have gradients, gradients of their results, and twice the adapters' narrow results.
    func operands(_ model: Model, _ modules: BlockModules) -> [Stored] {
        guard passesGradient else { return [] }
        let hidden = model.hidden
        let halves = halves(model, modules)
        let isJoined = model.block.parallel != .none && model.block.halves == .both
        let both = [halves.attention, halves.feedForward]
        let inputs = both.filter(\.needsInput).count
        let results = both.filter(\.needsResult).count
        var operands: [Stored] = []
        let stream = Extent(.scattered, whole: hidden)
        let times =
            (model.block.parallel == .oneNorm && isJoined ? min(1, inputs) : inputs)
            + (isJoined ? min(1, results) : results)
        if times > 0 { operands.append(Stored(stream, .operand, times: Double(times))) }
        func add(_ products: some Sequence<Product>, _ modules: [[TensorSpec]], _ prefix: String = "") {
            /// Inputs, each once; latent queries may be as wide as latent keys and values.
            var seen: [Bool: Set<Extent>] = [:]
            for (product, tensors) in zip(products, modules) {
                let learning = tensors.filter { learns(prefix, $0) }
                guard !learning.isEmpty else { continue }
                let isRouted = product.rows == .routed
                if isRouted || !Self.readsStream(product, tensors, hidden) {
                    // Rows that are whole on every tensor rank are gathered again.
                    let rows: Rows = product.rows == .all && product.inputs.cut == 0 ? .scattered : product.rows
                    let input = Extent(rows, product.inputs)
                    let isOfKeys = Self.isAny(tensors, of: ["kv_b_proj"])
                    if seen[isOfKeys, default: []].insert(input).inserted { operands.append(Stored(input, .operand)) }
                }
                guard isRouted || !Self.writesStream(product, tensors, hidden) else { continue }
                let numbers = learning.reduce(0) { $0 + $1.count } / max(1, product.inputs.total)
                let isCut = product.outputs.cut > 0
                // A router's scores are fp32.
                let isRouter = product.rows == .own && product.outputs.whole == model.moe?.experts
                operands.append(
                    Stored(
                        Extent(product.rows, cut: isCut ? numbers : 0, whole: isCut ? 0 : numbers),
                        isRouter ? .single : .operand))
            }
        }
        let products = Self.products(model)
        add(products, modules.attention)
        add(products.dropFirst(modules.attention.count), modules.feedForward)
        add(Self.expertProducts(model), modules.experts, RoutedExperts.path)
        return operands + (adapters + expertAdapters).map { Stored($0.narrow, .operand, times: 2) }
    }

    /// Sums of the adapters' narrow rows among the ranks that cut a matrix: in a forward where they cut its inputs, in a
    /// backward where they cut its outputs (PEFT, `tuners/lora/tp_layer.py`).
    var sums: (forward: [Int], backward: [Int]) {
        let rank = tuning.lora?.rank ?? 0
        let forward = adapters.filter(\.cutsInputs)
        let backward = adapters.filter { $0.up.outputs.cut > 0 }
        return (forward.map { _ in rank }, backward.map { _ in rank })
    }
}

extension RoutedExperts {
    /// Beginning of the names of an expert's matrices by which targets and frozen parts are matched.
    static let path = "mlp.experts."
}

extension BlockShape {
    /// Whether training changes any weight of a block of this shape, or an adapter in it.
    package func hasTrainedWeights(_ model: Model) -> Bool {
        guard let tuning else { return true }
        let model = model.uniform(self)
        if tuning.lora != nil {
            let modules = BlockModules(model)
            return (modules.attention + modules.feedForward).joined().contains { tuning.learns($0.module) }
                || modules.experts.joined().contains { tuning.learns(RoutedExperts.path + $0.module) }
        }
        guard !tuning.isFrozen else { return false }
        let own = Part.normTensors(model) + AttentionSpec.tensors(model) + FeedForwardSpec.tensors(model)
        return own.contains { !tuning.freezes($0.module) }
            || (model.moe.map { FeedForwardSpec.expertTensors(model, $0) } ?? []).contains {
                !tuning.freezes(RoutedExperts.path + $0.module)
            }
    }
}
