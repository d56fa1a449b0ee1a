import Costs
import Planner
import Plans
import Reading
import TestSupport
import Testing

/// Defaults that decide much of the time are said, with the time they cost.
@Suite struct DefaultPriceTests {
    private func text(_ layout: String, tokens: String = "tokens: 14.8T") -> String {
        """
        model: deepseek-v3
        \(tokens)
        cluster: h800-80g-sxm
        devices: 2048
        batch: 15360
        precision: fp8
        layout: {pipeline: 16, expert: 64, data: 128, \(layout)}
        """
    }

    private func read(_ text: String) throws -> Plan {
        try Plan.read(text: text, path: "plan.yaml", library: Checkout.library)
    }

    private func remarks(_ text: String) throws -> [String] {
        let plan = try read(text)
        let layout = try #require(plan.layout)
        let estimate = try price(plan: plan, layout: layout)
        // `DefaultsTogetherTests` has remarks on several keys together.
        return try estimate.defaultRemarks().filter { $0.code == .defaultDecides }.map(\.text)
            .filter { !$0.contains(" together") }
    }

    /// Another software divides the blocks in its own way where the plan does not say how, as it does when the plan names it.
    @Test func aLayoutIsReadAsItsSoftwareDividesIt() throws {
        func text(_ more: String) -> String {
            """
            model: llama3-405b
            cluster: h100-80g-sxm
            devices: 2048
            batch: 2048
            layout: {tensor: 8, pipeline: 16, virtualStages: 4, data: 16, recompute: full, sharding: optimizer\(more)}
            """
        }
        let plan = try read(text("") + "\nframework: megatron-core\n")
        let layout = try #require(plan.layout)
        #expect(layout.layersPerStage != nil)
        var divisions: Set<[Int]?> = []
        for name in plan.frameworks.known.keys.sorted() {
            var other = plan
            other.frameworks.named = name
            guard let back = try? read(text("") + "\nframework: \(name)\n"),
                let found = other.reading(layout, insteadOf: layout)
            else { continue }
            #expect(found == back.layout, "\(name)")
            divisions.insert(found.layersPerStage)
        }
        #expect(divisions.count > 1)
        let sizes = Array(repeating: 2, count: 62) + [1, 1]
        var stated = try read(text(", layersPerStage: \(sizes)") + "\nframework: megatron-core\n")
        let own = try #require(stated.layout)
        stated.frameworks.named = "deepseek-2024"
        #expect(stated.reading(own, insteadOf: own)?.layersPerStage == sizes)
    }

    /// A plan that leaves its layout open has no place for a key of it: remarks say where it can stand.
    @Test func keysOfAnOpenLayoutHaveAPlace() throws {
        let plan = try read(
            """
            model: gpt-oss-120b
            tokens: 1T
            cluster: h100-80g-sxm
            devices: 512
            batch: 1536
            layout: auto
            """)
        var settings = SearchSettings()
        settings.top = 1
        let found = try #require(try search(plan: plan, settings: settings).candidates.first)
        let said = try found.defaultRemarks(isSearched: true).map(\.text).filter { $0.contains("layout.") }
        #expect(!said.isEmpty)
        for text in said { #expect(text.contains("in the plan that --write-plan writes"), "\(text)") }
    }

    /// Remarks on transfers alone.
    private func transfers(_ text: String) throws -> [String] {
        try remarks(text).filter { $0.contains("layout.overlap") }
    }

    /// The time named is that of the plan with the other value.
    @Test func anExchangeThatIsNotHiddenIsPriced() throws {
        let said = try transfers(text("schedule: 1f1b"))
        #expect(said.count == 1)
        func days(_ layout: String) throws -> Double {
            let plan = try read(text(layout))
            let chosen = try #require(plan.layout)
            let run = try price(plan: plan, layout: chosen).run
            return try #require(run?.days)
        }
        let less = try days("schedule: 1f1b") - days("schedule: 1f1b, overlap: {expert: true}")
        let number = try #require(said.first?.firstMatch(of: #/−([0-9.]+) days/#)?.1)
        let named = try #require(Double(number))
        #expect(abs(named / less - 1) < 0.01)
        #expect(said.first?.contains("layout.overlap: {expert: true}") == true)
        #expect(try transfers(text("schedule: 1f1b", tokens: "")).first?.contains("a step") == true)
    }

    /// The way to the experts is priced as the layout that states the other way.
    @Test func theWayToTheExpertsIsPriced() throws {
        let said = try remarks(text("schedule: 1f1b")).filter { $0.contains("layout.dispatcher") }
        let way = try #require(said.first?.firstMatch(of: #/−([0-9.]+) days.*dispatcher: ([a-z]+)/#))
        func days(_ layout: String) throws -> Double {
            let plan = try read(text(layout))
            let chosen = try #require(plan.layout)
            return try #require(try price(plan: plan, layout: chosen).run?.days)
        }
        let less = try days("schedule: 1f1b") - days("schedule: 1f1b, dispatcher: \(way.2)")
        #expect(abs(try #require(Double(way.1)) / less - 1) < 0.01)
        #expect(
            try !remarks(text("schedule: 1f1b, dispatcher: alltoall")).contains { $0.contains("layout.dispatcher") })
    }

    /// A plan that says which transfers are hidden has chosen.
    @Test func statedTransfersAreNotRemarkedOn() throws {
        #expect(try transfers(text("schedule: 1f1b, overlap: {expert: false}")).isEmpty)
        #expect(try transfers(text("schedule: 1f1b, overlap: {expert: true}")).isEmpty)
    }

    /// Schedules that fuse passes hide the exchange by default, on the software that has them.
    @Test(arguments: ["dualpipe", "dualpipev"])
    func fusedPassesHideTheExchange(_ schedule: String) throws {
        let plan = try read(text("schedule: \(schedule)"))
        #expect(plan.layout?.overlap.expert == true)
        #expect(plan.framework(for: plan.layout).name == "deepseek-2024")
        #expect(try transfers(text("schedule: \(schedule)")).isEmpty)
        let off = try read(text("schedule: \(schedule), overlap: {expert: false}"))
        #expect(off.layout?.overlap.expert == false)
    }

    /// A plan in DeepSeek's own layout that names neither software nor overlap is not far from the shipped one.
    @Test func theNaturalPlanIsNearTheShippedOne() throws {
        let shipped = try Plan.read(path: "\(Checkout.root)/plans/deepseek-v3-2048-h800.yaml")
        var natural = shipped
        natural.frameworks.named = nil
        let layout = try #require(shipped.layout)
        let (a, b) = (try price(plan: shipped, layout: layout), try price(plan: natural, layout: layout))
        #expect(abs(b.iteration.seconds / a.iteration.seconds - 1) < 0.05)
    }

    private let dense = """
        model: {params: 13e9}
        tokens: 1T
        cluster: a100-80g-sxm
        devices: 64
        batch: 1024
        precision: bf16
        """

    /// Every key that is left out and would decide more than a twentieth is named once, with its value; stated, it is
    /// not. The time named is that of the plan which states it.
    @Test(arguments: [
        ("tensor: 4, data: 16, sequenceParallel: true, sharding: optimizer", "microbatch"),
        (
            "tensor: 2, pipeline: 4, data: 8, microbatch: 16, recompute: full, sequenceParallel: true, sharding: none",
            "schedule"
        ),
    ])
    func aDefaultThatDecidesTheTimeIsPriced(_ layout: String, _ key: String) throws {
        let text = dense + "\nlayout: {\(layout)}"
        let said = try remarks(text).filter { $0.contains("layout.\(key)") }
        #expect(said.count == 1)
        let remark = try #require(said.first)
        let words = try #require(remark.firstMatch(of: #/−([0-9.]+) days with layout\.(.*)/#))
        let stated = words.2.replacing(" with ", with: ", ")
        func days(_ text: String) throws -> Double {
            let plan = try read(text)
            let chosen = try #require(plan.layout)
            let estimate = try price(plan: plan, layout: chosen)
            #expect(estimate.fits)
            let run = try #require(estimate.run)
            return run.days
        }
        let other = dense + "\nlayout: {\(layout), \(stated)}"
        let named = try #require(Double(words.1))
        #expect(abs(named / (try days(text) - days(other)) - 1) < 0.02)
        #expect(try remarks(other).allSatisfy { !$0.contains("layout.\(key)") })
    }

    /// A plan that does not fit names every single key that would make it fit, and a plan which states one fits.
    @Test func aDefaultThatDecidesWhetherItFitsIsNamed() throws {
        let layout = "tensor: 2, data: 32, microbatch: 1, flashAttention: true"
        let said = try remarks(dense + "\nlayout: {\(layout)}").filter { $0.contains("the plan fits with") }
        #expect(!said.isEmpty)
        for remark in said {
            let stated = try #require(remark.firstMatch(of: #/fits with layout\.(.*)/#)?.1)
            let plan = try read(dense + "\nlayout: {\(layout), \(stated)}")
            let chosen = try #require(plan.layout)
            #expect(try price(plan: plan, layout: chosen).fits)
        }
    }

    // MARK: - Offload

    private func offloading(_ layout: String, model: String = "llama3-8b", batch: Int = 64, _ others: String = "")
        -> String
    {
        """
        model: \(model)
        cluster: h100-80g-sxm
        devices: 8
        batch: \(batch)
        precision: bf16
        framework: megatron-core
        \(others)
        layout: {\(layout)}
        """
    }

    /// The step that copies and steps one after the other is priced where the plan does not say which.
    @Test func theDefaultOfOverlapIsPriced() throws {
        func seconds(_ text: String) throws -> Double {
            let plan = try read(text)
            return try price(plan: plan, layout: try #require(plan.layout)).iteration.seconds
        }
        func said(_ text: String) throws -> [String] { try remarks(text).filter { $0.contains("overlap: false") } }
        let shared = "tensor: 8, data: 1, sequenceParallel: true, recompute: full"
        let open = offloading("\(shared), offload: {optimizer: true}", batch: 2)
        let remark = try #require(try said(open).first)
        let more =
            try seconds(offloading("\(shared), offload: {optimizer: true, overlap: false}", batch: 2)) - seconds(open)
        let named = try #require(remark.firstMatch(of: #/\+([0-9.]+) (m?)s a step/#))
        let value = try #require(Double(named.1)) * (named.2 == "m" ? 1e-3 : 1)
        #expect(abs(value / more - 1) < 0.02 && more > 0, "\(remark)")
        for stated in ["overlap: true", "overlap: false"] {
            #expect(try said(offloading("\(shared), offload: {optimizer: true, \(stated)}", batch: 2)).isEmpty)
        }
        #expect(try said(offloading("\(shared), offload: {activations: true}", batch: 2)).isEmpty)
        // A long step hides it.
        #expect(try said(offloading("\(shared), offload: {optimizer: true}", batch: 2048)).isEmpty)
    }

    /// A plan that does not fit is told of offload where that is what is missing, and of nothing that would not help.
    @Test func whatOffloadWouldMakeFit() throws {
        func said(_ text: String) throws -> [String] { try remarks(text).filter { $0.contains("to the host") } }
        let tight = "data: 4, tensor: 2, sequenceParallel: true, recompute: none, sharding: none"
        let found = try said(offloading(tight))
        #expect(
            found.count == 1 && found.first?.contains("the plan fits with layout.offload: {optimizer: true}") == true)
        let plan = try read(offloading("\(tight), offload: {optimizer: true}"))
        #expect(try price(plan: plan, layout: try #require(plan.layout)).fits)
        // It fits, or does not even so; no host; software that does not offload, or steps another optimizer; a stated offload.
        #expect(try said(offloading("data: 1, tensor: 8, sequenceParallel: true, recompute: full")).isEmpty)
        #expect(try said(offloading(tight, model: "llama3-70b")).isEmpty)
        #expect(try said(offloading(tight, "optimizer: lion")).isEmpty)
        #expect(
            try said(offloading(tight).replacing("framework: megatron-core", with: "framework: megatron-2021")).isEmpty)
        #expect(try said(offloading("\(tight), offload: {activations: true}", model: "llama3-70b")).isEmpty)
    }
}
