import Costs
import Models
import Planner
import Plans
import Schedules
import TestSupport
import Testing

/// Properties of searches.
@Suite struct SearchPropertyTests {
    /// The search puts prices together from shared terms: each is the layout's own.
    @Test(arguments: [priceOfASearch]) func holds(_ property: Property) { property.expectToHold(Corpus.plans) }

    /// Around a plan's own mesh every schedule, sharding, recomputation and micro-batch.
    static let priceOfASearch = Property(
        name: "a price of the search is the layout's own", share: 50, every: 24
    ) { plan, layout in
        var space = SearchSpace()
        space.tensor.fixed = layout.tensor
        space.pipeline.fixed = layout.pipeline
        space.context.fixed = layout.context
        space.data.fixed = layout.data
        space.expert.fixed = layout.expert
        space.expertTensor.fixed = layout.expertTensor
        space.fewestContextTokens = 1
        space.microbatch.most = 4
        space.virtualStages.most = 3
        space.base.overlap = layout.overlap
        space.base.flashAttention = layout.flashAttention
        space.base.gradients = layout.gradients
        space.base.offload = layout.offload
        // A number of blocks is one of the stages of a stated layout.
        if layout.offloadedBlocks != nil { space.base.offload?.activations = .all }
        let pricer = try Pricer(plan: plan)
        let priced = pricedLayouts(space, pricer: pricer)
        guard !priced.isEmpty else { return .silent }
        return .all(
            try stride(from: 0, to: priced.count, by: max(1, priced.count / 20)).flatMap {
                index -> [Property.Outcome] in
                let (quick, work) = (priced[index], try pricer.work(priced[index].layout))
                // What no host holds fits nowhere.
                guard quick.peak.isFinite else { return [] }
                let peak = LayoutMemory(work).peak
                // Of software that never frees memory: ranks of one kind count as if one of them had the fullest moment of
                // each part.
                let pools = plan.framework(for: quick.layout).memory.pools && quick.layout.schedule.splitsBackward
                return [
                    Property.equal(
                        "seconds of \(quick.layout.yaml)", quick.seconds, IterationTime(work).seconds,
                        tolerance: 1e-12),
                    pools
                        ? Property.atMost("peak of \(quick.layout.yaml)", peak, quick.peak)
                        : Property.equal("peak of \(quick.layout.yaml)", quick.peak, peak, tolerance: 1e-12),
                ]
            })
    }

    struct Growth: Sendable, CustomTestStringConvertible {
        var model: Model
        var cluster: String
        var batch: Int
        var most: Int

        var testDescription: String { "\(model.layers) layers of \(model.hidden) on \(cluster)" }
    }

    static let growing: [Growth] = [
        Growth(
            model: Model(
                family: .llama, layers: 24, hidden: 2048, heads: 16, ffn: 5504, vocab: 32000, sequence: 2048),
            cluster: "a100-80g-sxm", batch: 512, most: 256),
        Growth(
            model: Model(
                family: .llama, layers: 16, hidden: 2048, heads: 16, ffn: 5504, vocab: 32000, sequence: 4096,
                moe: Model.Mixture(experts: 16, topK: 2, ffn: 1408, shared: 1)),
            cluster: "h100-80g-sxm", batch: 512, most: 128),
        Growth(
            model: Model(family: .gpt, layers: 24, hidden: 1024, heads: 16, vocab: 50304, sequence: 1024),
            cluster: "h100-80g-sxm", batch: 512, most: 256),
    ]

    /// With a batch that every number of devices divides, twice the devices never take longer.
    @Test(arguments: growing) func moreDevicesAreNeverSlower(_ row: Growth) throws {
        var plan = Plan(
            name: "growth", model: row.model, tokens: nil,
            cluster: try Cluster.read(row.cluster, library: Checkout.library),
            devices: 1, batch: row.batch, precision: .bf16, layout: nil, frameworks: Checkout.frameworks)
        var settings = SearchSettings()
        settings.top = 1
        settings.explainsMisfit = false
        var last = Double.infinity
        for devices in sequence(first: 1, next: { $0 < row.most ? 2 * $0 : nil }) {
            plan.devices = devices
            guard let best = try? search(plan: plan, settings: settings).candidates.first else { continue }
            let seconds = best.iteration.seconds
            #expect(seconds <= last * (1 + 1e-9), "\(devices) devices: \(seconds) s after \(last) s")
            last = seconds
        }
        #expect(last.isFinite)
    }
}
