package import Models
package import Plans

/// Which tensors a pipeline stage holds, in the units that are reduced, sharded and gathered together.
package enum ParameterLayout {
    /// What a unit is to its stage.
    package enum Kind: Hashable, Sendable {
        /// Token table, or the output projection: one `[vocab, hidden]` tensor.
        case table
        case positions
        /// Block of this number.
        case block(Int)
        /// The experts of a block that this rank holds.
        case experts(Int)
        case finalNorm
    }

    /// The tensors of one unit.
    package struct Unit: Hashable, Sendable {
        package var kind: Kind
        package var tensors: [TensorSpec]
        /// Whether training leaves the tensors as they are.
        package var isFrozen = false

        /// The unit with start values and learning rates that follow the model's width.
        package func following(_ mup: MaximalUpdate, _ model: Model) -> Unit {
            var isOfBlock = false
            if case .block = kind { isOfBlock = true }
            var unit = self
            for index in tensors.indices {
                let factors = mup.factors(tensors[index], isOfBlock: isOfBlock, model: model)
                if case .normal(let deviation) = tensors[index].start {
                    unit.tensors[index].start = .normal(Float(Double(deviation) * factors.start))
                }
                unit.tensors[index].learningRateFactor = factors.learningRate
            }
            return unit
        }
    }

    /// Whether a rank that holds these stages holds one table for both ends of a model with tied embeddings.
    static func sharesTable(_ model: Model, held: [Int], last: Int) -> Bool {
        held.contains(last) && !model.hasHeadTable(holdsEmbedding: held.contains(0))
    }

    /// The units of the stages that a rank holds. A table that serves both ends is the first stage's.
    /// - Parameters:
    ///   - layers: of every stage of the model.
    ///   - mup: how start values and learning rates follow the width; nil: they do not.
    static func stages(
        _ model: Model, held: [Int], layers: [Range<Int>], experts: TensorSlice, mup: MaximalUpdate? = nil
    ) -> [(stage: Int, units: [Unit])] {
        let last = layers.count - 1
        let sharesTable = sharesTable(model, held: held, last: last)
        return held.map { stage in
            var units = units(
                model: model, layers: layers[stage], isFirst: stage == 0, isLast: stage == last, experts: experts)
            if sharesTable, stage == last, stage != 0 { units.removeAll { $0.kind == .table } }
            if let mup { units = units.map { $0.following(mup, model) } }
            return (stage, units)
        }
    }

    /// The units of blocks `layers`, with the embeddings on the first stage and the final norm and head on the last.
    /// With tied embeddings the first and the last stage each hold a copy of `wte.weight`; a stage that is both, one.
    /// Matrices start as N(0, 0.02), projections onto the residual stream as N(0, 0.02/√(2·layers)) (Radford et al. 2019).
    /// `experts`: which of every block's experts are held.
    package static func units(
        model: Model, layers: Range<Int>, isFirst: Bool, isLast: Bool, experts: TensorSlice = TensorSlice()
    ) -> [Unit] {
        var units: [Unit] = []
        if isFirst { units.append(Unit(kind: .table, tensors: [model.embedding])) }
        if isFirst, let positions = model.positions { units.append(Unit(kind: .positions, tensors: [positions])) }
        for layer in layers {
            units.append(Unit(kind: .block(layer), tensors: model.tensors(ofBlock: layer).all))
            if let moe = model.moe, model.hasExperts(layer) {
                let own = moe.experts / experts.size
                let tensors = (experts.rank * own..<(experts.rank + 1) * own).flatMap {
                    model.tensors(ofExpert: $0, inBlock: layer)
                }
                units.append(Unit(kind: .experts(layer), tensors: tensors))
            }
        }
        if isLast {
            units.append(Unit(kind: .finalNorm, tensors: model.finalNorm))
            if model.hasHeadTable(holdsEmbedding: isFirst) {
                units.append(Unit(kind: .table, tensors: [model.head]))
            }
        }
        guard model.tuning != nil else { return units }
        let (first, last) = (model.embedding.name, model.head.name)
        return units.flatMap { unit in
            divided(unit) { tensor in
                switch unit.kind {
                case .block, .experts: !tensor.isTrainable
                case .positions: !model.changesEmbedding
                case .finalNorm: !model.changesHead || !model.changesNorms
                case .table: tensor.name == first && isFirst || first == last ? !model.changesTable : !model.changesHead
                }
            }
        }
    }

    /// The tensors of a unit that training changes, and those that it does not, as two units.
    private static func divided(_ unit: Unit, isFrozen: (TensorSpec) -> Bool) -> [Unit] {
        let frozen = unit.tensors.filter(isFrozen)
        let trained = unit.tensors.filter { !isFrozen($0) }
        return (trained.isEmpty ? [] : [Unit(kind: unit.kind, tensors: trained)])
            + (frozen.isEmpty ? [] : [Unit(kind: unit.kind, tensors: frozen, isFrozen: true)])
    }

    /// The tensors of these units in one list, in order.
    package static func tensors(model: Model, layers: Range<Int>, isFirst: Bool, isLast: Bool) -> [TensorSpec] {
        units(model: model, layers: layers, isFirst: isFirst, isLast: isLast).flatMap(\.tensors)
    }

    /// Every tensor of the whole model, each once.
    package static func allTensors(model: Model) -> [TensorSpec] {
        tensors(model: model, layers: 0..<model.layers, isFirst: true, isLast: true)
    }
}
