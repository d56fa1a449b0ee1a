import Costs
import Models
import Numbers
import Plans
import PricingSupport
import Schedules
import Testing

/// What a rank holds at its fullest where its stages differ.
@Suite struct UnlikeStageTests {
    private func work(
        _ sizes: [Int]?, layers: Int = 12, ranks: Int = 2, stages: Int = 2, schedule: ScheduleName = .interleaved,
        microbatches: Int = 16, moe: Model.Mixture? = nil, recomputeLayers: Int? = nil, dropout: Bool = false
    ) throws -> LayoutWork {
        let model = Model(
            family: .gpt, layers: layers, hidden: 4096, heads: 32, vocab: 1024, sequence: 1024, moe: moe)
        let layout = Layout(
            pipeline: ranks, virtualStages: stages, schedule: schedule,
            recompute: recomputeLayers == nil ? .none : .full, layersPerStage: sizes, recomputeLayers: recomputeLayers)
        let plan = Plan(
            name: "", model: model, tokens: nil, cluster: TestCluster.a100(), devices: ranks, batch: microbatches,
            precision: .bf16, layout: layout)
        return try Pricer(plan: plan, options: CostOptions(dropout: dropout)).work(layout)
    }

    static let byHand: [([Int], Double)] = [
        ([6, 2, 1, 3], 25), ([1, 2, 6, 3], 15), ([3, 3, 3, 3], 15), ([1, 5, 5, 1], 13),
    ]

    /// By hand, interleaved over two ranks. Rank 0 runs its first stage for two micro-batches, its second for both, then
    /// 0F2 2B0 0F3 2B1 2F2 0B0 2F3 0B1 and so on: it holds three of its first stage and two of its second after 0F2, four and
    /// one after 0F3. Six blocks and one make 20 and 25, one and six 15 and 10.
    @Test(arguments: byHand)
    func blockSetsByHand(_ sizes: [Int], _ sets: Double) throws {
        let work = try work(sizes)
        #expect(abs(LayoutMemory(work).blockActivationBytes(rank: 0) / (sets * ActivationBytes(work).kept) - 1) < 1e-12)
    }

    /// Every schedule, split and kind of block against a walk that adds up one rank's list in bytes, action by action.
    @Test(arguments: ScheduleName.allCases)
    func everyMomentIsCounted(_ schedule: ScheduleName) throws {
        var random = SplitMix64(seed: 17)
        var seen = 0
        for _ in 0..<60 {
            let ranks = 2 * Int.random(in: 1...3, using: &random)
            let stages = schedule.fixedVirtualStages ?? Int.random(in: 2...4, using: &random)
            let extra = Int.random(in: 0...3, using: &random) == 0 ? 1 : 0
            let microbatches = 2 * ranks * Int.random(in: 1...4, using: &random) + extra
            let shape = PipelineShape(ranks: ranks, virtualStages: stages, microbatches: microbatches)
            guard schedule.problem(shape) == nil else { continue }
            let count = schedule.isBidirectional ? ranks : ranks * stages
            // Some stages have no blocks.
            let least = seen % 3 == 0 ? 0 : 1
            let sizes = (0..<count).map { _ in Int.random(in: least...5, using: &random) }
            let layers = sizes.reduce(0, +)
            guard layers > 0 else { continue }
            let experts =
                seen % 2 == 0
                ? Model.Mixture(
                    experts: 8, topK: 2, ffn: 6000, firstDense: Int.random(in: 0..<layers, using: &random),
                    every: Int.random(in: 1...2, using: &random)) : nil
            let recomputed = seen % 4 < 2 ? nil : Int.random(in: 1...3, using: &random)
            let work = try work(
                sizes, layers: layers, ranks: ranks, stages: stages, schedule: schedule, microbatches: microbatches,
                moe: experts, recomputeLayers: recomputed)
            seen += 1
            let kept = stageBytes(sizes, experts, recomputed, \.kept)
            let later = stageBytes(sizes, experts, recomputed, \.later)
            let lists = try schedule.schedule(shape).actions
            for rank in 0..<ranks {
                let walked = most(lists[rank], kept, later)
                #expect(
                    abs(LayoutMemory(work).blockActivationBytes(rank: rank) - walked) <= 1e-9 * walked,
                    "\(schedule) \(shape) \(sizes) \(rank)")
            }
        }
        #expect(seen > 5)
    }

    /// Bytes one micro-batch leaves on each stage, block by block.
    private func stageBytes(
        _ sizes: [Int], _ experts: Model.Mixture?, _ recomputed: Int?, _ bytes: KeyPath<ActivationBytes, Double>
    ) -> [Double] {
        var model = Model(
            family: .gpt, layers: sizes.reduce(0, +), hidden: 4096, heads: 32, vocab: 1024, sequence: 1024)
        model.moe = experts
        let blocks = Dictionary(uniqueKeysWithValues: ModelParts(model).blocks.map { ($0.mixture != nil, $0) })
        func kept(_ mixture: Bool, _ recompute: Layout.Recompute) -> Double {
            blocks[mixture].map {
                ActivationBytes(
                    $0, sequence: model.sequence, tokens: 1024, tensor: 1, sequenceParallel: false,
                    recompute: recompute, flashAttention: true, dropout: false, elementBytes: 2)[keyPath: bytes]
            } ?? .nan
        }
        var layer = 0
        return sizes.map { size in
            (0..<size).reduce(0) { sum, place in
                defer { layer += 1 }
                return sum + kept(model.hasExperts(layer), place < recomputed ?? 0 ? .full : .none)
            }
        }
    }

    /// Alike stages are as many of them as the schedule states, to the last digit.
    @Test(arguments: ScheduleName.allCases)
    func alikeStagesAreCounted(_ schedule: ScheduleName) throws {
        let stages = schedule.fixedVirtualStages ?? 3
        let count = schedule.isBidirectional ? 4 : 4 * stages
        let work = try work(
            [Int](repeating: 3, count: count), layers: 3 * count, ranks: 4, stages: stages, schedule: schedule)
        for rank in 0..<4 {
            let blocks = Double(work.inFlight(rank: rank) * work.rankLayers(rank)) / Double(stages)
            let (bytes, block) = (LayoutMemory(work).blockActivationBytes(rank: rank), ActivationBytes(work))
            if schedule.splitsBackward {
                // Between its two halves a backward keeps less.
                #expect(bytes <= blocks * block.kept && bytes >= blocks * block.later)
            } else {
                #expect(bytes == blocks * block.kept)
            }
        }
    }

    /// A short run holds what a long one holds, whatever the stages weigh.
    @Test(arguments: ScheduleName.allCases)
    func shortRunsHoldEveryMoment(_ schedule: ScheduleName) throws {
        var random = SplitMix64(seed: 5)
        for ranks in [2, 3, 4, 6, 8] {
            for stages in schedule.fixedVirtualStages.map({ [$0] }) ?? [2, 3, 5] {
                for microbatches in [ranks - 1, ranks, 2 * ranks, 5 * ranks, 6 * ranks + 1, 7 * ranks + 2, 40] {
                    let shape = PipelineShape(ranks: ranks, virtualStages: stages, microbatches: microbatches)
                    guard microbatches > 0, schedule.problem(shape) == nil else { continue }
                    let short = schedule.shortened(shape)
                    #expect(schedule.problem(short) == nil && short.microbatches <= microbatches)
                    let (long, brief) = (try schedule.schedule(shape), try schedule.schedule(short))
                    for rank in 0..<ranks {
                        for _ in 0..<4 {
                            let weights = (0..<ranks * stages).map { _ in Int.random(in: 0...20, using: &random) }
                            let later = (0..<ranks * stages).map { _ in Int.random(in: 0...20, using: &random) }
                            #expect(
                                most(long.actions[rank], weights, later) == most(brief.actions[rank], weights, later),
                                "\(schedule) \(shape) \(short) \(rank)")
                        }
                    }
                }
            }
        }
    }

    /// - Parameter later: by stage, what is left of `weights` between the halves of a split backward.
    private func most<Weight: SignedNumeric & Comparable>(
        _ actions: [Action], _ weights: [Weight], _ later: [Weight]
    ) -> Weight {
        var (held, most) = (Weight.zero, Weight.zero)
        for action in actions {
            let stage = Int(action.stage)
            switch action.kind {
            case .forward: held += weights[stage]
            case .backward: held -= weights[stage]
            case .backwardInput: held += later[stage] - weights[stage]
            case .backwardWeight: held -= later[stage]
            case .softmax, .outputGradient: break
            case .fused:
                most = max(most, held + weights[stage])
                held += weights[stage] - weights[Int(action.partnerStage)]
            }
            most = max(most, held)
        }
        return most
    }
}
