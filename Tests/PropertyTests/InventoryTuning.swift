import Models
import Plans

/// Whether training changes a tensor, and how it is stored.
enum Fate: Equatable {
    case trained, frozen
    /// Frozen, and stored in four bits.
    case quantized
}

/// Adapters and frozen tensors, by the names of the inventory.
extension Inventory {
    /// The tensors of a block with their fates, and those of its adapters.
    func tuned(_ tensors: [ParameterTensor], layer: Int, _ tuning: Tuning) -> [ParameterTensor] {
        let isFrozenBlock = tuning.frozen.contains {
            if case .layers(let first, let last) = $0 { layer >= first && layer <= last } else { false }
        }
        let own = tensors.map { tensor -> ParameterTensor in
            var tensor = tensor
            if tuning.lora != nil || isFrozenBlock || tuning.frozen.contains(where: { $0.holds(tensor.name) }) {
                tensor.fate = tuning.quantized != nil && tensor.isMatrix ? .quantized : .frozen
            }
            return tensor
        }
        return own + (tuning.lora.map { adapters(tensors, shape(layer), $0) } ?? [])
    }

    /// The adapters' two matrices. Tensor ranks cut A where they cut the inputs of the matrix beside it, and B where they
    /// cut its outputs (PEFT, tp_layer.py); adapters of experts are taken to be cut like these.
    private func adapters(_ tensors: [ParameterTensor], _ shape: BlockShape, _ lora: LoRA) -> [ParameterTensor] {
        groups(tensors, shape, lora.targetModules).flatMap { group -> [ParameterTensor] in
            guard let first = group.first else { return [] }
            let (inputs, outputs) = (first.shape[1], group.reduce(0) { $0 + $1.shape[0] })
            let cutsInputs = first.isRowParallel
            func split(_ isCut: Bool) -> ParameterTensor.Split {
                first.split == .expert ? .expert : first.split == .tensor && isCut ? .tensor : .whole
            }
            var a = ParameterTensor(
                "A of \(first.name)", [lora.rank, inputs], split(cutsInputs), count: first.count, used: first.used)
            var b = ParameterTensor(
                "B of \(first.name)", [outputs, lora.rank], split(!cutsInputs), count: first.count, used: first.used)
            (a.isAdapter, b.isAdapter) = (true, true)
            (a.base, b.base) = (first.name, first.name)
            return [a, b]
        }
    }

    /// The matrices that have an adapter, those with one in common together.
    func groups(_ tensors: [ParameterTensor], _ shape: BlockShape, _ targets: [String]) -> [[ParameterTensor]] {
        let matrices = tensors.filter(\.isMatrix)
        func named(_ names: String...) -> [ParameterTensor] { matrices.filter { names.contains($0.name) } }
        func each(_ tensors: [ParameterTensor]) -> [[ParameterTensor]] { tensors.map { [$0] } }
        func together(_ tensors: [ParameterTensor]) -> [[ParameterTensor]] { tensors.isEmpty ? [] : [tensors] }
        /// Keys and values that widen a latent are one matrix; so are GPT-2's queries, keys and values, where they are
        /// equally wide.
        func attention(_ isFused: Bool) -> [[ParameterTensor]] {
            if shape.mla != nil { return each(named("query")) + together(named("key", "value")) + each(named("gate")) }
            let (own, gate) = (named("query", "key", "value"), named("gate"))
            if isFused { return together(own + gate) }
            let isOne = model.family == .gpt && own.count == 3 && own.allSatisfy { $0.shape[0] == own[0].shape[0] }
            return (isOne ? together(own) : each(own)) + each(gate)
        }
        /// The ways into a network: one product of all.
        func ways(_ prefix: String, isFused: Bool) -> [[ParameterTensor]] {
            let own = matrices.filter { $0.name.hasPrefix("\(prefix) way") }
            return isFused || model.family == .gpt && prefix == "feed-forward" ? together(own) : each(own)
        }
        let networks = ["feed-forward", "expert", "shared expert", "beside"]
        var found: [[ParameterTensor]] = []
        for target in targets {
            switch target {
            case "linear_qkv":
                found += attention(true).filter { shape.mla == nil || $0[0].name != "key" }
                    .filter { shape.mla?.queryRank ?? 0 == 0 || $0[0].name != "query" }
            case "linear_proj": found += each(named("attention output"))
            case "linear_fc1": found += networks.flatMap { ways($0, isFused: true) }
            case "linear_fc2", "down_proj": found += networks.flatMap { each(named("\($0) down")) }
            case "q_proj": found += each(named("query"))
            default:
                let rest = [
                    "query latent", "key-value latent", "indexer's query", "indexer's key", "indexer's weights",
                    "router",
                    "to latent rows", "from latent rows", "gate of shared experts",
                ]
                found +=
                    attention(false) + each(named("attention output")) + networks.flatMap { ways($0, isFused: false) }
                found +=
                    networks.flatMap { each(named("\($0) down")) } + each(matrices.filter { rest.contains($0.name) })
            }
        }
        return found
    }

    /// The first block that a backward passes.
    var firstPassed: Int {
        guard let tuning = model.tuning, model.freezesEmbedding(tuning) else { return 0 }
        return (0..<model.layers).first { layer in
            tensors(ofBlock: layer).contains { $0.fate == .trained && $0.count > 0 }
        }
            ?? model.layers
    }

    /// The ends' tensors with their fates.
    func tuned(ends tensors: [ParameterTensor], isHead: Bool) -> [ParameterTensor] {
        guard let tuning = model.tuning else { return tensors }
        return tensors.map { tensor in
            var tensor = tensor
            let isTable = ["embedding", "head"].contains(tensor.name)
            let own = isHead ? model.freezesHead(tuning) : model.freezesEmbedding(tuning)
            let either = model.freezesHead(tuning) || model.freezesEmbedding(tuning)
            let isFrozen =
                (isTable && model.tiedEmbeddings ? either : own)
                || tensor.name.contains("norm") && tuning.frozen.contains(.norms)
            if isFrozen { tensor.fate = .frozen }
            return tensor
        }
    }
}

extension Model {
    fileprivate func freezesEmbedding(_ tuning: Tuning) -> Bool {
        tuning.lora != nil || tuning.frozen.contains(.embedding)
    }
    fileprivate func freezesHead(_ tuning: Tuning) -> Bool { tuning.lora != nil || tuning.frozen.contains(.head) }
}

extension FrozenPart {
    /// Whether the part holds a block's tensor of this name.
    fileprivate func holds(_ name: String) -> Bool {
        let isBlockNorm = name.hasPrefix("norm ") && name.dropFirst(5).first?.isNumber == true
        let isNorm = name.contains("norm") || name == "small tensors"
        let feedForward = [
            "feed-forward", "expert", "shared expert", "beside", "router", "correction", "to latent rows",
            "from latent rows", "gate of shared experts",
        ].contains { name.hasPrefix($0) }
        return switch self {
        case .norms: isNorm
        case .feedForward: feedForward
        case .attention: !feedForward && !isBlockNorm && name != "small tensors"
        case .router: name.hasPrefix("router") || name == "correction"
        case .experts: name.hasPrefix("expert")
        case .embedding, .head, .layers: false
        }
    }
}

extension ParameterTensor {
    /// Whether tensor ranks cut the matrix by its inputs.
    var isRowParallel: Bool { name == "attention output" || name.hasSuffix("down") }
}
