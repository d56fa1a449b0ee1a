package import Models

/// A trained model in one process: what it says behind every token of some sequences.
package final class WholeModel {
    package let model: Model
    /// Sequences that are read at once. More may be given.
    private let sequences: Int
    /// Most tokens of a sequence.
    package let longest: Int
    private let reader: SequenceReader

    /// - Parameters:
    ///   - path: a checkpoint, a file of weights or a folder of Hugging Face's.
    ///   - sequences: sequences that go through the model together.
    ///   - longest: tokens of the longest sequence. Memory is taken for no more, even where the model reads longer ones.
    /// - Throws: `TrainingError` when the weights are missing, broken or of a model that the runtime does not compute.
    package convenience init(weights path: String, sequences: Int = 1, longest: Int = .max) throws {
        let weights = try Checkpoint.weights(at: path)
        try self.init(model: weights.model(), weights: weights, sequences: sequences, longest: longest)
    }

    package init(model: Model, weights: any WeightSource, sequences: Int, longest: Int) throws {
        self.model = model
        self.sequences = max(1, sequences)
        reader = try SequenceReader(
            model: model, weights: weights, place: GenerationPlace(layers: model.layers), slots: self.sequences,
            capacity: longest)
        self.longest = reader.capacity
    }

    /// Reads sequences, each from its beginning, and hands out the logits behind their tokens, over the whole vocabulary.
    /// - Parameters:
    ///   - tokens: sequences of 1 to `longest` tokens.
    ///   - first: the first token of a sequence behind which logits are wanted.
    ///   - take: is given the sequence, the place of the token in it and the logits. Tokens of a sequence come in order.
    /// - Throws: `TrainingError` for a sequence that is too long or has a token that the model does not know.
    package func forEachLogits(
        of tokens: [[Int32]], from first: (_ sequence: Int) -> Int = { _ in 0 },
        _ take: (_ sequence: Int, _ place: Int, _ logits: UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        for (sequence, tokens) in tokens.enumerated() {
            guard tokens.count <= longest else {
                throw TrainingError.unsupported(
                    field: "sequence \(sequence + 1)", value: "\(tokens.count) tokens",
                    reason: "the model reads \(longest)")
            }
            if let foreign = tokens.first(where: { $0 < 0 || $0 >= model.vocab }) {
                throw TrainingError.unsupported(
                    field: "sequence \(sequence + 1)", value: "token \(foreign)",
                    reason: "the model knows the tokens 0 to \(model.vocab - 1)")
            }
        }
        for start in stride(from: 0, to: tokens.count, by: sequences) {
            let parts = (start..<min(start + sequences, tokens.count)).filter { !tokens[$0].isEmpty }.map { sequence in
                let count = tokens[sequence].count
                return SequencePart(
                    sequence: sequence, slot: sequence - start, tokens: tokens[sequence], start: 0,
                    wanted: min(max(0, first(sequence)), count)..<count)
            }
            for pass in ReadingPass.packed(parts, rows: reader.rows) { try reader.read(pass, take) }
        }
    }

    /// The logits behind every token of every sequence.
    package func logits(of tokens: [[Int32]]) throws -> [[[Float]]] {
        var found: [[[Float]]] = tokens.map { _ in [] }
        try forEachLogits(of: tokens) { sequence, _, logits in found[sequence].append(Array(logits)) }
        return found
    }
}
