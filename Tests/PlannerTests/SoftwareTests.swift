import Costs
import Models
import Planner
import Plans
import Schedules
import Testing

/// Which software a search prices on, and that it keeps to what that software runs.
@Suite struct SoftwareTests {
    private func plan(_ model: Model = Shipped.llama8B, on cluster: String = "h100-80g-sxm", devices: Int = 64) throws
        -> Plan
    { try Shipped.plan(model, on: cluster, devices: devices, batch: 128) }

    /// All candidates on one, stated or assumed; what is found is what `price` says of it.
    @Test(arguments: [nil, "torch-fsdp", "megatron-core-graphs"])
    func aSearchPricesOnOne(_ named: String?) throws {
        var plan = try plan()
        plan.frameworks.named = named
        let result = try search(plan: plan)
        for candidate in result.candidates {
            #expect(candidate.plan.framework(for: candidate.layout).name == named ?? "megatron-core")
            #expect(try price(plan: plan.open, layout: candidate.layout) == candidate)
        }
        let space = try #require(result.searched)
        #expect(space.framework == named ?? "megatron-core" && space.isStated == (named != nil))
        #expect(space.description.contains(named ?? "megatron-core"))
    }

    /// Fully sharded layouts too: searched, they are on the search's software; stated alone, on PyTorch's.
    @Test func fullyShardedLayoutsFollowTheQuestion() throws {
        let open = try plan()
        let layout = Layout(data: 64, sharding: .parameters)
        var stated = open
        stated.layout = layout
        let (searched, alone) = (try price(plan: open, layout: layout), try price(plan: stated, layout: layout))
        #expect(searched.plan.framework(for: layout).name == "megatron-core")
        #expect(alone.plan.framework(for: layout).name == "torch-fsdp")
        #expect(searched.iteration.seconds != alone.iteration.seconds)
    }

    private func layouts(_ plan: Plan, _ change: (inout SearchSpace) -> Void = { _ in }) throws -> [Layout] {
        var space = SearchSpace()
        space.virtualStages.most = 4
        space.microbatch.most = 2
        change(&space)
        return pricedLayouts(space, pricer: try Pricer(plan: plan)).map(\.layout)
    }

    @Test(arguments: ["megatron-core", "torch-fsdp", "torch-ddp", "deepspeed-2021", "trainyard"])
    func theSpaceIsWhatTheSoftwareRuns(_ name: String) throws {
        var model = QuickPriceTests.mixture
        model.layers = 22
        var plan = try plan(model, on: "h800-80g-sxm", devices: 24)
        plan.batch = 48
        plan.frameworks.named = name
        let software = plan.framework(for: nil)
        let found = try layouts(plan)
        #expect(found.count > 50)
        for layout in found {
            #expect(software.abilities.obstacles(to: layout, model: model, name: name) == [], "\(layout)")
            #expect(layout.problems(for: model, batch: plan.batch, devices: plan.devices).isEmpty)
        }
        #expect(found.contains { $0.pipeline > 1 })
        let wider = try layouts(plan) { $0.anySoftware = true }
        if name != "trainyard" { #expect(wider.count > found.count) }
        if name == "megatron-core" {
            #expect(!found.contains { $0.pipeline > 1 && $0.sharding == .gradients })
            #expect(wider.contains { $0.pipeline > 1 && $0.sharding == .gradients })
        }
    }

    /// Megatron-Core refuses to train experts with tensor parallelism alone. 4 does not divide sequences of
    /// 1,030 tokens.
    @Test(arguments: ["megatron-core", "deepseek-2024", "torch-fsdp"])
    func expertsComeWithSequenceParallelism(_ name: String) throws {
        var model = QuickPriceTests.mixture
        model.sequence = 1030
        model.moe?.experts = 16
        var plan = try plan(model, devices: 32)
        plan.batch = 4
        plan.frameworks.named = name
        func isRefused(_ layout: Layout) -> Bool { layout.tensor > 1 && !layout.sequenceParallel }
        #expect(try layouts(plan).contains(where: isRefused) == (name == "torch-fsdp"))
        #expect(try layouts(plan) { $0.anySoftware = true }.contains(where: isRefused))
        var settings = SearchSettings()
        settings.top = 5
        for isOne in [true, false] {
            settings.top = isOne ? 1 : 5
            for candidate in try searchBestDeviceCount(plan: plan, settings: settings).candidates {
                let abilities = plan.framework(for: nil).abilities
                #expect(abilities.obstacles(to: candidate.layout, model: model, name: "") == [])
            }
        }
        // Dense models are cut as before.
        plan.model = Shipped.llama8B
        #expect(try layouts(plan).contains(where: isRefused))
    }

    /// Named schedules are tried whatever the software has, and only they.
    @Test func namedSchedulesAreTried() throws {
        let plan = try plan()
        let found = try layouts(plan) { $0.schedules = [.zeroBubbleV] }
        #expect(found.contains { $0.schedule == .zeroBubbleV })
        #expect(found.allSatisfy { $0.schedule == .zeroBubbleV || $0.pipeline == 1 })
        #expect(!found.contains { $0.pipeline > 1 && $0.sharding == .gradients })
    }

    /// 94 layers over 64 stages: Megatron-Core divides them by unlike ends only, and says so in the layout.
    @Test func unevenStagesAreTheSoftwares() throws {
        var model = Shipped.llama8B
        model.layers = 94
        let plan = try plan(model, devices: 64)
        for layout in try layouts(
            plan,
            {
                $0.pipeline.fixed = 32; $0.virtualStages.most = 2
            })
        {
            let sizes = StagePartition(layout, model: model).sizes
            #expect(Framework.Abilities.Stages.ends.allow(sizes, ranks: 32), "\(sizes)")
        }
        let result = try search(plan: plan)
        for candidate in result.candidates where candidate.layout.pipeline > 1 {
            let sizes = StagePartition(candidate.layout, model: model).sizes
            #expect(Framework.Abilities.Stages.ends.allow(sizes, ranks: candidate.layout.pipeline))
        }
    }

    /// The innermost network of an NVL72 joins 72 devices, of which four share a host.
    @Test(arguments: ["gb200-nvl72", "gb300-nvl72"])
    func theInnermostNetworkSetsTheReach(_ cluster: String) throws {
        var model = Shipped.gpt175B
        (model.heads, model.kvHeads) = (64, 64)
        (model.hidden, model.headSize, model.ffn) = (8192, 128, 32_768)
        var plan = try plan(model, on: cluster, devices: 576)
        plan.batch = 576
        let found = try layouts(plan)
        #expect(Set(found.map(\.tensor)).isSuperset(of: [8, 16, 32, 64]))
        #expect(found.allSatisfy { $0.tensor <= 72 })
        #expect(Set(found.compactMap(\.shardGroup)).isSuperset(of: [8, 9, 18, 36, 72]))
    }

    /// Cutting sequences is tried for short ones too: with fewer sequences than devices nothing else fills them.
    @Test func shortSequencesAreCutToo() throws {
        var plan = try plan(devices: 64)
        plan.model.sequence = 4096
        plan.batch = 8
        let best = try #require(try search(plan: plan).candidates.first)
        var uncut = SearchSettings()
        uncut.space.context.fixed = 1
        let other = try #require(try search(plan: plan, settings: uncut).candidates.first)
        #expect(best.iteration.seconds <= other.iteration.seconds)
        #expect(try layouts(plan).contains { $0.context > 1 })
    }

    /// The first of a search does not depend on how many are asked for.
    @Test func theAnswerDoesNotDependOnHowManyArePrinted() throws {
        let plan = try plan(devices: 128)
        var one = SearchSettings()
        one.top = 1
        #expect(try search(plan: plan, settings: one).candidates.first == search(plan: plan).candidates.first)
    }

    /// A plan's own layout beside the best: the price of `plan`, and why it loses.
    @Test func theOwnLayoutStandsBesideTheBest() throws {
        var plan = try plan()
        plan.layout = Layout(data: 8, tensor: 8, microbatch: 1)
        let result = try search(plan: plan)
        let own = try #require(result.own)
        #expect(own.estimate == (try price(plan: plan, layout: #require(plan.layout))))
        #expect(own.verdict.contains("slower") || own.verdict.contains("times as long"))
        #expect(result.candidates == (try search(plan: plan.open)).candidates)
        #expect(try search(plan: plan.open).own == nil)
        let rows = try compare(plan: plan, strategies: Strategy.all)
        #expect(rows.last?.strategy.name == "yours" && rows.last?.estimate == own.estimate)
        let auto = try #require(rows.first { $0.strategy.name == "auto" })
        #expect(auto.estimate == result.candidates.first)
        #expect(rows.filter { $0.verdict == "the fastest" }.count == 1)
        #expect(rows.first { $0.strategy.name == "pipeline-zbv" }?.verdict.contains("--any-software") == true)
        plan.layout = Layout(data: 64, sharding: .parameters)
        #expect(try search(plan: plan).own?.verdict.contains("priced on torch-fsdp") == true)
    }
}
