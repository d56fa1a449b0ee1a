import Costs
import Models
import Plans
import PricingSupport
import Schedules
import TestSupport
import Testing

/// State and update of optimizers.
@Suite struct OptimizerTests {
    static func plan(
        _ optimizer: Optimizer, _ layout: Layout = Layout(), model: Model = gpt2, precision: Precision = .bf16,
        framework: String = "megatron-core"
    ) throws -> Plan {
        var frameworks = try #require(MemoryCaseTests.frameworks)
        frameworks.named = framework
        var plan = Plan(
            name: "", model: model, tokens: 1e12, cluster: TestCluster.h100(), devices: layout.devices, batch: 256,
            precision: precision, layout: layout, frameworks: frameworks)
        plan.optimizer = optimizer
        return plan
    }

    static func optimizer(
        _ name: Optimizer.Name = .adamw, _ moments: Optimizer.Moment = .fp32, master: Optimizer.Master = .fp32,
        momentum: Bool? = nil
    ) -> Optimizer {
        var optimizer = Optimizer(name)
        (optimizer.firstMoment, optimizer.secondMoment, optimizer.master) = (moments, moments, master)
        optimizer.momentum = momentum ?? optimizer.momentum
        return optimizer
    }

    static let gpt2 = Model(
        family: .gpt, layers: 12, hidden: 768, heads: 12, ffn: 3072, vocab: 50304, sequence: 1024,
        tiedEmbeddings: true)

    private func bytes(_ plan: Plan) throws -> Double {
        try LayoutMemory(Pricer(plan: plan).work(plan.layout ?? Layout())).rank(0).optimizer
    }

    static let states: [(Optimizer, Double)] = [
        (optimizer(), 12), (optimizer(.adamw, .bf16), 8), (optimizer(.adamw, .fp8), 6),
        (optimizer(.adamw, .fp8, master: .fp16), 4), (optimizer(.adamw, .bf16, master: .remainders), 6),
        (optimizer(.adamw, .eightBit, master: .none), 2 + 8.0 / 256), (optimizer(master: .none), 8),
        (optimizer(.lion), 8), (optimizer(.lion, .eightBit, master: .none), 1 + 4.0 / 256), (optimizer(.sgd), 8),
        (optimizer(.sgd, momentum: false), 4), (optimizer(.sgd, master: .none, momentum: false), 0),
    ]

    /// Bytes of a parameter's moments and master weight (TE's FusedAdam; bitsandbytes' blocks of 256; DeepSeek-V3,
    /// section 3.3.3, for bf16 moments beside fp32 master weights).
    @Test(arguments: states)
    func stateOfAParameter(_ optimizer: Optimizer, _ each: Double) throws {
        let parameters = Double(Self.gpt2.parameters().total)
        #expect(try bytes(Self.plan(optimizer)) == each * parameters)
        let sharded = try bytes(Self.plan(optimizer, Layout(data: 8, sharding: .optimizer)))
        #expect(sharded == each * parameters / 8)
    }

    /// fp32 weights are their own master, in software that shards fp32 weights too; without master weights that software
    /// shards 16-bit ones.
    @Test func mastersOfOtherWeights() throws {
        let parameters = Double(Self.gpt2.parameters().total)
        #expect(try bytes(Self.plan(Self.optimizer(.adamw, .bf16), precision: .fp32)) == 4 * parameters)
        let layout = Layout(data: 8, sharding: .parameters)
        func all(_ optimizer: Optimizer) throws -> Double {
            let plan = try Self.plan(optimizer, layout, framework: "torch-fsdp")
            let rank = try LayoutMemory(Pricer(plan: plan).work(layout)).rank(0)
            return (rank.weights + rank.gradients + rank.optimizer) * 8 / parameters
        }
        #expect(abs(try all(Optimizer()) - 16) < 1e-9)
        #expect(abs(try all(Self.optimizer(.adamw, .bf16, master: .none)) - 8) < 1e-9)
    }

    /// Muon has one moment of the 12 · 12h² parameters in matrices of GPT-2's blocks, two of all others.
    @Test func muonKeepsOneMomentOfMatrices() throws {
        let (all, matrices) = (Double(Self.gpt2.parameters().total), Double(12 * 12 * 768 * 768))
        let muon = try Self.plan(Optimizer(.muon))
        #expect(try bytes(muon) == 12 * all - 4 * matrices)
        // Four ranks of a sharded optimizer: 12 blocks have equally many whole matrices for each.
        let sharded = try bytes(Self.plan(Optimizer(.muon), Layout(data: 4, sharding: .optimizer)))
        #expect(abs(sharded - (12 * all - 4 * matrices) / 4) < 1)
        // More ranks than matrices: the fullest has one whole matrix, and its part of all others.
        let spread = try bytes(Self.plan(Optimizer(.muon), Layout(data: 256, sharding: .optimizer)))
        #expect(abs(spread - (12 * (all - matrices) / 256 + 8 * Double(4 * 768 * 768))) < 1)
    }

    /// Newton–Schulz: five steps of 4m²n + 2m³ FLOPs (torch's FlopCounterMode counts 5 · (4m²n + 2m³) in
    /// `torch.optim._muon._zeropower_via_newtonschulz`). Ranks that share matrices out take their share of the time; tensor
    /// ranks that gather matrices take as long as one rank, and the gathering.
    @Test func muonsUpdate() throws {
        let large = MemoryCaseTests.llama(layers: 8)
        func seconds(_ layout: Layout, _ mode: Optimizer.TensorMode = .duplicated) throws -> Double {
            var muon = Optimizer(.muon)
            muon.tensorMode = mode
            let plan = try Self.plan(muon, layout, model: large)
            let adam = try Self.plan(Optimizer(), layout, model: large)
            return try OptimizerTime(Pricer(plan: plan).work(layout)).seconds
                - OptimizerTime(Pricer(plan: adam).work(layout)).seconds
        }
        let one = try seconds(Layout())
        let (h, f, k) = (4096.0, 14336.0, 1024.0)
        let flops =
            8 * 5 * (2 * (6 * h * h * h) + 2 * (4 * k * k * h + 2 * k * k * k) + 3 * (4 * h * h * f + 2 * h * h * h))
        let rate = flops / one / 989.4e12
        #expect(rate > 0.5 && rate < 0.9, "\(rate) of the peak")
        let shared = try seconds(Layout(data: 8, sharding: .optimizer))
        #expect(shared < one / 6 && shared > one / 10)
        let tensor = try seconds(Layout(tensor: 4))
        #expect(tensor > one)
        #expect(try seconds(Layout(tensor: 4), .blockwise) < one / 2)
        #expect(try seconds(Layout(tensor: 4), .distributed) < one)
    }

    /// Numbers of torch.optim.Adafactor's `row_var`, `col_var` and `variance` for Hugging Face's GPT-2 with tied
    /// embeddings (PyTorch on the meta device): of a matrix its rows and columns, of a vector all.
    @Test func adafactorsFactors() throws {
        let (h, blocks) = (768, 12)
        // c_attn [h, 3h], c_proj [h, h], c_fc [h, 4h], c_proj [4h, h]; biases 9h, norms 4h.
        let block = 4 * h + 2 * h + 5 * h + 5 * h + 9 * h + 4 * h
        let numbers = blocks * block + (50304 + h) + (1024 + h) + 2 * h
        let all = Double(Self.gpt2.parameters().total)
        #expect(try bytes(Self.plan(Optimizer(.adafactor))) == 4 * all + 4 * Double(numbers))
        #expect(try bytes(Self.plan(Self.optimizer(.adafactor, momentum: true))) == 8 * all + 4 * Double(numbers))
    }

    /// A checkpoint holds weights and optimizer state, so that it follows the optimizer.
    @Test func checkpoints() throws {
        func seconds(_ optimizer: Optimizer) throws -> Double {
            RunTotals(try Pricer(plan: Self.plan(optimizer)).work(Layout())).checkpointSeconds
        }
        let (all, matrices) = (Double(Self.gpt2.parameters().total), Double(12 * 12 * 768 * 768))
        let one = try seconds(Optimizer()) / (14 * all)
        #expect(abs(try seconds(Self.optimizer(.adamw, .bf16)) / (10 * all) / one - 1) < 1e-9)
        #expect(abs(try seconds(Optimizer(.muon)) / (14 * all - 4 * matrices) / one - 1) < 1e-9)
    }

    /// The update moves the bytes of its values: half of them with bf16 moments and remainders.
    @Test func smallerStatesAreSteppedFaster() throws {
        func seconds(_ optimizer: Optimizer) throws -> Double {
            try OptimizerTime(
                Pricer(plan: Self.plan(optimizer, model: MemoryCaseTests.llama(layers: 8))).work(Layout())
            )
            .seconds
        }
        let standard = try seconds(Optimizer())
        // Of gradient 4, moments and weight 24, copy 2, norm 4 and zeroing 4: 16 instead of 24.
        #expect(abs(try seconds(Self.optimizer(.adamw, .bf16)) / standard - 30.0 / 38) < 0.01)
        #expect(abs(try seconds(Self.optimizer(.sgd, momentum: false)) / standard - 22.0 / 38) < 0.01)
        #expect(try seconds(Self.optimizer(.adamw, .fp8)) > standard)
    }

    /// Logits of one micro-batch, in fp32 and with the software's other copies: a chunked loss has those of one chunk, and
    /// the table's gradient in the weights' format (Liger Kernel, `fused_linear_cross_entropy.py`: `grad_weight`); a fused
    /// one a number for each row.
    @Test func lossesWithoutLogits() throws {
        func other(_ loss: LossComputation, _ layout: Layout = Layout()) throws -> Double {
            var plan = try Self.plan(Optimizer(), layout)
            plan.loss = loss
            let rank = try LayoutMemory(Pricer(plan: plan).work(layout)).ranks[layout.pipeline - 1]
            return (rank.other - rank.outside) / (1 + plan.framework(for: layout).fragmentation)
        }
        let (rows, table) = (1024.0, 50304.0)
        let each = try #require(MemoryCaseTests.frameworks?.known["megatron-core"]).logitBytes
        let standard = try other(LossComputation())
        let chunked = try other(LossComputation(.chunked, chunks: 4))
        #expect(abs(standard - chunked - (0.75 * each * rows * table - 2 * table * 768)) < 1)
        #expect(abs(standard - (try other(LossComputation(.fused))) - (each * table * rows - 4 * rows)) < 1)
        // All micro-batches of GPipe wait with their logits.
        let pipeline = Layout(pipeline: 2, microbatch: 8, schedule: .gpipe)
        let waiting = try other(LossComputation(), pipeline) - other(LossComputation(.fused), pipeline)
        #expect(abs(waiting - 8 * rows * (32 * (4 * table - 4) + (each - 4) * table)) < 1)
    }

    /// A chunked loss does the same products, a fused one those of the logits twice.
    @Test func lossesTakeTime() throws {
        func breakdown(_ loss: LossComputation) throws -> StepBreakdown {
            var plan = try Self.plan(Optimizer(), Layout(microbatch: 8))
            plan.loss = loss
            return IterationTime(try Pricer(plan: plan).work(Layout(microbatch: 8))).breakdown
        }
        let standard = try breakdown(LossComputation())
        let fused = try breakdown(LossComputation(.fused))
        #expect(fused.compute < standard.compute && fused.recompute > 0 && standard.recompute == 0)
        let chunked = try breakdown(LossComputation(.chunked, chunks: 1))
        #expect(abs(chunked.compute / standard.compute - 1) < 0.05)
        #expect(try breakdown(LossComputation(.chunked, chunks: 64)).compute > chunked.compute)
    }
}
