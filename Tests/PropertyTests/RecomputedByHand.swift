import Models
import Plans

/// The blocks that a layout recomputes whole, told from its words alone.
extension Layout {
    /// Whether the stage's block `index`, which counts from 0, is computed again in the backward.
    func computesAgain(_ index: Int, ofStage stage: Int) -> Bool {
        guard recompute == .full else { return false }
        switch recomputed {
        case .all, .runs: return true
        case .first(let count): return index + 1 <= count
        case .firstOfStage(let counts): return index + 1 <= counts[stage]
        // The n-th, the 2n-th …
        case .every(let step): return (index + 1).isMultiple(of: step)
        }
    }

    /// Whether a block that is computed again keeps its input: all do, except those behind the first of a run.
    func keepsInput(_ index: Int) -> Bool {
        guard case .runs(let length) = recomputed else { return true }
        return index.isMultiple(of: length)
    }

    /// The places of a stage's blocks that are computed again, in the sets that are there at once.
    func againTogether(_ blocks: Int, ofStage stage: Int) -> [[Int]] {
        let again = (0..<blocks).filter { recompute != .full || computesAgain($0, ofStage: stage) }
        guard case .runs(let length) = recomputed, recompute == .full else { return again.map { [$0] } }
        return stride(from: 0, to: blocks, by: length).map { Array($0..<min(blocks, $0 + length)) }
    }

    /// The modules that are recomputed by themselves; core attention where no other is named.
    var modulesByHand: Set<RecomputeModules.Name> {
        guard recompute == .selective else { return [] }
        return recomputeModules.isEmpty ? [.coreAttention] : Set(recomputeModules.names)
    }

    /// The keys that say which blocks are recomputed.
    var recomputedFields: [(String, String?)] {
        if !recomputeModules.isEmpty {
            let names = recomputeModules.names.map(\.rawValue).joined(separator: ", ")
            return [("recomputeModules", "[\(names)]")]
        }
        return switch recomputed {
        case .all: []
        case .first(let count): [("recomputeLayers", "\(count)")]
        case .firstOfStage(let counts): [("recomputeLayers", "\(counts)")]
        case .every(let step): [("recomputeEvery", "\(step)")]
        case .runs(let length): [("recomputeMethod", "uniform"), ("recomputeLayers", "\(length)")]
        }
    }
}

extension Inventory {
    /// The modules that some block has.
    var modules: [RecomputeModules.Name] {
        let blocks = (0..<model.layers).map { (shape: shape($0), isMixture: isMixture($0)) }
        func has(_ name: RecomputeModules.Name, _ block: (shape: BlockShape, isMixture: Bool)) -> Bool {
            let (shape, mixture) = (block.shape, block.isMixture && block.shape.hasNetwork ? block.shape.moe : nil)
            switch name {
            case .coreAttention: return shape.hasCore
            case .latentProjections: return shape.hasCore && shape.mla != nil
            case .norms: return shape.norms != .post
            case .network: return shape.hasNetwork && mixture == nil
            case .mixture, .expertActivation: return mixture != nil
            case .sharedExperts: return mixture.map { $0.shared > 0 || $0.denseFfn > 0 } ?? false
            }
        }
        return RecomputeModules.Name.allCases.filter { name in blocks.contains { has(name, $0) } }
    }
}

extension Layout {
    /// The layout with core attention recomputed, by its name or by `selective` alone.
    func selectingCore(_ isNamed: Bool) -> Layout {
        var layout = self
        layout.recomputeModules = isNamed ? .coreAttention : []
        return layout
    }

    func hasCore(_ model: Model) -> Bool { Inventory(model).modules.contains(.coreAttention) }
}
