internal import Models
internal import Plans

/// Bytes of the tensors that one block may keep for its backward, on one device and for one micro-batch. They do not depend
/// on what is recomputed nor on the schedule, so that a search measures them once for all of these.
struct BlockTensors {
    private let block: Block
    private let measure: BlockMeasure
    private let keepsCombinedRows: Bool
    /// Bytes of a kept number that only products read, and whether these keep the result of attention too; nil: no recipe.
    private let recipe: (input: Double, keepsAttended: Bool)?
    /// Bytes of a number that the activation of a network reads; nil: those of other activations.
    private let activationInput: Double?
    let memory: Framework.Memory
    /// The residual stream.
    let stream: Double
    /// The inputs of the block.
    var input: Double { Double(block.inputs) * stream }
    /// The inputs of the block among `whole`.
    var inputInWhole: Double {
        block.keepsInput && !(measure.norms.cast && block.normsReadInput) ? input : 0
    }
    /// The core attention, with what exchanges of heads keep.
    let core: Double
    /// The result of the core attention.
    let attended: Double
    /// Results of norms and activations, which are cheap to make again.
    let remadeResults: Double
    /// All of them.
    let whole: Double
    /// The inputs of all products and the gradients of their outputs.
    let operands: Double
    /// The gradients of the widest tensors.
    let widestGradients: Double
    var isMixture: Bool { block.mixture != nil }
    /// Whether the backward passes through the block at all.
    var passesGradient: Bool { block.tuned?.passesGradient ?? true }

    /// Parameters are those of `ActivationBytes`.
    init(
        _ block: Block, _ measure: BlockMeasure, sequence: Int, flashAttention: Bool, keepsCombinedRows: Bool,
        recipe: (input: Double, keepsAttended: Bool)?, activationInput: Double? = nil, memory: Framework.Memory,
        exchanged: Double
    ) {
        self.block = block
        self.measure = measure
        self.keepsCombinedRows = keepsCombinedRows
        self.recipe = recipe
        self.activationInput = activationInput
        self.memory = memory
        let w = measure.activation
        stream = w * measure.division.numbers(block.stream)
        core =
            Self.core(
                block.core, sequence: sequence, division: measure.division, flashAttention: flashAttention,
                numberBytes: measure.dropout ? 2 * w + 1 : w) + exchanged
        var (all, attended, remade) = (0.0, 0.0, 0.0)
        for tensor in block.kept {
            guard measure.norms.keeps(tensor.role) else { continue }
            let bytes = Self.bytes(tensor, measure, activationInput, memory)
            switch tensor.role {
            case .attended: attended += bytes
            case .normResult, .activationResult: remade += bytes
            case .combined where !keepsCombinedRows: continue
            case .combined, .productInput, .activationInput, .logits, .normInput, .castNormInput, .normalised, .gate,
                .rotary, .other:
                break
            }
            all += bytes
        }
        if memory.copiesAttended, flashAttention, measure.division.tokens > Double(sequence) { all += attended }
        (self.attended, remadeResults) = (attended, remade)
        all += core
        if let input = recipe?.input {
            all -= (w - input) * measure.numbers(block.productInputs.filter(\.isReadBack).map(\.extent))
            if recipe?.keepsAttended == true { all += input * measure.numbers(block.attended) }
        }
        whole = all
        operands = measure.bytes(block.operands)
        widestGradients =
            memory.sharesGradients
            ? w * SharedGradients.numbers(block, measure.division, reserve: memory.rowReserve)
            : w * block.feedForward.widest.reduce(0) { max($0, measure.numbers($1)) }
    }

    /// The tensors of a block on `device`.
    init(_ block: Block, _ device: DeviceShare, sequence: Int, rates: DeviceRates) {
        let framework = rates.framework
        self.init(
            block,
            BlockMeasure(
                division: Division(
                    tokens: device.tokens, tensor: device.tensor, sequence: device.sequenceShare,
                    expertTensor: device.expertTensor, mixture: block.mixture,
                    reserve: framework.memory.rowReserve, shares: device.shares),
                activation: rates.elementBytes, operand: rates.operandBytes(of: block), dropout: device.dropout,
                norms: rates.normKernels),
            sequence: sequence, flashAttention: device.flashAttention, keepsCombinedRows: framework.keepsCombinedRows,
            recipe: rates.recipe.map { (rates.inputBytes, $0.keepsAttended) },
            activationInput: rates.recipe?.activationInputBytes, memory: framework.memory,
            exchanged: device.headRanks > 1
                ? ContextWays(block, device, sequence: sequence, elementBytes: rates.elementBytes).kept : 0)
    }

    /// Bytes of a kept tensor.
    @inline(__always)
    private static func bytes(
        _ tensor: Kept, _ measure: BlockMeasure, _ activationInput: Double?, _ memory: Framework.Memory
    ) -> Double {
        guard tensor.role == .activationInput, let activationInput else {
            let isGathered = memory.keepsGathered && tensor.role == .normResult
            return (isGathered ? measure.division.sequence : 1) * measure.bytes(tensor.stored)
        }
        return activationInput * tensor.stored.times * measure.division.numbers(tensor.stored.extent)
    }

    /// Results of all products.
    var productResults: Double {
        measure.activation * measure.numbers((block.products + block.expertProducts).map(\.result))
    }

    /// Kept tensors that one of `modules` makes.
    /// - Parameter withoutRemade: leaves out the results that are made again anyway.
    func bytes(madeBy modules: RecomputeModules, withoutRemade: Bool) -> Double {
        block.kept.reduce(0) { sum, tensor in
            guard measure.norms.keeps(tensor.role) else { return sum }
            switch tensor.role {
            case .combined where !keepsCombinedRows: return sum
            case .normResult where withoutRemade, .activationResult where withoutRemade: return sum
            case .normResult, .activationInput, .activationResult, .attended, .combined, .productInput, .logits,
                .normInput, .castNormInput, .normalised, .gate, .rotary, .other:
                return tensor.madeBy.isDisjoint(with: modules)
                    ? sum : sum + Self.bytes(tensor, measure, activationInput, memory)
            }
        }
    }

    /// Bytes of the rows that norms among `modules` read: recomputed, a norm keeps these rather than what it casts.
    func inputs(of modules: RecomputeModules) -> Double {
        guard measure.norms.cast else { return 0 }
        return block.kept.reduce(0) {
            $1.role == .normInput && !$1.readBy.isDisjoint(with: modules) ? $0 + measure.bytes($1.stored) : $0
        }
    }

    /// What one norm before a half keeps, with its result.
    var oneNorm: Double {
        let numbers = measure.division.numbers(block.stream)
        func keeps(_ role: Kept.Role) -> Bool {
            measure.norms.keeps(role) && block.kept.contains { $0.role == role }
        }
        let result = memory.keepsGathered ? measure.division.sequence * stream : stream
        return result + (keeps(.normalised) ? stream : 0) + (keeps(.castNormInput) ? 4 * numbers : 0)
    }

    /// Bytes that a recipe saves of some inputs of products.
    func saved(_ inputs: (ProductInput) -> Bool) -> Double {
        guard let recipe else { return 0 }
        return (measure.activation - recipe.input)
            * block.productInputs.reduce(0) {
                $1.isReadBack && inputs($1) ? $0 + measure.division.numbers($1.extent) : $0
            }
    }

    /// Bytes of the core attention: four for each row and head with flash attention, else all scores.
    private static func core(
        _ core: CoreAttention, sequence: Int, division: Division, flashAttention: Bool, numberBytes: Double
    ) -> Double {
        let heads = Double(core.heads)
        guard !flashAttention else {
            return division.tokens * (4 * (core.cross == nil ? heads : 2 * heads) / division.tensor)
        }
        let keys = Double(sequence) + Double(core.cross?.keys ?? 0)
        return division.tokens * (heads * keys * numberBytes / division.tensor)
    }
}
