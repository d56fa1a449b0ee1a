import Foundation
import Models
import Reading
import TestSupport
import Testing

import Plans

/// What is stated holds, or is refused.
@Suite struct StatedKeyTests {
    private func cluster(_ map: String) throws -> Cluster {
        try PlanText.read(BadPlan.good.replacing("a100-80g-sxm", with: map)).cluster
    }

    private func problems(_ map: String) -> [String] {
        PlanText.problems(BadPlan.good.replacing("a100-80g-sxm", with: map))
    }

    private static let inner = "{name: nvlink, bandwidth: 300 GB/s, latency: 5 us, efficiency: 0.8}"

    @Test func aNetworksBandwidthHoldsOverInheritedCards() throws {
        let networks = "networks: [\(Self.inner), {name: ib, bandwidth: 1 MB/s, latency: 5 us, efficiency: 0.8}]"
        let stated = try cluster("{extends: a100-80g-sxm, \(networks)}")
        #expect(stated.networks.last?.bytesPerSecond == 1e6)
        // Cards that are stated nearer than the bandwidth hold over it: 8 of 100 Gb/s for 8 devices are 12.5 GB/s each.
        let folder = try TemporaryFolder()
        let base = try folder.write("extends: a100-80g-sxm\n\(networks)\n", as: "base-1.5.yaml")
        #expect(try Cluster.read(base, library: Checkout.library).networks.last?.bytesPerSecond == 1e6)
        #expect(try cluster("{extends: \(base), nicGbps: 100}").networks.last?.bytesPerSecond == 12.5e9)
        #expect(try cluster("{extends: \(base), price: 3}").networks.last?.bytesPerSecond == 1e6)
        // A file that states no name is called after itself, whatever it extends.
        #expect(try Cluster.read(base, library: Checkout.library).name == "base-1.5")
    }

    @Test(arguments: [
        (
            "networks: [\(inner), {name: ib, devices: 64, bandwidth: 25 GB/s, latency: 5 us, efficiency: 0.8}]",
            "cluster.networks[1].devices: the last level joins every device (found 64); remove it"
        ),
        (
            "nicGbps: 200, networks: [\(inner), {name: ib, bandwidth: 25 GB/s, latency: 5 us, efficiency: 0.8}]",
            "cluster.networks[1].bandwidth: the network cards (nicGbps, nicsPerNode) state the last level's"
        ),
    ])
    func whatTheLastLevelCannotSayIsRefused(_ map: String, _ said: String) {
        let lines = problems("{extends: a100-80g-sxm, \(map)}")
        #expect(lines.count == 1 && lines[0].contains(said), "\(lines)")
    }

    /// A bare number would be taken in seconds, bytes or watts.
    @Test(arguments: [
        ("extends: a100-80g-sxm, device: {power: 700}", "cluster.device.power: has no unit (found 700); write 700 W"),
        ("extends: a100-80g-sxm, device: {launch: 5}", "cluster.device.launch: has no unit (found 5); write 5 us"),
        ("extends: a100-80g-sxm, device: {memory: 80e9}", "cluster.device.memory: has no unit (found 80e9)"),
        ("extends: a100-80g-sxm, meanTimeBetweenFailures: 50677", "write 50677 us, 50677 ms or 50677 s"),
        (
            "extends: a100-80g-sxm, networks: [{name: a, bandwidth: 300, latency: 5, efficiency: 0.8}]",
            "cluster.networks[0].latency: has no unit (found 5); write 5 us"
        ),
    ])
    func aBareNumberIsRefused(_ map: String, _ said: String) {
        #expect(problems("{\(map)}").contains { $0.contains(said) }, "\(problems("{\(map)}"))")
    }

    /// Nothing takes no time in any unit.
    @Test func zeroNeedsNoUnit() throws {
        #expect(try cluster("{extends: a100-80g-sxm, device: {launch: 0}}").device.launchSeconds == 0)
    }

    @Test func halfOfTheCardsIsRefused() {
        let lines = problems("{extends: laptop, device: {peak: {bf16: 1 TFLOP/s}}, nicGbps: 100}")
        #expect(lines.count == 1 && lines[0].contains("give nicsPerNode too"), "\(lines)")
    }

    @Test func clustersOfOneBaseHaveNamesOfTheirOwn() throws {
        let names = try ["a100-80g-sxm", "{extends: a100-80g-sxm, nicGbps: 100}", "{extends: a100-80g-sxm, price: 2}"]
            .map { try cluster($0).name }
        #expect(names == ["a100-80g-sxm", "a100-80g-sxm (nicGbps 100)", "a100-80g-sxm (price 2)"])
        #expect(try cluster("{extends: a100-80g-sxm, name: mine, price: 2}").name == "mine")
    }

    @Test(arguments: [
        ("cluster/torch-2.3.yaml", "torch-2.3"), ("a/b.c.yml", "b.c"), ("x", "x"), ("plan.v2", "plan.v2"),
        (".yaml", ".yaml"),
    ])
    func onlyTheEndingIsNoPartOfAName(_ path: String, _ name: String) { #expect(Library.stem(path) == name) }

    @Test(arguments: [
        ("firstDense: 9", "model.moe.firstDense: must leave a block with experts: below layers 4 (found 9)"),
        ("firstDense: 4", "model.moe.firstDense: must leave a block with experts: below layers 4 (found 4)"),
        ("every: 5", "model.moe.every: must leave a block with experts: at most 4, layers (found 5)"),
        (
            "firstDense: 2, every: 3",
            "model.moe.every: must leave a block with experts: at most 2, layers less firstDense"
        ),
    ])
    func aMixtureHasBlocksWithExperts(_ keys: String, _ said: String) throws {
        func plan(_ keys: String) -> String {
            """
            model: {family: llama, layers: 4, hidden: 128, heads: 4, ffn: 256, vocab: 256, sequence: 64, moe: {experts: 4, topK: 2, ffn: 64, \(keys)}}
            cluster: a100-80g-sxm
            batch: 8
            layout: {data: 2, expert: 2, microbatch: 2}
            """
        }
        let lines = PlanText.problems(plan(keys))
        #expect(lines.count == 1 && lines[0].contains(said), "\(lines)")
        #expect(try PlanText.read(plan("firstDense: 3")).model.mixtureLayers == 1)
        #expect(try PlanText.read(plan("every: 4")).model.mixtureLayers == 1)
        #expect(PlanText.problems(plan("firstDense: 9, every: 7")).count == 2)
    }

    @Test func frameworksAreNamedByPath() throws {
        let folder = try TemporaryFolder()
        let named = try folder.write("extends: torch-fsdp\nhostStep: 5 ms\n", as: "torch-2.3.yaml")
        let library = Library(folders: [folder.path, Checkout.root])
        for reference in ["./torch-2.3.yaml", "torch-2.3.yaml", named] {
            let file = try folder.write(BadPlan.good + "\nframework: \(reference)\n", as: "plan.yaml")
            let plan = try Plan.read(path: file, library: library)
            let framework = plan.framework(for: Layout())
            #expect(framework.name == "torch-2.3" && framework.bases.map(\.name) == ["torch-fsdp"])
            #expect(framework.hostStep == 5e-3)
        }
        let lines = PlanText.problems(BadPlan.good + "\nframework: ./nowhere.yaml")
        #expect(lines.count == 1 && lines[0].contains("framework: no such file (found './nowhere.yaml')"), "\(lines)")
    }
}

@Suite struct LayoutReadingTests {
    /// The layout of a JSON answer, as it is.
    private static let pasted = """
        layout: {
            "context" : 1, "data" : 2, "expert" : 1, "globalBatch" : 64, "microbatch" : 4, "microbatches" : 8,
            "pipeline" : 2, "recompute" : "none", "schedule" : "1f1b", "sequenceParallel" : false, "sharding" : "none",
            "tensor" : 2, "virtualStages" : 1
          }
        """

    private func plan(_ layout: String) -> String {
        BadPlan.good.components(separatedBy: "layout:\n")[0] + layout
    }

    @Test func theLayoutOfAnAnswerIsALayout() throws {
        #expect(try PlanText.read(plan(Self.pasted)).layout == PlanText.read(BadPlan.good).layout)
        // The batch may stand there alone.
        let alone = plan(Self.pasted).replacing("batch: 64\n", with: "")
        #expect(try PlanText.read(alone).batch == 64)
    }

    @Test(arguments: [
        ("\"globalBatch\" : 64", "\"globalBatch\" : 32", "layout.globalBatch: must be batch, 64 (found 32)"),
        (
            "\"microbatches\" : 8", "\"microbatches\" : 4",
            "layout.microbatches: must be batch / (data · microbatch), 8 (found 4)"
        ),
    ])
    func contradictionsAreRefused(_ replace: String, _ with: String, _ said: String) {
        let lines = PlanText.problems(plan(Self.pasted.replacing(replace, with: with)))
        #expect(lines.count == 1 && lines[0].contains(said), "\(lines)")
    }
}

@Suite struct BatchSizeTests {
    /// Published batches stated in tokens: 4M is 1,024 sequences of 4,096 (DeepSeek LLM, Llama 2: "4M tokens").
    @Test(arguments: [
        (4e6, 4096, 1024), (16e6, 8192, 2048), (4_194_304, 4096, 1024), (1e6, 2048, 512), (0.5e6, 1024, 512),
        (3e6, 4096, 732), (4096, 4096, 1), (63e6, 4096, 15_381),
    ])
    func tokensAsSequences(_ tokens: Double, _ sequence: Int, _ batch: Int) {
        #expect(BatchSize.sequences(tokens: tokens, sequence: sequence) == batch)
    }

    @Test func tooManyOrNoneIsRefused() {
        #expect(BatchSize.sequences(tokens: 10, sequence: 4096) == nil)
        #expect(BatchSize.sequences(tokens: 1e300, sequence: 1) == nil)
        let lines = PlanText.problems(BadPlan.good.replacing("batch: 64", with: "batch: 10 tokens"))
        #expect(lines.count == 1 && lines[0].contains("batch: must be from one to"), "\(lines)")
    }

    @Test func theWordTokensIsRead() throws {
        let plan = try PlanText.read(BadPlan.good.replacing("batch: 64", with: "batch: 64K tokens"))
        #expect(plan.batch == 64 && plan.remarks.map(\.code) == [.batchInTokens])
        #expect(plan.remarks[0].text.contains("64 sequences of 1,024"))
    }

    @Test func tokensThatWereMeantAreNamed() throws {
        let plan = try PlanText.read(BadPlan.good.replacing("batch: 64", with: "batch: 4M"))
        #expect(plan.remarks.map(\.code) == [.batchLarge])
        for part in [
            "counts sequences", "4.1B tokens a step", "DeepSeek-V3", "the whole run would be 3 steps",
            "write batch: 4M tokens, which are 4,096 sequences of 1,024",
        ] {
            #expect(plan.remarks[0].text.contains(part), "\(part): \(plan.remarks[0].text)")
        }
        // Where the layout does not divide it, the hint stands in the refusal.
        let lines = PlanText.problems(BadPlan.good.replacing("batch: 64", with: "batch: 4000001"))
        #expect(lines.count == 1 && lines[0].contains("counts sequences"), "\(lines)")
    }

    /// The largest published batches are no oddity.
    @Test(arguments: [(15_360, 4096, 14.8e12), (2048, 8192, 15.6e12), (1536, 2048, 300e9)])
    func publishedBatchesAreFine(_ batch: Int, _ sequence: Int, _ tokens: Double) {
        #expect(BatchSize.remark(batch, sequence: sequence, tokens: tokens) == nil)
    }
}
