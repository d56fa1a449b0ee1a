import Models
import Numbers
import Plans
import Tensors
import Testing
import Training

/// Gradients of a stage's backward, against central differences of the same formulas in float64: every parameter, and the
/// stage's input. Sizes are no multiples of a vector.
@Suite struct StageGradientTests {
    /// A block or two, and the way its gradients are made.
    struct Case: CustomTestStringConvertible {
        var name: String
        var model: Model
        var recompute = Layout.Recompute.none
        /// Blocks that are recomputed.
        var recomputed = RecomputedBlocks.all
        var splitsBackward = false
        /// Whether the outputs of norms and activations are saved where they need not be.
        var savesOutputs = true
        /// Places in the two sequences where documents begin; nil: a sequence is one.
        var documents: [[Int]]?

        var testDescription: String {
            name + (recompute == .none ? "" : ", recompute \(recompute.rawValue)")
                + recomputed.words + (splitsBackward ? ", split" : "")
                + (savesOutputs ? "" : ", outputs made again") + (documents == nil ? "" : ", packed")
        }
    }

    private static func model(
        _ family: Model.Family, layers: Int = 1, kvHeads: Int = 2, mlp: Model.MLP, tied: Bool = false,
        moe: Model.Mixture? = nil, window: Int? = nil, qkNorm: BlockShape.QKNorm = .none
    ) -> Model {
        var model = Model(
            family: family, layers: layers, hidden: 12, heads: 2, kvHeads: kvHeads, headSize: 6, ffn: 10, mlp: mlp,
            vocab: 13, sequence: 5, tiedEmbeddings: tied, moe: moe)
        model.block.window = window
        model.block.qkNorm = qkNorm
        return model
    }

    private static let experts = Model.Mixture(experts: 4, topK: 2, ffn: 7, shared: 1, sharedFfn: 9)
    static let kinds: [(name: String, model: Model)] = [
        ("gpt", model(.gpt, mlp: .gelu)),
        ("gpt with squared relu", model(.gpt, mlp: .squaredRelu)),
        ("llama with grouped queries", model(.llama, kvHeads: 1, mlp: .swiglu)),
        ("llama with geglu", model(.llama, mlp: .geglu)),
        ("gpt with a window", model(.gpt, mlp: .gelu, window: 2)),
        ("llama with a window", model(.llama, kvHeads: 1, mlp: .swiglu, window: 3)),
        ("gpt with norms of heads", model(.gpt, mlp: .gelu, qkNorm: .head)),
        ("llama with norms of heads", model(.llama, kvHeads: 1, mlp: .swiglu, qkNorm: .head)),
        ("experts", model(.llama, kvHeads: 1, mlp: .swiglu, moe: .init(experts: 5, topK: 1, ffn: 7))),
        ("experts and a shared one", model(.llama, kvHeads: 1, mlp: .swiglu, moe: experts)),
    ]

    static let cases: [Case] = kinds.flatMap { name, model in
        Layout.Recompute.allCases.flatMap { recompute in
            [false, true].map { Case(name: name, model: model, recompute: recompute, splitsBackward: $0) }
                + [Case(name: name, model: model, recompute: recompute, savesOutputs: false)]
        }
    }

    /// Adapters, frozen parts and packed documents, in every way of making gradients.
    static let tunedCases: [Case] = tunedKinds.flatMap { name, model, documents in
        Layout.Recompute.allCases.flatMap { recompute in
            [false, true].map {
                Case(name: name, model: model, recompute: recompute, splitsBackward: $0, documents: documents)
            } + [Case(name: name, model: model, recompute: recompute, savesOutputs: false, documents: documents)]
        }
    }

    private static func tuned(_ model: Model, _ tuning: Tuning) -> Model {
        var model = model
        model.tune(tuning)
        return model
    }

    private static func adapted(_ model: Model, _ targets: [String] = [LoRA.allLinear], rank: Int = 3) -> Model {
        tuned(model, Tuning(lora: LoRA(rank: rank, alpha: 5, targetModules: targets)))
    }

    private static let starts = [[0, 2, 3], [0, 4]]
    static let tunedKinds: [(name: String, model: Model, documents: [[Int]]?)] = [
        ("gpt with adapters", adapted(model(.gpt, mlp: .gelu)), nil),
        ("gpt with adapters of attention", adapted(model(.gpt, mlp: .gelu), ["c_attn"], rank: 1), nil),
        ("llama with adapters", adapted(model(.llama, kvHeads: 1, mlp: .swiglu)), nil),
        ("llama with some adapters", adapted(model(.llama, mlp: .geglu), ["q_proj", "v_proj", "up_proj"]), nil),
        ("gpt, attention frozen", tuned(model(.gpt, mlp: .gelu), Tuning(frozen: [.attention])), nil),
        ("llama, norms frozen", tuned(model(.llama, mlp: .swiglu), Tuning(frozen: [.norms, .feedForward])), nil),
        (
            "experts frozen, router not",
            tuned(model(.llama, kvHeads: 1, mlp: .swiglu, moe: experts), Tuning(frozen: [.experts])), nil
        ),
        ("gpt, packed", model(.gpt, mlp: .gelu), starts),
        ("llama, packed", model(.llama, kvHeads: 1, mlp: .swiglu), starts),
        ("llama with a window, packed", model(.llama, mlp: .swiglu, window: 2), starts),
        ("llama with adapters, packed", adapted(model(.llama, mlp: .swiglu)), starts),
    ]

    @Test(arguments: tunedCases) func tunedBlock(_ check: Case) throws { try blockAgainstCentralDifferences(check) }

    @Test(arguments: cases) func blockAgainstCentralDifferences(_ check: Case) throws {
        let stage = try TinyStage(check, isWhole: false)
        let x = TinyStage.random(stage.shape.boundaryCount, seed: 7, scale: 1)
        let dy = TinyStage.random(stage.shape.boundaryCount, seed: 8, scale: 1)
        let (gradients, dx) = try stage.gradients(input: x, outputGradient: dy)
        func loss(_ reference: ReferenceModel, _ x: [Double]) -> Double {
            let (y, auxiliary) = reference.blocks(x)
            return zip(y, dy).reduce(auxiliary) { $0 + $1.0 * Double($1.1) }
        }
        let input = x.map(Double.init)
        let expected = Self.differences(stage.reference, stage.trained) { loss($0, input) }
        Self.compare(gradients, expected)
        let inputs = Self.differences(input) { loss(stage.reference, $0) }
        Self.compare(["the input": dx], ["the input": inputs])
    }

    @Test(arguments: [
        Case(name: "gpt", model: model(.gpt, layers: 2, mlp: .gelu)),
        Case(name: "gpt, tied", model: model(.gpt, layers: 2, mlp: .gelu, tied: true)),
        Case(name: "gpt", model: model(.gpt, layers: 2, mlp: .gelu), savesOutputs: false),
        Case(name: "llama", model: model(.llama, layers: 2, kvHeads: 1, mlp: .swiglu), splitsBackward: true),
        Case(
            name: "llama with norms of heads, half recomputed",
            model: model(.llama, layers: 2, kvHeads: 1, mlp: .swiglu, window: 3, qkNorm: .head), recompute: .full,
            recomputed: .first(1), splitsBackward: true),
        Case(
            name: "gpt, half recomputed", model: model(.gpt, layers: 2, mlp: .gelu), recompute: .full,
            recomputed: .first(1)),
        Case(
            name: "llama and experts, half recomputed",
            model: model(.llama, layers: 2, kvHeads: 1, mlp: .swiglu, moe: experts), recompute: .full,
            recomputed: .first(1), splitsBackward: true),
        Case(
            name: "llama and experts, every second block recomputed",
            model: model(.llama, layers: 4, kvHeads: 1, mlp: .swiglu, moe: experts), recompute: .full,
            recomputed: .every(2), splitsBackward: true),
        Case(
            name: "gpt, every third block recomputed", model: model(.gpt, layers: 4, mlp: .gelu), recompute: .full,
            recomputed: .every(3)),
        Case(
            name: "gpt, one block of the first stage recomputed", model: model(.gpt, layers: 2, mlp: .gelu),
            recompute: .full, recomputed: .firstOfStage([1, 0])),
        Case(
            name: "gpt, packed", model: model(.gpt, layers: 2, mlp: .gelu), documents: starts),
        Case(
            name: "llama with adapters, packed",
            model: adapted(model(.llama, layers: 2, kvHeads: 1, mlp: .swiglu)), splitsBackward: true, documents: starts),
        Case(
            name: "gpt, first block and tied table frozen",
            model: tuned(
                model(.gpt, layers: 2, mlp: .gelu, tied: true),
                Tuning(frozen: [.embedding, .layers(first: 0, last: 0)]))),
        Case(
            name: "llama, head frozen", model: tuned(model(.llama, layers: 2, mlp: .swiglu), Tuning(frozen: [.head])),
            splitsBackward: true),
        Case(
            name: "llama, second block frozen",
            model: tuned(model(.llama, layers: 2, mlp: .swiglu), Tuning(frozen: [.layers(first: 1, last: 1)]))),
        Case(
            name: "llama, tied, experts",
            model: model(.llama, layers: 2, kvHeads: 1, mlp: .swiglu, tied: true, moe: experts), recompute: .full),
    ])
    func embeddingToLossAgainstCentralDifferences(_ check: Case) throws {
        let stage = try TinyStage(check, isWhole: true)
        let tokens = (0..<stage.shape.rows).map { $0 * 5 % 11 }
        let targets = (0..<stage.shape.rows).map { ($0 * 3 + 1) % check.model.vocab }
        func loss(_ reference: ReferenceModel) -> Double {
            let (y, auxiliary) = reference.blocks(reference.embedding(tokens))
            return reference.loss(y, targets: targets) + auxiliary
        }
        let (gradients, value) = try stage.gradients(tokens: tokens, targets: targets)
        let (_, auxiliary) = stage.reference.blocks(stage.reference.embedding(tokens))
        #expect(abs(value - (loss(stage.reference) - auxiliary)) < 1e-5)
        Self.compare(gradients, Self.differences(stage.reference, stage.trained, loss))
    }

    // MARK: comparing

    private static func differences(_ x: [Double], _ loss: ([Double]) -> Double) -> [Double] {
        let step = 1e-5
        return x.indices.map { index in
            var (above, below) = (x, x)
            above[index] += step
            below[index] -= step
            return (loss(above) - loss(below)) / (2 * step)
        }
    }

    /// By every tensor of `reference` that training changes.
    private static func differences(
        _ reference: ReferenceModel, _ trained: Set<String>, _ loss: (ReferenceModel) -> Double
    ) -> [String: [Double]] {
        var found: [String: [Double]] = [:]
        for (name, values) in reference.tensors where trained.contains(name) {
            var changed = reference
            found[name] = differences(values) {
                changed.tensors[name] = $0
                return loss(changed)
            }
        }
        return found
    }

    /// Every tensor within 2 · 10⁻⁵ of its largest gradient; one that is nearly zero everywhere, of a five-hundredth of the
    /// largest of all. (A shift of all keys changes no softmax: without rotation the shift of their norm has no gradient.)
    private static func compare(_ gradients: [String: [Float]], _ expected: [String: [Double]]) {
        #expect(Set(gradients.keys) == Set(expected.keys))
        let largest = expected.values.joined().map(abs).max() ?? 0
        #expect(largest > 1e-2)
        for (name, reference) in expected {
            let values = gradients[name] ?? []
            #expect(values.count == reference.count)
            let size = max(reference.map(abs).max() ?? 0, largest / 500)
            let error = zip(values, reference).map { abs(Double($0) - $1) }.max() ?? .infinity
            #expect(error <= 2e-5 * size, "\(name): off by \(error) of \(size)")
        }
    }
}

/// One stage of the runtime on one process, with random weights, and the same model in float64.
struct TinyStage {
    let reference: ReferenceModel
    /// Names of the tensors that training changes.
    var trained: Set<String> {
        Set(parameters.units.filter { !$0.isFrozen }.flatMap { $0.slots.map(\.tensor.name) })
    }
    let shape: MicrobatchShape
    private let parameters: ParameterSet
    private let stage: ModelStage
    private let activations: SavedStage
    private let splitsBackward: Bool
    /// The activations' rebuilt tensors lie there.
    private let rebuilt: RecomputeBuffers?
    /// Input, gradient and output of the stage `[R, H]`, as long-lived as the pointers to them.
    private let buffers: [Storage<Float>]

    /// `isWhole`: with embedding, final norm, head and loss; else the blocks alone.
    init(_ check: StageGradientTests.Case, isWhole: Bool) throws {
        let (model, auxiliaryLoss) = (check.model, 0.3)
        shape = MicrobatchShape(model: model, sequences: 2)
        splitsBackward = check.splitsBackward
        let count = shape.boundaryCount
        buffers = (0..<3).map { _ in Storage<Float>(count: count) }
        parameters = ParameterSet(stages: [
            (
                0,
                ParameterLayout.units(model: model, layers: 0..<model.layers, isFirst: isWhole, isLast: isWhole)
            )
        ])
        var tensors: [String: [Double]] = [:]
        var seed: UInt64 = 1
        for unit in parameters.units {
            for slot in unit.slots {
                let isGain = slot.tensor.start == .ones
                let values = Self.random(slot.count, seed: seed, scale: 0.5).map { isGain ? 1 + $0 : $0 }
                for (index, value) in values.enumerated() { unit.weights[slot.offset + index] = value }
                tensors[slot.tensor.name] = values.map(Double.init)
                seed += 1
            }
        }
        var reference = ReferenceModel(model: model, tensors: tensors, auxiliaryLoss: auxiliaryLoss)
        reference.documentStarts = check.documents.map { documents in
            documents.enumerated().flatMap { sequence, starts in
                (0..<model.sequence).map { place in
                    sequence * model.sequence + (starts.last { $0 <= place } ?? 0)
                }
            }
        }
        self.reference = reference
        let context = StageContext(
            model: model, shape: shape, parameters: parameters, recompute: check.recompute,
            recomputed: check.recomputed, splitsBackward: check.splitsBackward, auxiliaryLoss: auxiliaryLoss)
        if let documents = check.documents {
            // A token of its own ends each document.
            let ends: [Int32] = documents.flatMap { starts in
                (0..<model.sequence).map { starts.contains($0 + 1) ? 1 : 0 }
            }
            context.documents = ends.withUnsafeBufferPointer {
                PackedDocuments(tokens: $0.baseAddress!, sequences: documents.count, length: model.sequence, end: 1)
            }
        }
        stage = ModelStage(
            model: model, index: 0, layers: 0..<model.layers, isFirst: isWhole, isLast: isWhole,
            parameters: parameters, context: context)
        rebuilt = RecomputeBuffers(
            shape: shape, blocks: zip(stage.kinds, stage.recompute).filter { $0.1 != .none }.map(\.0),
            recompute: check.recompute, splitsBackward: check.splitsBackward)
        activations = SavedStage(
            shape: shape, blocks: stage.kinds, recompute: stage.recompute,
            splitsBackward: check.splitsBackward, rebuilt: rebuilt, savesOutputs: check.savesOutputs)
        if isWhole {
            activations.head = SavedHead(
                shape: shape, savesOutput: check.savesOutputs || check.splitsBackward)
        }
        if check.splitsBackward, check.recompute == .full { activations.ownRebuilt = rebuilt }
    }

    /// Numbers in (−scale, scale) that depend on the seed only.
    static func random(_ count: Int, seed: UInt64, scale: Float) -> [Float] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in (Float(random.next() >> 40) * 0x1p-23 - 1) * scale }
    }

    /// Of blocks alone: by the parameters and by the input `[R, H]`.
    func gradients(
        input: [Float], outputGradient: [Float]
    ) throws -> (parameters: [String: [Float]], input: [Float]) {
        parameters.clearGradients()
        buffers[0].pointer.update(from: input, count: input.count)
        buffers[1].pointer.update(from: outputGradient, count: input.count)
        activations.input = matrix(0)
        try stage.forward(activations, output: matrix(2), shape: shape)
        try backward(tokens: nil)
        return (found, Array(UnsafeBufferPointer(start: buffers[1].pointer, count: input.count)))
    }

    /// Of the whole model's mean cross-entropy: by the parameters; and the loss.
    func gradients(tokens: [Int], targets: [Int]) throws -> (parameters: [String: [Float]], loss: Double) {
        parameters.clearGradients()
        let (inputs, wanted) = (tokens.map(Int32.init), targets.map(Int32.init))
        activations.input = matrix(0)
        let loss = try inputs.withUnsafeBufferPointer { inputs in
            try stage.embed(tokens: inputs.baseAddress!, output: activations.input, shape: shape)
            try stage.forward(activations, output: nil, shape: shape)
            let loss = try stage.loss(activations, targets: wanted, scale: 1 / Float(shape.rows))
            try backward(tokens: inputs.baseAddress)
            return loss
        }
        return (found, loss / Double(shape.rows))
    }

    private func matrix(_ buffer: Int) -> Matrix { buffers[buffer].matrix(rows: shape.rows, columns: shape.hidden) }

    private func backward(tokens: UnsafePointer<Int32>?) throws {
        try stage.backward(activations, gradient: matrix(1), tokens: tokens, weightsLater: splitsBackward)
        if splitsBackward { try stage.weightGradients(activations) }
    }

    /// By name.
    private var found: [String: [Float]] {
        var all: [String: [Float]] = [:]
        for unit in parameters.units where !unit.isFrozen {
            for slot in unit.slots {
                all[slot.tensor.name] = Array(
                    UnsafeBufferPointer(start: unit.gradients + slot.offset, count: slot.count))
            }
        }
        return all
    }
}
