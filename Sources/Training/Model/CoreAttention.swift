internal import MPI
internal import Tensors

/// qkv [R, (N + 2K) · D], output [R, N · D], logSumExp [B · N, L]: causal attention between a block's two linear layers, on
/// one rank or around a ring of context-parallel ranks. Letters: `ShapeLetters`.
final class CoreAttention {
    private let shape: MicrobatchShape
    private let workspace: Storage<Float>
    /// The gradient's `Attention.delta` [B · N, L].
    private let delta: Storage<Float>
    private let ring: RingAttention?
    /// Cosines and sines of this rank's positions [L, D / 2]; nil for learned positions.
    private let rotation: (cosines: Storage<Float>, sines: Storage<Float>)?
    private let profile: Profile
    /// The documents of the micro-batch at work; nil: a sequence is one.
    var documents: PackedDocuments?

    init(
        shape: MicrobatchShape, pieces: SequencePieces, rotation frequencies: RotaryFrequencies?,
        ring: RingAttention? = nil,
        profile: Profile
    ) {
        self.shape = shape
        workspace = Storage(
            count: shape.attention(sequences: shape.sequences, queries: shape.sequence, keys: shape.sequence)
                .workspaceCount)
        delta = Storage(count: shape.sequences * shape.heads * shape.sequence)
        self.ring = ring
        self.profile = profile
        guard let frequencies else {
            rotation = nil
            return
        }
        let (length, half) = (shape.sequence, shape.headSize / 2)
        let tables = (cosines: Storage<Float>(count: length * half), sines: Storage<Float>(count: length * half))
        RotaryEmbedding.fillTables(
            positions: (0..<length).map { Int32(pieces.position(ofLocal: $0)) }, frequencies: frequencies,
            cosines: tables.cosines.matrix(rows: length, columns: half),
            sines: tables.sines.matrix(rows: length, columns: half))
        rotation = tables
    }

    /// Columns of queries, of keys and of values.
    private var columns: (query: Range<Int>, key: Range<Int>, value: Range<Int>) {
        let (width, keyWidth) = (shape.width, shape.keyWidth)
        return (0..<width, width..<width + keyWidth, width + keyWidth..<width + 2 * keyWidth)
    }

    /// qkv [R, (N + 2K) · D], sequences of L tokens: turns queries and keys to their positions, in place.
    func rotate(_ qkv: Matrix, length: Int) {
        turn(qkv, length: length) { RotaryEmbedding.rotate($0, cosines: $1, sines: $2) }
    }

    /// dqkv [R, (N + 2K) · D]: turns the gradient by queries and keys into the gradient before `rotate`, in place.
    func rotateBack(_ dqkv: Matrix, length: Int) {
        turn(dqkv, length: length) { RotaryEmbedding.inputGradient($0, cosines: $1, sines: $2) }
    }

    private func turn(_ qkv: Matrix, length: Int, _ body: (Matrix, _ cosines: Matrix, _ sines: Matrix) -> Void) {
        guard let rotation else { return }
        let half = shape.headSize / 2
        if let documents {
            return profile.measure(.attention) {
                for (sequence, ranges) in documents.ranges.enumerated() {
                    for range in ranges {
                        let rows = qkv.rows(sequence * length + range.lowerBound..<sequence * length + range.upperBound)
                        for part in [columns.query, columns.key] {
                            body(
                                rows.columns(part), rotation.cosines.matrix(rows: range.count, columns: half),
                                rotation.sines.matrix(rows: range.count, columns: half))
                        }
                    }
                }
            }
        }
        profile.measure(.attention) {
            for part in [columns.query, columns.key] {
                body(
                    qkv.columns(part), rotation.cosines.matrix(rows: length, columns: half),
                    rotation.sines.matrix(rows: length, columns: half))
            }
        }
    }

    /// qkv [R, (N + 2K) · D], output [R, N · D], logSumExp [B · N, L]: writes output and logSumExp.
    func forward(qkv: Matrix, output: Matrix, logSumExp: Matrix) throws(MPIError) {
        if let ring {
            return try ring.forward(qkv: qkv, output: output, logSumExp: logSumExp, workspace: workspace.pointer)
        }
        let length = logSumExp.columns
        let rows = qkv.sequences(of: length)
        if let documents {
            return profile.measure(.attention) {
                forEach(documents) { place, size, sums, attention in
                    let part = qkv.rows(place).sequences(of: size)
                    Attention.forward(
                        query: part.columns(columns.query), key: part.columns(columns.key),
                        value: part.columns(columns.value), output: output.rows(place).sequences(of: size),
                        logSumExp: sums(logSumExp), workspace: workspace.pointer, shape: attention)
                }
            }
        }
        profile.measure(.attention) {
            Attention.forward(
                query: rows.columns(columns.query), key: rows.columns(columns.key), value: rows.columns(columns.value),
                output: output.sequences(of: length), logSumExp: logSumExp, workspace: workspace.pointer,
                shape: shape.attention(sequences: rows.count, queries: length, keys: length))
        }
    }

    /// qkv, dqkv [R, (N + 2K) · D], output, dOutput [R, N · D], logSumExp [B · N, L]: writes dqkv.
    func backward(
        qkv: Matrix, output: Matrix, dOutput: Matrix, logSumExp: Matrix, dqkv: Matrix
    ) throws(MPIError) {
        let length = logSumExp.columns
        let (rows, gradients) = (qkv.sequences(of: length), dqkv.sequences(of: length))
        let whole = shape.attention(sequences: rows.count, queries: length, keys: length)
        let delta = delta.matrix(rows: logSumExp.rows, columns: length)
        profile.measure(.attention) {
            Attention.delta(
                output: output.sequences(of: length), dOutput: dOutput.sequences(of: length), into: delta, shape: whole)
        }
        if let documents {
            return profile.measure(.attention) {
                forEach(documents) { place, size, sums, attention in
                    let (part, dPart) = (qkv.rows(place).sequences(of: size), dqkv.rows(place).sequences(of: size))
                    Attention.inputGradient(
                        query: part.columns(columns.query), key: part.columns(columns.key),
                        value: part.columns(columns.value), dOutput: dOutput.rows(place).sequences(of: size),
                        logSumExp: sums(logSumExp), delta: sums(delta), dQuery: dPart.columns(columns.query),
                        dKey: dPart.columns(columns.key), dValue: dPart.columns(columns.value),
                        workspace: workspace.pointer, shape: attention)
                }
            }
        }
        if let ring {
            return try ring.backward(
                qkv: qkv, dOutput: dOutput, logSumExp: logSumExp, delta: delta, dqkv: dqkv,
                workspace: workspace.pointer)
        }
        profile.measure(.attention) {
            Attention.inputGradient(
                query: rows.columns(columns.query), key: rows.columns(columns.key), value: rows.columns(columns.value),
                dOutput: dOutput.sequences(of: length), logSumExp: logSumExp, delta: delta,
                dQuery: gradients.columns(columns.query), dKey: gradients.columns(columns.key),
                dValue: gradients.columns(columns.value), workspace: workspace.pointer, shape: whole)
        }
    }

    /// Calls `body` for every document: with the rows of the micro-batch that it takes, its tokens, the part of a matrix
    /// [B · N, L] that belongs to it, and the shape of its attention.
    private func forEach(
        _ documents: PackedDocuments,
        _ body: (_ rows: Range<Int>, _ tokens: Int, _ sums: (Matrix) -> Matrix, AttentionShape) -> Void
    ) {
        for (sequence, ranges) in documents.ranges.enumerated() {
            let start = sequence * shape.sequence
            for range in ranges {
                let heads = sequence * shape.heads..<(sequence + 1) * shape.heads
                body(
                    start + range.lowerBound..<start + range.upperBound, range.count,
                    { $0.rows(heads).columns(range) },
                    shape.attention(sequences: 1, queries: range.count, keys: range.count))
            }
        }
    }
}
