internal import Foundation
internal import MPI
package import Models
internal import Numbers
internal import Plans
internal import Tensors

/// A model that reads several sequences piece by piece: what its blocks make of a token is kept, so that the next tokens are read
/// without those before them. One process holds all of it, or every rank of a layout its part.
///
/// The tokens of all sequences go through the linear layers together, and each sequence through an attention of its own.
package final class SequenceReader {
    package let model: Model
    package let path: String
    package let place: GenerationPlace
    /// Sequences that are kept at once.
    package let slots: Int
    /// Most tokens of a sequence.
    package let capacity: Int
    /// Most tokens of a pass.
    package let rows: Int
    private let parts: ReaderParts
    private let blocks: BlockReader
    /// What goes from stage to stage [S, H].
    private let boundaries: [Storage<Float>]
    /// Rows [S, H] whose logits are wanted, and their logits [., V].
    private let chosen: Storage<Float>
    private let logits: Storage<Float>
    private let logitRows: Int

    /// - Parameters:
    ///   - path: of weights, for messages.
    ///   - capacity: most tokens of a sequence; no more than the model reads at once.
    /// - Throws: `TrainingError` where the weights are not the model's or the memory is not there.
    package init(
        model: Model, weights: any WeightSource, place: GenerationPlace, slots: Int, capacity: Int,
        sharesMemory: Bool = true
    ) throws {
        try RuntimeSupport.check(model: model)
        try weights.check(model)
        self.model = model
        path = weights.path
        self.place = place
        self.slots = max(1, slots)
        self.capacity = max(1, min(model.sequence, capacity))
        let tensor = place.tensor
        // Enough for every sequence's next token and for one whole sequence; several short ones go together.
        let most = max(self.capacity, self.slots, min(Int.product(self.capacity, self.slots) ?? .max, Self.usualRows))
        rows = (most + tensor - 1) / tensor * tensor
        logitRows = max(1, min(rows, Self.logitNumbers / max(1, model.vocab)))
        try Self.checkRoom(model, slots: self.slots, capacity: self.capacity, rows: rows, tensor: tensor)
        parts = try ReaderParts(model: model, weights: weights, place: place, rows: rows, sharesMemory: sharesMemory)
        blocks = BlockReader(
            model: model, shape: parts.shape, context: parts.context,
            layers: parts.stages.reduce(0) { $0 + $1.blocks.count },
            hasExperts: parts.stages.contains { $0.kinds.contains(.mixture) }, slots: self.slots,
            capacity: self.capacity)
        boundaries = [0, 1].map { [count = parts.shape.boundaryCount] _ in Storage(count: count) }
        let isLast = place.held.contains(place.stageToRank.count - 1)
        chosen = Storage(count: isLast ? logitRows * model.hidden : 0)
        logits = Storage(count: isLast ? logitRows * parts.shape.vocab : 0)
    }

    private static let usualRows = 512
    /// Numbers of the logits that are made at a time.
    private static let logitNumbers = 1 << 24

    /// Refuses sequences whose keys and values no memory of this machine holds.
    private static func checkRoom(
        _ model: Model, slots: Int, capacity: Int, rows: Int, tensor: Int
    ) throws(TrainingError) {
        let width = 2 * (model.kvHeads / tensor) * model.headSize
        let cache = 4.0 * Double(slots) * Double(capacity) * Double(width) * Double(model.layers)
        let inner = max(model.ffn, model.moe.map { $0.ffn * $0.topK + $0.sharedWidth } ?? 0)
        let pass = 4.0 * Double(rows) * Double(12 * model.hidden + 4 * model.heads * model.headSize + 6 * inner)
        let room = Double(ProcessInfo.processInfo.physicalMemory)
        let wanted = cache + pass
        guard wanted > room else { return }
        throw .unsupported(
            field: "--tokens", value: "\(capacity) tokens of \(slots) sequences",
            reason: "keys and values take \(Figures.size(Int(saturating: wanted))), and this machine has "
                + "\(Figures.size(Int(saturating: room))): "
                + "ask for fewer tokens")
    }

    /// Reads one pass: parts of this rank's sequences, of no more than `rows` tokens. On the ranks of a layout every rank calls it,
    /// where it has nothing to read with no parts.
    /// - Parameter take: is given the sequence, the place in its part and the logits of every row that is wanted, in order, on
    ///   the ranks that hold the last stage.
    package func read(
        _ parts: [SequencePart], _ take: (_ sequence: Int, _ place: Int, UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        let pass = ReadingPass(parts, multiple: place.tensor)
        var shape = self.parts.shape
        shape.sequence = pass.rows
        blocks.begin(pass)
        let context = self.parts.context
        context.documents = PackedDocuments(positions: pass.positions)
        var first = 0
        var turn = 0
        for stage in self.parts.stages {
            let input = boundaries[turn].matrix(rows: pass.rows, columns: model.hidden)
            let output = boundaries[1 - turn].matrix(rows: pass.rows, columns: model.hidden)
            if stage.isFirst {
                try stage.embed(tokens: pass.tokens, output: input, shape: shape)
            } else if let previous = neighbour(stage.index - 1) {
                try place.groups?.pipeline.receive(into: input.numbers, from: previous, tag: stage.index)
            }
            let pending = try blocks.read(stage, from: input, shape: shape, firstLayer: first)
            first += stage.blocks.count
            if stage.isLast {
                try end(stage, pending, input: input, output: output, pass, take)
                continue
            }
            if let pending {
                Residual.join(
                    pending.stream.pointer, pending.output.pointer, bias: pending.bias, into: output.pointer,
                    rows: pass.rows, width: model.hidden, context.profile)
            } else {
                output.copy(from: input)
            }
            if let next = neighbour(stage.index + 1) {
                try place.groups?.pipeline.send(
                    UnsafeBufferPointer(output.numbers), to: next, tag: stage.index + 1)
            }
            turn = 1 - turn
        }
    }

    /// The pipeline rank of another stage; nil: it lies here.
    private func neighbour(_ stage: Int) -> Int? {
        let rank = place.stageToRank[stage]
        return rank == place.pipelineRank ? nil : rank
    }

    /// The final norm, and the head for the rows that are wanted.
    /// - Parameter output: room for the norm's output [S, H].
    private func end(
        _ stage: ModelStage, _ pending: PendingBranch?, input: Matrix, output: Matrix, _ pass: ReadingPass,
        _ take: (_ sequence: Int, _ place: Int, UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        let context = parts.context
        guard let end = stage.end else { preconditionFailure("the last stage has a head") }
        try context.dataParallel.gatherWeights(of: end.norm.gain.unit)
        if let pending {
            // The sum itself is not needed any more: it takes the place of the input.
            end.norm.joinForward(pending, sum: input, into: output, blocks.statistics, context.profile)
        } else {
            end.norm.forward(input, into: output, blocks.statistics, context.profile)
        }
        try context.dataParallel.gatherWeights(of: end.head.weight.unit)
        let wanted = pass.entries.flatMap { entry in
            entry.part.wanted.map { (sequence: entry.part.sequence, place: $0, row: entry.rows.lowerBound + $0) }
        }
        for start in stride(from: 0, to: wanted.count, by: logitRows) {
            let part = wanted[start..<min(start + logitRows, wanted.count)]
            let rows = chosen.matrix(rows: part.count, columns: model.hidden)
            for (index, row) in part.enumerated() {
                rows.row(index).update(from: output.row(row.row), count: model.hidden)
            }
            let made = logits.matrix(rows: part.count, columns: self.parts.shape.vocab)
            end.head.forward(rows, into: made, addsBias: false, context.profile)
            try handOn(made, part, take)
        }
    }

    /// made [., V / T]: hands on whole rows of logits, whose columns lie on the tensor ranks.
    private func handOn(
        _ made: Matrix, _ wanted: ArraySlice<(sequence: Int, place: Int, row: Int)>,
        _ take: (_ sequence: Int, _ place: Int, UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        guard place.tensor > 1, let group = place.groups?.tensor else {
            for (index, row) in wanted.enumerated() {
                try take(row.sequence, row.place, UnsafeBufferPointer(start: made.row(index), count: made.columns))
            }
            return
        }
        let all = try group.allGather(Array(made.numbers))
        var whole: [Float] = []
        for (index, row) in wanted.enumerated() {
            whole.removeAll(keepingCapacity: true)
            for rank in 0..<group.size {
                let start = rank * made.count + index * made.columns
                whole += all[start..<start + made.columns]
            }
            try whole.withUnsafeBufferPointer { try take(row.sequence, row.place, $0) }
        }
    }
}
