import Models
import Plans

extension Shrinker {
    /// The plan with fewer kinds of block, or with one thing less of what its model has beside its sizes.
    static func features(_ plan: Plan) -> [Plan] {
        var found: [Plan] = []
        func add(_ change: (inout Model) -> Void) {
            var next = plan
            change(&next.model)
            if next.model.mixtureLayers == 0 {
                next.layout?.expert = 1
                next.layout?.expertTensor = 1
            }
            found.append(next)
        }
        for kind in plan.model.kinds.indices {
            add { model in
                model.block = model.kinds[kind].shape
                (model.kinds, model.pattern) = ([], [])
            }
            guard plan.model.kinds.count > 1 else { continue }
            add { model in
                model.kinds.remove(at: kind)
                model.pattern = model.pattern.map { $0 > kind ? $0 - 1 : min($0, model.kinds.count - 1) }
            }
        }
        let changes: [(inout Model) -> Void] = [
            { $0.norm = nil }, { $0.positionKind = nil }, { $0.positionEntries = nil }, { $0.biases = nil },
            { $0.embeddingNorm = false }, { $0.hasFinalNorm = true }, { $0.embeddingSize = nil },
            { $0.otherParameters = 0 }, { $0.mtp = nil }, { $0.mtp?.layers = 1 }, { $0.mtp?.kind = nil },
            { $0.qkNormKind = nil }, { $0.classes = nil },
            { $0.diffusion?.sharedModulation = false }, { $0.diffusion?.labels = 0 }, { $0.diffusion?.pooledText = 0 },
            { $0.text?.projection = .linear }, { $0.text?.refinerLayers = 0 }, toText,
        ]
        for change in changes { add(change) }
        // Where the family's own biases mend the failure.
        if plan.model.biases != nil { add { $0.biases = [] } }
        for bias in plan.model.biases ?? [] { add { $0.biases?.removeAll { $0 == bias } } }
        for simpler in simpler(plan.model.block) { add { $0.block = simpler } }
        for kind in plan.model.kinds.indices {
            for simpler in simpler(plan.model.kinds[kind].shape) { add { $0.kinds[kind].shape = simpler } }
        }
        return found
    }

    /// A model of text in place of one of pictures.
    private static func toText(_ model: inout Model) {
        (model.image, model.video, model.text, model.diffusion, model.classes) = (nil, nil, nil, nil, nil)
        model.vocab = max(256, model.vocab)
        func plain(_ shape: inout BlockShape) {
            (shape.stream, shape.modulation, shape.crossAttention) = (.none, 0, nil)
        }
        plain(&model.block)
        for kind in model.kinds.indices { plain(&model.kinds[kind].shape) }
    }

    /// The shape with one thing less.
    private static func simpler(_ shape: BlockShape) -> [BlockShape] {
        let changes: [(inout BlockShape) -> Void] = [
            { $0.moe = nil }, { $0.mla = nil }, { $0.valueSize = nil }, { $0.window = nil }, { $0.chunk = nil },
            { $0.qkNorm = .none }, { $0.outputGate = .none }, { $0.sinks = false }, { $0.keyValues = .own },
            { $0.halves = .both }, { $0.norms = .pre }, { $0.parallel = .none }, { $0.extraParameters = 0 },
            { $0.moe?.sharedGate = false }, { $0.moe?.denseFfn = 0 }, { $0.moe?.padToCapacity = false },
            {
                $0.moe?.capacityFactor = nil
                $0.moe?.padToCapacity = false
                $0.moe?.tokenDropPolicy = .probs
            },
            { $0.moe?.routerCorrection = false }, { $0.moe?.latentSize = nil }, { $0.mla?.indexer = nil },
            { $0.kvHeads = $0.heads }, { $0.causal = true }, { $0.modulation = 0 },
            { $0.crossAttention?.norm = .none }, { $0.crossAttention?.qkNorm = .none },
        ]
        return changes.map { change in
            var simpler = shape
            change(&simpler)
            return simpler
        }.filter { $0 != shape }
    }
}
