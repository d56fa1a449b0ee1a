internal import MPI
package import Models
internal import Numbers
internal import Plans
internal import Tensors

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Continues a text with a trained checkpoint, one byte at a time, in one process.
package final class TextGenerator {
    package let model: Model
    /// The most tokens that the model reads at once.
    private let mostTokens: Int
    private let path: String
    private let parameters: ParameterSet
    private let stage: ModelStage
    private let activations: SavedStage
    private let head: SavedHead
    private let embedded: Storage<Float>

    /// Reads a checkpoint that Trainyard wrote.
    /// - Parameter longest: tokens of prompt and answer together. Memory is taken for no more, even where the model reads
    ///   longer sequences.
    /// - Throws: `TrainingError` when the file is missing, broken or of another kind.
    package convenience init(checkpoint path: String, longest: Int = .max) throws(TrainingError) {
        let file = try Checkpoint.weights(at: path)
        let model = try file.model()
        try RuntimeSupport.check(model: model)
        try file.check(model)
        try self.init(model: model, weights: file, longest: longest)
    }

    private init(model: Model, weights: any WeightSource, longest: Int) throws(TrainingError) {
        self.model = model
        mostTokens = min(model.sequence, max(1, longest))
        path = weights.path
        let units = ParameterLayout.units(model: model, layers: 0..<model.layers, isFirst: true, isLast: true)
        parameters = ParameterSet(stages: [(0, units)])
        try parameters.load(from: weights)
        let shape = MicrobatchShape(model: model, sequences: 1, sequence: mostTokens)
        stage = ModelStage(
            model: model, index: 0, layers: 0..<model.layers, isFirst: true, isLast: true, parameters: parameters,
            context: StageContext(model: model, shape: shape, parameters: parameters))
        activations = SavedStage(
            shape: shape, blocks: stage.kinds, recompute: stage.recompute, savesOutputs: true)
        head = SavedHead(shape: shape, savesOutput: true)
        activations.head = head
        embedded = Storage(count: shape.boundaryCount)
    }

    /// Calls `emit` with each of `count` sampled bytes. Of text longer than the model's sequence the last tokens are read.
    /// - Parameters:
    ///   - temperature: 0 takes the likeliest byte.
    ///   - seed: determines the draw.
    package func generate(
        prompt: [UInt8], count: Int, temperature: Double, seed: UInt64, emit: (UInt8) throws -> Void
    ) throws {
        if let foreign = prompt.first(where: { $0 >= model.vocab }) {
            throw TrainingError.unsupported(
                field: "prompt", value: "byte \(foreign)", reason: "the model knows the bytes 0 to \(model.vocab - 1)")
        }
        // A model needs at least one token to go on from.
        var text = (prompt.isEmpty ? [UInt8(ascii: "\n")] : prompt).map { Int32($0) }
        for drawn in 0..<max(count, 0) {
            let window = Array(text.suffix(mostTokens))
            try read(window)
            let logits = head.logits.row(window.count - 1)
            guard UnsafeBufferPointer(start: logits, count: model.vocab).allSatisfy(\.isFinite) else {
                throw TrainingError.weights(
                    path: path, reason: "the weights are so large that the model's answer is no number")
            }
            let random = SplitMix64.first(seed: seed &+ UInt64(drawn)).fraction
            let token = Self.sample(logits, count: min(model.vocab, 256), temperature: temperature, random: random)
            text.append(Int32(token))
            try emit(UInt8(token))
        }
    }

    /// The logits behind every one of `tokens`, which must be in the vocabulary and no more than the model reads at once.
    package func logits(_ tokens: [Int32]) throws -> [[Float]] {
        try read(tokens)
        return tokens.indices.map { row in
            Array(UnsafeBufferPointer(start: head.logits.row(row), count: model.vocab))
        }
    }

    /// Leaves the logits behind every token in `head`.
    private func read(_ tokens: [Int32]) throws {
        let shape = MicrobatchShape(model: model, sequences: 1, sequence: tokens.count)
        let input = embedded.matrix(rows: tokens.count, columns: model.hidden)
        activations.input = input
        try stage.embed(tokens: tokens, output: input, shape: shape)
        try stage.forward(activations, output: nil, shape: shape)
    }

    /// Draws an index from softmax(logits / temperature) with `random` in [0, 1).
    package static func sample(
        _ logits: UnsafePointer<Float>, count: Int, temperature: Double, random: Double
    ) -> Int {
        let values = (0..<count).map { Double(logits[$0]) }
        let largest = values.max() ?? 0
        guard temperature > 0 else { return values.firstIndex(of: largest) ?? 0 }
        let weights = values.map { exp(($0 - largest) / temperature) }
        var remaining = random * weights.reduce(0, +)
        for (index, weight) in weights.enumerated() {
            remaining -= weight
            if remaining < 0 { return index }
        }
        return count - 1
    }
}
