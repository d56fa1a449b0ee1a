package import Models
internal import Numbers

/// The blocks of each stage that are recomputed whole with `recompute` full.
package enum RecomputedBlocks: Hashable, Codable, Sendable {
    case all
    /// The first blocks of every stage (Megatron-LM's `--recompute-num-layers` with `--recompute-method block`).
    case first(Int)
    /// The first blocks of each stage, a number for every stage in stage order.
    case firstOfStage([Int])
    /// Every n-th block of a stage (torchtitan's `selective_ac_option: 'n'`).
    case every(Int)
    /// All blocks, in runs of this many, each of which keeps the input of its first block alone (Megatron-LM's
    /// `--recompute-method uniform`).
    case runs(Int)

    /// Whether some blocks may keep all their activations.
    package var keepsSome: Bool {
        switch self {
        case .all, .runs: false
        case .first, .firstOfStage, .every: true
        }
    }

    /// Whether block `index` of stage `stage`, which counts from the stage's first, is recomputed.
    package func contains(_ index: Int, stage: Int) -> Bool {
        switch self {
        case .all, .runs: true
        case .first(let count): index < count
        case .firstOfStage(let counts): counts.indices.contains(stage) && index < counts[stage]
        case .every(let step): (index + 1) % step == 0
        }
    }

    /// Blocks among `blocks`, those of stage `stage`, that are told apart from the others: recomputed ones if some keep all
    /// their activations, the first block of every run if blocks are recomputed in runs.
    package func marked(in blocks: Range<Int>, stage: Int) -> [Range<Int>] {
        func single(from first: Int, by step: Int) -> [Range<Int>] {
            stride(from: blocks.lowerBound + first, to: blocks.upperBound, by: step).map { $0..<$0 + 1 }
        }
        func start(_ count: Int) -> [Range<Int>] { [blocks.prefix(max(0, count))] }
        return switch self {
        case .all: []
        case .first(let count): start(count)
        case .firstOfStage(let counts): start(counts.indices.contains(stage) ? counts[stage] : 0)
        case .every(let step): single(from: step - 1, by: step)
        case .runs(let length): single(from: 0, by: length)
        }
    }

    /// The blocks as words behind `recompute full`; empty for all blocks.
    package var words: String {
        switch self {
        case .all: ""
        case .first(let count): " \(count) a stage"
        case .firstOfStage(let counts): " \(Figures.runs(counts).joined(separator: ", ")) by stage"
        case .every(let step): " every \(step == 2 ? "second" : step == 3 ? "third" : "\(step)th") block"
        case .runs(let length): " in runs of \(length)"
        }
    }
}

extension Layout {
    /// What is recomputed, as words: `full 3 a stage`, `selective mlp, layernorm`.
    package var recomputeWords: String {
        let modules = recomputeModules.words
        return recompute.rawValue + (modules.isEmpty ? "" : " \(modules)") + recomputed.words
    }

    /// The modules that are recomputed; none with another kind of recomputation.
    package var modulesAgain: RecomputeModules {
        switch recompute {
        case .selective: recomputeModules
        case .none, .full: .nothing
        }
    }

    /// Blocks of every stage that are recomputed, counted from its first; nil: all of them, or another choice.
    package var recomputeLayers: Int? {
        get {
            guard case .first(let count) = recomputed else { return nil }
            return count
        }
        set { recomputed = newValue.map(RecomputedBlocks.first) ?? .all }
    }
}
