import Costs
import Models
import Planner
import Plans
import Testing

/// Token mixers in place of the attention: what they are made of, what they cost, and what the explanations say.
@Suite struct MixerTests {
    private static func plan(_ one: MixerCase, _ layout: String = "{}", _ more: String = "") throws -> Plan {
        try Plan.reading(
            """
            model: \(one.model.replacing("\n", with: "\n  "))
            cluster: h100-80g-sxm
            batch: 64
            layout: \(layout)
            \(more)
            """)
    }

    @Test(arguments: MixerCase.small + MixerCase.published) func parametersAreThoseOfOtherSoftware(_ one: MixerCase)
        throws
    {
        let counts = try Self.plan(one).model.parameters()
        #expect(counts.total == one.parameters)
        if let active = one.active { #expect(counts.active == active) }
    }

    /// Formulas, products and tensors of a mixer say the same.
    @Test(arguments: MixerCase.small) func partsAgree(_ one: MixerCase) throws {
        let model = try Self.plan(one).model
        for block in ModelParts(model).blocks {
            let part = block.attention.part
            let matrices = part.tensors.reduce(0) { $0 + ($1.shape.count == 2 ? $1.count : 0) }
            #expect(part.products.weights == Double(matrices))
            #expect(Set(part.tensors.map(\.name)).count == part.tensors.count)
            let words = block.attention.words
            let sizes = Dictionary(
                words.sizes.map { ($0.symbol, $0.value) } + [
                    ("h", Double(model.hidden)), ("a", Double(block.shape.heads)), ("s", Double(model.sequence)),
                ]
            ) { first, _ in first }
            #expect(try FormulaByHand.value(words.parameters, sizes) == Double(part.tensors.parameters))
            #expect(try FormulaByHand.value(words.weights, sizes) == part.products.weights)
            let whole = try words.wholeParameters.map { try FormulaByHand.value($0, sizes) } ?? 0
            #expect(whole == Double(part.tensors.wholeParameters))
            let work = try words.scan.map { try FormulaByHand.value($0, sizes) } ?? 0
            #expect(work == block.core.scanWork(length: Double(model.sequence)))
        }
    }

    static let layouts = [
        ("{}", ""), ("{tensor: 2, sequenceParallel: true, recompute: selective}", ""),
        ("{tensor: 2, pipeline: 2, recompute: full}", ""), ("{context: 2, recompute: full, recomputeLayers: 1}", ""),
        ("{pipeline: 2, schedule: zb-h1, flashAttention: false}", ""),
        ("{data: 4, sharding: parameters, recompute: selective}", "framework: torch-fsdp"),
        ("{tensor: 2, context: 2, pipeline: 2}", "framework: trainyard"),
    ]

    /// Every line of an explanation gives its value, and every figure is the value of its line.
    @Test(arguments: MixerCase.published, layouts)
    func explanationsGiveTheFigures(_ one: MixerCase, _ layout: (String, String)) throws {
        let plan = try Self.plan(one, layout.0, layout.1)
        let estimate = try price(plan: plan, layout: try #require(plan.layout))
        for outcome in [
            try ExplainedValues.document(estimate), try ExplainedValues.text(estimate),
            try ExplainedValues.inputs(estimate),
        ] {
            #expect(outcome.failure == nil, "\(outcome)")
        }
    }

    /// The small models, whose sizes no tensor ranks divide.
    @Test(arguments: MixerCase.small) func smallModelsAreExplained(_ one: MixerCase) throws {
        for layout in ["{}", "{context: 2, recompute: selective}", "{pipeline: 5, schedule: zb-h1}"] {
            let pipeline =
                layout.contains("pipeline") && one.name.hasSuffix("2") ? "{pipeline: 6, schedule: zb-h1}" : layout
            let plan = try Self.plan(one, pipeline)
            let estimate = try price(plan: plan, layout: try #require(plan.layout))
            let outcome = try ExplainedValues.document(estimate)
            #expect(outcome.failure == nil, "\(outcome)")
        }
    }

    /// Megatron-LM's FLOPs of a hybrid (`num_floating_point_operations`, `hybrid_flops`) for Nemotron-H 8B: attention,
    /// networks, projections of the mixers and logits are the same. Megatron-LM counts 7 FLOPs for each number of the
    /// state and leaves out the convolution; the kernels' chunks take 6.6 million instead of 7.3 million.
    @Test func flopsOfMamba2AreMegatrons() throws {
        let model = try Self.plan(.nemotronH8B).model
        let (tokens, squares) = (64.0 * 8192, 64.0 * 8192 * 8192)
        let (h, inner, state, groups, heads) = (4096.0, 8192.0, 128.0, 8.0, 128.0)
        let attention = 4 * tokens * h * (h + h * 8 / 32) + 2 * squares * h
        let network = 4 * 21504 / h * tokens * h * h
        let mixer = 2 * tokens * h * (2 * inner + 2 * groups * state + heads) + 2 * tokens * inner * h
        let scan = 7 * tokens * inner * state
        let megatron = 3 * (4 * attention + 24 * network + 24 * (mixer + scan) + 2 * tokens * h * 131_072)
        let flops = FLOPs(model: model, sequences: 64)
        #expect(flops.requiredCausal - 3 * flops.scanForward == megatron - 3 * 24 * scan)
        let token = 128 * (groups * state + inner) + 2 * inner * state + 4 * (inner + 2 * groups * state)
        #expect(flops.scanForward == 24 * tokens * 2 * token)
        #expect(abs(flops.requiredCausal / megatron - 1) < 0.002)
    }

    /// Megatron-LM's FLOPs of a gated delta net (`gdn_layer_flops`) for Qwen3-Next: projections and convolution are the
    /// same. Megatron-LM counts the recurrence of single tokens, four products of d_v² a head; chunks take 1.06 times
    /// that. It leaves out routers and the gate of shared experts.
    @Test func flopsOfGatedDeltaNetsAreMegatrons() throws {
        let model = try Self.plan(.qwen3Next).model
        let block = try #require(ModelParts(model).blocks.first)
        let (h, keys, values) = (2048.0, 2048.0, 4096.0)
        let projections = h * (2 * keys + 2 * values + 2 * 32) + h * values
        #expect(block.attention.part.products.weights == projections)
        let convolution = 4 * (2 * keys + values)
        let recurrence = 32.0 * 128 * 128 * 4
        let ours = block.core.scanWork(length: 8192) - convolution
        #expect(ours == 32 * (32 * 5 * 128 + 3 * 128 * 128))
        #expect(abs(ours / recurrence - 1.0625) < 1e-12)
        let all = (projections + convolution + ours) / (projections + convolution + recurrence)
        #expect(abs(all - 1) < 0.01)
    }

    /// Bytes that a block keeps, tensor by tensor as mamba_ssm's `MambaSplitConv1dScanCombinedFn` and the products around
    /// it save them: the stream before and behind the norm, the results of the first product, those of the recurrence, and
    /// the input of the last product.
    @Test(arguments: [("Nemotron-H 8B", 8192.0, 8.0, true), ("Mamba-2 2.7B", 2048, 1, false)])
    func mamba2KeepsWhatItsKernelsSave(_ name: String, _ rows: Double, _ groups: Double, isCut: Bool) throws {
        let one = try #require(MixerCase.published.first { $0.name == name })
        let model = try Self.plan(one).model
        let block = try #require(ModelParts(model).blocks.first)
        let sizes = try #require(block.shape.mamba2)
        let (h, inner) = (Double(model.hidden), Double(sizes.heads * sizes.headSize))
        let shared = 2 * groups * Double(sizes.stateSize) / (isCut ? 8 : 1)
        let first = (2 * inner + Double(sizes.heads)) / 8 + shared
        let all = 2 * rows * (2 * h / 8 + first + 2 * inner / 8)
        func kept(_ recompute: Layout.Recompute) -> Double {
            ActivationBytes(
                block, sequence: model.sequence, tokens: rows, tensor: 8, sequenceParallel: true,
                recompute: recompute, flashAttention: true, dropout: false, elementBytes: 2
            ).kept
        }
        #expect(kept(.none) == all)
        // There is no core attention to recompute.
        #expect(kept(.selective) == all)
        #expect(kept(.full) == 2 * rows * h / 8)
    }

    /// Context ranks gather one another's fp32 states in every pass: c − 1 of them, the ranks' part of a head's
    /// d_m·d_s numbers, once forward and once backward. They have no keys and values to pass on.
    @Test func contextRanksGatherStates() throws {
        let one = try #require(MixerCase.published.first { $0.name == "Mamba-2 2.7B" })
        let plan = try Self.plan(one, "{context: 4, tensor: 2, microbatch: 2}", "framework: megatron-core")
        let sent = try sentInContext(plan)
        #expect(sent == 32 * 64 * 2 * 3 * 2 * 4 * 80 * 64 * 128 / 2)
    }

    private func sentInContext(_ plan: Plan) throws -> Double {
        let layout = try #require(plan.layout)
        return Traffic(try Pricer(plan: plan).work(layout, hides: layout.overlap), rank: 0).context
    }

    /// The work of a recurrence grows with the sequence, that of attention with its square.
    @Test func workIsLinearInTheSequence() throws {
        for one in MixerCase.published {
            let model = try Self.plan(one).model
            for block in ModelParts(model).blocks where block.core.scan != nil {
                #expect(block.core.scanWork(length: 4096) == block.core.scanWork(length: 1_048_576))
                #expect(block.core.scanWork(length: 32) <= block.core.scanWork(length: 4096))
                if block.core.heads == 0 { #expect(block.core.work(length: 4096) == 0) }
            }
        }
    }

    /// A mixer beside the attention costs what both cost, with one exchange of their inputs and their sum.
    @Test func besideTheAttentionBothRun() throws {
        let both = try #require(MixerCase.published.first { $0.name == "Falcon-H1 34B" })
        var model = try Self.plan(both).model
        let block = ModelParts(model).blocks[0]
        model.block.besideAttention = false
        let mixer = ModelParts(model).blocks[0]
        model.block.mamba2 = nil
        let attention = ModelParts(model).blocks[0]
        #expect(
            block.attention.part.tensors.parameters
                == mixer.attention.part.tensors.parameters + attention.attention.part.tensors.parameters)
        #expect(block.core.scan == mixer.core.scan && block.core.heads == attention.core.heads)
        #expect(block.messages(sequenceParallel: true).inputs == attention.messages(sequenceParallel: true).inputs)
        #expect(block.messages(sequenceParallel: true).results == attention.messages(sequenceParallel: true).results)
    }
}

extension Property.Outcome {
    /// What fails, in words; nil: nothing.
    var failure: String? { if case .fails(let words) = self { words } else { nil } }
}
