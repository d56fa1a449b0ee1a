internal import MPI
internal import Models
internal import Plans
internal import Tensors

/// Runs a rank's blocks over the tokens of a pass, with attention to the keys and values that are kept. The tensors of a block are
/// not saved: all blocks of a kind use the same memory. Letters: `ShapeLetters`.
final class BlockReader {
    let statistics: NormStatistics
    private let cache: KeyValueCache
    private let context: StageContext
    private let storage: Storage<Float>
    private let dense: SavedBlock
    private let mixture: SavedBlock?
    private let workspace: Storage<Float>
    /// Cosines and sines of all positions [capacity, D / 2] and of the rows of the pass [R, D / 2]; nil for learned positions.
    private let rotation: (all: Tables, pass: Tables)?
    private var pass = ReadingPass([], multiple: 1)

    private struct Tables {
        let cosines: Storage<Float>
        let sines: Storage<Float>

        init(rows: Int, columns: Int) {
            (cosines, sines) = (Storage(count: rows * columns), Storage(count: rows * columns))
        }
    }

    init(
        model: Model, shape: MicrobatchShape, context: StageContext, layers: Int, hasExperts: Bool, slots: Int,
        capacity: Int
    ) {
        self.context = context
        cache = KeyValueCache(
            blocks: layers, slots: slots, capacity: capacity, heads: shape.kvHeads, headSize: shape.headSize)
        let experts = hasExperts ? shape.savedMixture() : nil
        func carve(_ arena: inout Arena) -> (NormStatistics, SavedBlock, SavedBlock?) {
            func block(_ kind: FeedForwardKind, _ arena: inout Arena) -> SavedBlock {
                var rebuilt = Arena()
                return SavedBlock(
                    kept: &arena, rebuilt: &rebuilt, shape: shape, isFirst: false, kind: kind, recompute: .none,
                    splitsBackward: false, mixture: kind == .mixture ? experts : nil, savesOutputs: true)
            }
            return (
                NormStatistics(arena: &arena, rows: shape.streamRows), block(.dense, &arena),
                hasExperts ? block(.mixture, &arena) : nil
            )
        }
        var counting = Arena()
        _ = carve(&counting)
        storage = Storage(count: counting.used)
        var arena = Arena(storage)
        (statistics, dense, mixture) = carve(&arena)
        let whole = shape.attention(sequences: 1, queries: capacity, keys: capacity)
        workspace = Storage(count: max(whole.workspaceCount, Attention.stepWorkspaceCount(keys: capacity)))
        rotation = RotaryFrequencies(model).map { frequencies in
            let half = shape.headSize / 2
            let all = Tables(rows: capacity, columns: half)
            RotaryEmbedding.fillTables(
                positions: (0..<capacity).map { Int32(truncatingIfNeeded: $0) }, frequencies: frequencies,
                cosines: all.cosines.matrix(rows: capacity, columns: half),
                sines: all.sines.matrix(rows: capacity, columns: half))
            return (all, Tables(rows: shape.rows, columns: half))
        }
    }

    /// Makes ready for the rows of a pass.
    func begin(_ pass: ReadingPass) {
        self.pass = pass
        guard let rotation else { return }
        let half = context.shape.headSize / 2
        for (row, position) in pass.positions.enumerated() {
            let place = Int(position) * half
            (rotation.pass.cosines.pointer + row * half).update(
                from: rotation.all.cosines.pointer + place, count: half)
            (rotation.pass.sines.pointer + row * half).update(from: rotation.all.sines.pointer + place, count: half)
        }
    }

    /// input [S, H]: runs the blocks of a stage.
    /// - Parameter firstLayer: the number of its first block among those of this rank.
    /// - Returns: the last block's feed-forward branch, which has yet to join the stream; nil: there are no blocks.
    func read(
        _ stage: ModelStage, from input: Matrix, shape: MicrobatchShape, firstLayer: Int
    ) throws(MPIError) -> PendingBranch? {
        var pending: PendingBranch?
        for (index, block) in stage.blocks.enumerated() {
            for unit in block.units { try context.dataParallel.gatherWeights(of: unit) }
            let saved = (stage.kinds[index] == .mixture ? mixture ?? dense : dense).first(shape)
            if pending == nil { saved.input.copy(from: input) }
            pending = try block.forward(saved, joining: pending) { self.attend($0, layer: firstLayer + index) }
        }
        return pending
    }

    /// Turns queries and keys to their positions, keeps keys and values, and writes attention's output.
    private func attend(_ saved: SavedBlock, layer: Int) {
        let shape = context.shape
        let (width, keyWidth) = (shape.width, shape.keyWidth)
        let queries = saved.qkv.columns(0..<width)
        let keys = saved.qkv.columns(width..<width + keyWidth)
        let values = saved.qkv.columns(width + keyWidth..<width + 2 * keyWidth)
        if let rotation {
            let half = shape.headSize / 2
            for part in [queries, keys] {
                RotaryEmbedding.rotate(
                    part, cosines: rotation.pass.cosines.matrix(rows: part.rows, columns: half),
                    sines: rotation.pass.sines.matrix(rows: part.rows, columns: half))
            }
        }
        for entry in pass.entries {
            let (rows, part) = (entry.rows, entry.part)
            cache.keep(
                keys: keys.rows(rows), values: values.rows(rows), block: layer, slot: part.slot, at: part.start)
            if part.start == 0, rows.count > 1 {
                func one(_ x: Matrix) -> MatrixBatch { x.rows(rows).sequences(of: rows.count) }
                Attention.forward(
                    query: one(queries), key: one(keys), value: one(values), output: one(saved.attention),
                    logSumExp: saved.logSumExp.columns(rows), workspace: workspace.pointer,
                    shape: shape.attention(sequences: 1, queries: rows.count, keys: rows.count))
                continue
            }
            for (index, row) in rows.enumerated() {
                let position = part.start + index
                let first = shape.window.map { max(0, position + 1 - $0) } ?? 0
                Attention.step(
                    query: queries.row(row), keys: cache.keys(block: layer, slot: part.slot),
                    values: cache.values(block: layer, slot: part.slot), seen: first..<position + 1,
                    output: saved.attention.row(row), heads: shape.heads, keyValueHeads: shape.kvHeads,
                    workspace: workspace.pointer)
            }
        }
        // Rows of no sequence.
        for row in pass.filled..<pass.rows {
            saved.attention.row(row).update(repeating: 0, count: saved.attention.columns)
        }
    }
}
