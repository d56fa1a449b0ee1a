package import Models
internal import Plans

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
        package var tensors: [ParameterTensor]
    }

    /// The units of blocks `layers`, with the embeddings on the first stage and the final norm and head on the last.
    /// With tied embeddings the first and the last stage each hold a copy of `wte.weight`; a stage that is both, one.
    /// Matrices start as N(0, 0.02), projections onto the residual stream as N(0, 0.02/√(2·layers)) (Radford et al. 2019).
    /// `experts`: which of every block's experts are held.
    package static func units(
        model: Model, layers: Range<Int>, isFirst: Bool, isLast: Bool, experts: TensorShare = TensorShare()
    ) -> [Unit] {
        let names = TensorNames(model)
        var units: [Unit] = []
        func table(_ name: String) -> Unit {
            Unit(
                kind: .table,
                tensors: [
                    ParameterTensor(
                        name: name, shape: [model.vocab, model.hidden], start: .normal(0.02), split: .rows)
                ])
        }
        if isFirst { units.append(table(names.table)) }
        if isFirst, let positions = names.positions {
            let tensor = ParameterTensor(
                name: positions, shape: [model.sequence, model.hidden], start: .normal(0.02), seesStreamRows: true)
            units.append(Unit(kind: .positions, tensors: [tensor]))
        }
        for layer in layers {
            units.append(Unit(kind: .block(layer), tensors: names.block(layer)))
            if let moe = model.moe, model.hasExperts(layer) {
                let own = moe.experts / experts.size
                let tensors = (experts.rank * own..<(experts.rank + 1) * own).flatMap { names.expert($0, layer) }
                units.append(Unit(kind: .experts(layer), tensors: tensors))
            }
        }
        if isLast {
            units.append(Unit(kind: .finalNorm, tensors: names.norm(names.finalNorm)))
            if !(model.tiedEmbeddings && isFirst) {
                units.append(table(model.tiedEmbeddings ? names.table : names.head))
            }
        }
        return units
    }

    /// The tensors of these units in one list, in order.
    package static func tensors(model: Model, layers: Range<Int>, isFirst: Bool, isLast: Bool) -> [ParameterTensor] {
        units(model: model, layers: layers, isFirst: isFirst, isLast: isLast).flatMap(\.tensors)
    }

    /// Every tensor of the whole model, each once.
    package static func allTensors(model: Model) -> [ParameterTensor] {
        tensors(model: model, layers: 0..<model.layers, isFirst: true, isLast: true)
    }
}
