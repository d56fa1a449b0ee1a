import Plans
import Reading
import TestSupport
import Testing

/// Software by product and release.
@Suite struct SoftwareNameTests {
    static func text(_ framework: String) -> String {
        """
        model: llama3-8b
        tokens: 1e12
        cluster: h100-80g-sxm
        devices: 8
        batch: 64
        framework: \(framework)
        layout: {data: 8, sharding: optimizer}

        """
    }

    private func plan(_ framework: String) throws -> Plan {
        try Plan.read(text: Self.text(framework), path: "plan.yaml", library: Checkout.library)
    }

    @Test(arguments: [
        ("nemo", "megatron-core-graphs"), ("nemo@25.04", "megatron-core"), ("nemo@v25.09", "megatron-core-graphs"),
        ("nemo@26.02.1", "megatron-core-graphs"), ("nemo@2025-03", "megatron-core"),
        ("megatron-bridge@26.06", "megatron-core-2026"), ("megatron-bridge@25.11", "megatron-core-graphs"),
        ("megatron-core@0.12", "megatron-core"), ("megatron-core@0.15.0", "megatron-core-graphs"),
        ("megatron-lm@2021-04", "megatron-2021"), ("torchtitan@2025-03", "torchtitan"), ("torchtitan", "torchtitan"),
        ("gpt-neox", "torch-ddp"), ("megatron-core", "megatron-core"),
    ])
    func aReleaseMeansItsGeneration(_ name: String, _ generation: String) throws {
        let plan = try plan(name)
        #expect(plan.frameworks.named == generation)
        #expect(plan.framework(for: plan.layout).name == generation)
        #expect(!plan.remarks.contains { $0.code == .releaseOlder })
        let words = plan.frameworks.words(for: plan.framework(for: plan.layout))
        #expect(words == (name == generation ? name : "\(name), constants of \(generation)"))
    }

    /// An older release than any that is described is priced as the oldest, and a remark says so.
    @Test(arguments: [
        ("nemo@22.01", "megatron-core"), ("torchtitan@2024-01", "torchtitan"),
        ("megatron-bridge@25.01", "megatron-core-graphs"),
    ])
    func anOlderReleaseIsPricedAsTheOldest(_ name: String, _ generation: String) throws {
        let plan = try plan(name)
        #expect(plan.frameworks.named == generation)
        let remark = try #require(plan.remarks.first { $0.code == .releaseOlder })
        #expect(remark.text.hasPrefix("\(name) is older than every generation"))
        #expect(remark.text.contains("constants of \(generation) of 20"))
    }

    @Test(arguments: [
        ("nmeo@25.04", "(found 'nmeo'); did you mean 'nemo'?"),
        ("torchtitn", "(found 'torchtitn'); did you mean 'torchtitan'?"),
        ("megatron-core-2026@3", "megatron-core-2026 is one generation, which has no releases"),
        ("nemo@latest", "must be a name, NAME@VERSION or NAME@YYYY-MM"),
        ("nemo@2025-13", "must be a name, NAME@VERSION or NAME@YYYY-MM"),
        ("nemo@", "must be a name, NAME@VERSION or NAME@YYYY-MM"),
        ("nemo@25..04", "must be a name, NAME@VERSION or NAME@YYYY-MM"),
        ("nemo@99999999999999999999.1", "must be a name, NAME@VERSION or NAME@YYYY-MM"),
        ("'@25.04'", "no software of that name in frameworks/"),
    ])
    func saysWhatIsWrong(_ name: String, _ rule: String) throws {
        let problems = #expect(throws: PlanProblems.self) { try plan(name) }
        #expect(problems?.description.contains(rule) == true, "\(problems?.description ?? "")")
        #expect(problems?.description.hasPrefix("plan.yaml:6:") == true, "\(problems?.description ?? "")")
    }

    /// A written plan keeps the name that the plan gave, and reads back to the same plan.
    @Test(arguments: ["nemo@25.04", "torchtitan@2025-03", "nemo", "megatron-core"])
    func aWrittenPlanKeepsTheName(_ name: String) throws {
        var plan = try plan(name)
        let written = plan.yaml(library: Checkout.library)
        #expect(written.replacing("'", with: "").contains("framework: \(name)\n"))
        let read = try Plan.read(text: written, path: "plan.yaml", library: Checkout.library)
        #expect(read.frameworks == plan.frameworks)
        plan.layout = nil
        #expect(plan.yaml(library: Checkout.library).replacing("'", with: "").contains("framework: \(name)\n"))
    }

    @Test(arguments: [
        ("since: yesterday", "since: must be a month"), ("products: {mine: first}", "must be the first version"),
        ("fitted: {hostStep: 1 ms}", "the file states no value of it"), ("sources: {h100: 0}", "sources.h100"),
        ("hostStep: 1 ms\nfitted: {hostStp: 1 ms}", "hostStp: unknown key"),
    ])
    func frameworkFilesSayWhatIsWrong(_ line: String, _ said: String) throws {
        let problems = #expect(throws: PlanProblems.self) {
            try Framework.read(text: "name: mine\n\(line)\n", path: "mine.yaml", library: Checkout.library)
        }
        #expect(problems?.description.contains(said) == true, "\(problems?.description ?? "")")
    }

    /// A file that extends another is another generation: it inherits constants, and neither products nor runs.
    @Test func productsAndRunsAreNotInherited() throws {
        let mine = try Framework.read(
            text: "extends: megatron-core\nname: mine\nsince: 2024-01\n", path: "mine.yaml", library: Checkout.library)
        #expect(mine.products.isEmpty && mine.sources.isEmpty && mine.fitted.isEmpty)
        #expect(mine.sinceText == "2024-01")
        #expect(mine.states(.elementwise) && !mine.states(.bandLow))
    }
}
