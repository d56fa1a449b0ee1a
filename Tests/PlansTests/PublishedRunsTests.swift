import Foundation
import Models
import Reading
import TestSupport
import Testing

import Plans

@Suite struct PublishedRunsTests {
    static let folder = URL(filePath: Checkout.root).appending(path: "plans/published")

    private let written: TemporaryFolder

    init() throws { written = try TemporaryFolder() }

    private func write(_ text: String, as name: String = "runs.yaml") throws -> String {
        try written.write(text, as: name)
    }

    static let table = """
        sources: {a: {title: A}}
        models:
          m: {family: gpt, layers: 4, hidden: 256, heads: 4, vocab: 512, sequence: 128}
        clusters: {a100: {extends: a100-80g-sxm, nicGbps: 100}, other: {extends: tpu-v9}}
        every: {tier: A, source: a, model: m, precision: bf16, recompute: none, sharding: none, flash: yes}
        notes: {n1: one, n2: two}
        runs: |
          id core cluster devices batch tensor pipeline data micro schedule   seconds memory notes
          x  yes  a100    8       64    1      1        8    4     -          1.5     40     n1+n2
          y  no   a100    8       64    1      2        4    4     1f1b       -       oom    -
          z  no   other   8       64    1      1        8    4     -          1.5     -      -
          w  no   a100    8       64    1      1        8    -     -          1.5     -      -
          v  no   a100    8       60    1      1        8    4     -          1.5     -      -
        """

    @Test func aTableGivesPlansAndObstacles() throws {
        let runs = try PublishedRun.read(path: write(Self.table), library: Checkout.library)
        #expect(runs.map(\.name) == ["x", "y", "z", "w", "v"])
        let plan = try #require(runs[0].plan)
        #expect(plan.layout?.data == 8)
        #expect(plan.cluster.networks[1].bytesPerSecond == 12.5e9)
        #expect(runs[0].memory == .peak(40e9, .device))
        #expect(runs[0].notes == ["one", "two"])
        #expect(runs[0].isCore && !runs[1].isCore)
        #expect(runs[1].memory == .outOfMemory)
        #expect(runs[1].seconds == nil)
        #expect(runs[2].obstacle == "no cluster file for tpu-v9")
        #expect(runs[3].obstacle == "micro-batch not stated")
        #expect(runs[4].obstacle.contains("must divide batch 60"))
    }

    @Test func modulesAndStagesOfARow() throws {
        let table = Self.table.replacing(
            "recompute: none", with: "recompute: selective, recomputeModules: mlp+layernorm"
        )
        .replacing("schedule   seconds", with: "schedule layersPerStage seconds")
        .replacing("4     -          1.5     40", with: "4 - - 1.5 40")
        .replacing("4     1f1b       -       oom", with: "4 1f1b 0,4 - oom")
        .replacing("4     -          1.5     -      -", with: "4 - - 1.5 - -")
        .replacing("-     -          1.5     -      -", with: "- - - 1.5 - -")
        let runs = try PublishedRun.read(path: write(table), library: Checkout.library)
        #expect(runs[1].plan?.layout?.layersPerStage == [0, 4])
        #expect(runs[1].plan?.layout?.recomputeModules == [.network, .norms])
    }

    /// Recipes of 8-bit products, blocks that are recomputed, the way to the experts, and software by its release.
    @Test func recipesDispatchersAndReleasesOfARow() throws {
        let table = Self.table.replacing(
            "precision: bf16, recompute: none",
            with: """
                precision: fp8, recompute: full, recomputeLayers: 2, recipe: mxfp8, dispatcher: hybridep, framework: nemo@25.04
                """
        ).replacing("a100-80g-sxm", with: "b200-sxm")
            .replacing("sequence: 128}", with: "sequence: 128, moe: {experts: 4, topK: 2, ffn: 512}}")
        let runs = try PublishedRun.read(path: write(table), library: Checkout.library)
        let plan = try #require(runs[0].plan, "\(runs[0].obstacle)")
        #expect(plan.recipe?.scaling == .mxfp8 && plan.precision == .mxfp8)
        #expect(plan.layout?.recomputed == .first(2))
        #expect(plan.layout?.dispatcher == .hybridep)
        #expect(plan.frameworks.named == "megatron-core")
        for (wrong, said) in [
            ("mxfp8", "runs.recipe: must be"), ("hybridep", "runs.dispatcher: must be"),
            ("nemo@25.04", "runs.framework: no software of that name in frameworks/"),
        ] {
            let problems = #expect(throws: PlanProblems.self) {
                try PublishedRun.read(path: write(table.replacing(wrong, with: "nothing")), library: Checkout.library)
            }
            #expect(problems?.description.contains(said) == true, "\(problems?.description ?? "")")
        }
    }

    @Test(arguments: [
        ("id core", "id cor", "runs.yaml:8: runs.cor: unknown column; did you mean 'core'?"),
        ("x  yes", "x  maybe", "runs.yaml:9: runs.core: must be yes or no (found 'maybe')"),
        ("64    1      1        8    4     -          1.5     40", "64 -1 1 8 4 - 1.5 40", "runs.yaml:9: runs.tensor"),
        ("x  yes  a100", "x  yes  a101", "runs.cluster: no entry of that name above (found 'a101')"),
        ("x  yes  a100    8", "x  yes  a100", "runs.yaml:9: runs.runs: must have 13 columns, it has 12"),
        ("tier: A", "teir: A", "every.teir: unknown key; did you mean 'tier'?"),
        ("sources:", "souces:", "souces: unknown key"),
        (
            "recompute: none", "recompute: selective, recomputeModules: mpl",
            "runs.recomputeModules: must be core_attn, moe_act"
        ),
        ("recompute: none", "recompute: some", "runs.recompute: must be none, selective or full"),
    ])
    func saysWhatIsWrong(_ replace: String, _ with: String, _ said: String) throws {
        #expect(Self.table.contains(replace))
        let path = try write(Self.table.replacing(replace, with: with, maxReplacements: 1))
        let problems = #expect(throws: PlanProblems.self) {
            try PublishedRun.read(path: path, library: Checkout.library)
        }
        #expect(problems?.description.contains(said) == true, "\(problems?.description ?? "")")
    }

    /// Runs whose stages are known say them; others are split as a plan is.
    @Test func aRowMaySayItsStages() throws {
        func stages(_ cell: String) throws -> (stages: [Int]?, obstacle: String) {
            let table = Self.table.replacing("flash: yes}", with: "flash: yes, layersPerStage: '\(cell)'}")
            let runs = try PublishedRun.read(path: write(table), library: Checkout.library)
            return (runs[1].plan?.layout?.layersPerStage, runs[1].obstacle)
        }
        #expect(try stages("3,1").stages == [3, 1])
        #expect(try stages("3,2").obstacle.contains("must sum to model.layers 4"))
        #expect(throws: PlanProblems.self) { try stages("3,") }
    }

    @Test func aPlanFileMaySayWhatWasMeasured() throws {
        let plan = """
            model: {family: gpt, layers: 4, hidden: 256, heads: 4, vocab: 512, sequence: 128}
            cluster: a100-80g-sxm
            devices: 2
            batch: 8
            layout: {data: 2}
            """
        let measured = try write(plan + "\nmeasured: {seconds: 2.5, memory: 30 GiB, source: here}", as: "p.yaml")
        let runs = try PublishedRun.read(path: measured, library: Checkout.library)
        #expect(runs.count == 1)
        #expect(runs[0].seconds == 2.5)
        #expect(runs[0].memory == .peak(30 * 0x1p30, .device))
        #expect(runs[0].source == "here")
        #expect(runs[0].plan?.layout?.data == 2)
        let without = try write(plan, as: "p.yaml")
        #expect(throws: PlanProblems.self) { try PublishedRun.read(path: without, library: Checkout.library) }
    }

    @Test func everyShippedTableReads() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        var runs: [PublishedRun] = []
        for file in files where file.hasSuffix(".yaml") {
            runs += try PublishedRun.read(
                path: Self.folder.appending(path: file).path, library: Checkout.library)
        }
        #expect(runs.count == 2222)
        #expect(runs.filter(\.isCore).count == 414)
        #expect(runs.filter { $0.plan != nil }.count > 1150)
        #expect(Set(runs.map(\.name)).count == runs.count)
        #expect(runs.allSatisfy { ($0.plan == nil) == !$0.obstacle.isEmpty && !$0.source.isEmpty })
    }
}
