import Costs
import Foundation
import Models
import Numbers
import Plans
import Reading
import Schedules
import TestSupport
import Testing

import Reports

/// An answer with round numbers, so that every printed figure can be checked by eye.
enum SampleEstimate {
    static func make(tokens: Double? = 3e12, memoryGiB: Double = 60) -> Estimate {
        let device = Device(
            name: "GPU", memoryBytes: 80 * 0x1p30, memoryBytesPerSecond: 2e12, memoryEfficiency: 0.8,
            peakFLOPs: [.bf16: 300e12], matmulEfficiency: EfficiencyCurve(points: [.init(size: 1, share: 0.5)]),
            attentionEfficiency: EfficiencyCurve(points: [.init(size: 1, share: 0.5)]), launchSeconds: 0,
            reservedBytes: 0, watts: 400)
        let cluster = Cluster(
            name: "gpus", device: device, devicesPerNode: 8,
            networks: [
                Network(
                    name: "net", devices: Network.everything, bytesPerSecond: 1e9, latencySeconds: 0, efficiency: 1)
            ], pricePerDeviceHour: 2)
        let model = Model(
            family: .llama, layers: 80, hidden: 8192, heads: 64, kvHeads: 8, ffn: 28_672, vocab: 32_000, sequence: 4096)
        let layout = Layout(
            data: 4, tensor: 8, pipeline: 2, virtualStages: 2, microbatch: 1, schedule: .interleaved,
            sharding: .optimizer, sequenceParallel: true)
        let plan = Plan(
            name: "sample", model: model, tokens: tokens, cluster: cluster, devices: 64, batch: 128, precision: .bf16,
            layout: layout)
        var breakdown = Estimate.Breakdown()
        breakdown.compute = 7.5
        breakdown.tensorComm = 1.5
        breakdown.pipelineBubble = 0.75
        breakdown.dataComm = 0.25
        let run = tokens.map { _ in
            Estimate.Run(
                steps: 5_722_045.9, days: 700, gpuHours: 1_075_200, goodput: 0.96, cost: 2_150_400, energyMWh: nil,
                lowDays: 600, highDays: 800, confidence: 0.9)
        }.map { run in
            var run = run
            (run.parts.steps, run.parts.practice, run.parts.idle, run.parts.restarts) = (560, 70, 42, 28)
            return run
        }
        let half = memoryGiB / 2 * 0x1p30
        return Estimate(
            plan: plan, layout: layout, parameters: 68_976_648_192, activeParameters: 68_976_648_192, microbatches: 32,
            iteration: Estimate.Iteration(
                seconds: 10, tokens: 524_288, modelFLOPs: 9.6e16, hardwareFLOPs: 1.2e17, breakdown: breakdown,
                bubbleFraction: 0.075),
            memoryByRank: [
                Estimate.RankMemory(
                    rank: 0, weights: half, gradients: half / 2, optimizer: half / 4, activations: half / 8,
                    other: half / 8),
                Estimate.RankMemory(
                    rank: 1, weights: half / 2, gradients: half / 4, optimizer: half / 8, activations: half / 16,
                    other: half / 16),
            ],
            run: run,
            explanation: [
                Estimate.Explanation(
                    figure: "compute", symbol: "c", formula: "a·b",
                    inputs: [
                        .init(symbol: "a", value: 1, unit: "", meaning: "first"),
                        .init(symbol: "b", value: 0.0123456789, unit: "s", meaning: "second"),
                    ], value: 0.0123456789, unit: "s", note: "of rank 3", source: "a book")
            ])
    }
}

@Suite struct EstimateReportTests {
    /// Every key path of the document, objects opened and lists by their first element.
    static func paths(_ value: Any, _ prefix: String = "") -> Set<String> {
        if let object = value as? [String: Any] {
            return object.reduce(into: []) { $0.formUnion(paths($1.value, prefix + "/" + $1.key)) }
        }
        if let list = value as? [Any], let first = list.first { return paths(first, prefix + "[]") }
        return [prefix]
    }

    /// An estimate with every key that is always there, as docs/json.md lists them.
    static let example = """
        {"plan":"…",
         "framework":{"name":"…","stated":false},
         "model":{"parameters":0,"activeParameters":0,"layers":0,"hidden":0},
         "cluster":{"name":"…","device":"…","devices":0,"usedDevices":0,"idleDevices":0},
         "layout":{"data":1,"tensor":8,"pipeline":8,"virtualStages":3,"context":1,"expert":1,"microbatch":1,
                   "globalBatch":64,"microbatches":64,"schedule":"interleaved-1f1b","recompute":"selective",
                   "sharding":"none","sequenceParallel":true},
         "iteration":{"seconds":0.0,"tokens":0,"modelFLOPs":0.0,"hardwareFLOPs":0.0,
                      "breakdown":{"compute":0.0,"recompute":0.0,"tensorComm":0.0,"pipelineBubble":0.0,
                                   "pipelineComm":0.0,"dataComm":0.0,"contextComm":0.0,"expertComm":0.0,
                                   "optimizer":0.0,"other":0.0},"bubbleFraction":0.0},
         "throughput":{"tokensPerSecond":0.0,"tokensPerSecondPerDevice":0.0,"modelTFLOPsPerDevice":0.0,"mfu":0.0,
                       "mfuCausal":0.0,"hfu":0.0},
         "memory":{"peakGiB":0.0,"capacityGiB":80.0,"fits":true,
                   "byRank":[{"rank":0,"weightsGiB":0.0,"gradientsGiB":0.0,"optimizerGiB":0.0,"activationsGiB":0.0,
                              "otherGiB":0.0,"peakGiB":0.0}]},
         "run":{"tokens":3e12,"steps":0,"days":0.0,"gpuHours":0.0,"gpuMonths":0.0,"goodput":0.0,"cost":0.0,
                "energyMWh":0.0,"wallEnergyMWh":0.0,"band":{"lowDays":0.0,"highDays":0.0,"confidence":0.9,
                "reason":""},"currency":"USD","parts":{"steps":0.0,"measured":0.0,"practice":0.0,"evaluation":0.0,"data":0.0,"idle":0.0,
                "restarts":0.0}}}
        """

    func document(_ estimate: Estimate, explained: Bool = false) throws -> [String: Any] {
        let text = try EstimateReport(estimate, explained: explained).json()
        return try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test func keysStayTheSame() throws {
        let example = try JSONSerialization.jsonObject(with: Data(Self.example.utf8))
        #expect(Self.paths(try document(SampleEstimate.make())) == Self.paths(example))
    }

    @Test func figuresAreInTheUnitsOfTheirKeys() throws {
        let document = try document(SampleEstimate.make())
        let memory = try #require(document["memory"] as? [String: Any])
        #expect(memory["capacityGiB"] as? Double == 80)
        #expect(memory["peakGiB"] as? Double == 60)
        #expect(memory["fits"] as? Bool == true)
        let throughput = try #require(document["throughput"] as? [String: Any])
        #expect(throughput["tokensPerSecond"] as? Double == 52_428.8)
        #expect(throughput["modelTFLOPsPerDevice"] as? Double == 150)
        #expect(throughput["mfu"] as? Double == 0.5)
        #expect(throughput["hfu"] as? Double == 0.625)
        let run = try #require(document["run"] as? [String: Any])
        #expect(run["steps"] as? Int == 5_722_046)
        #expect(run["energyMWh"] is NSNull)
    }

    @Test func aPlanWithoutTokensHasNoRun() throws {
        #expect(try document(SampleEstimate.make(tokens: nil))["run"] == nil)
    }

    @Test func theArithmeticIsThereWhenAskedFor() throws {
        #expect(try document(SampleEstimate.make())["explanation"] == nil)
        let lines = try document(SampleEstimate.make(), explained: true)["explanation"] as? [[String: Any]]
        #expect(lines?.first?["formula"] as? String == "a·b")
        #expect(lines?.first?["value"] as? Double == 0.0123456789)
        let inputs = lines?.first?["inputs"] as? [[String: Any]]
        #expect(inputs?.last?["value"] as? Double == 0.0123456789)
    }
}

@Suite struct EstimateTextTests {
    /// The keys that a query sees, sinks and gates: of all blocks, or beside the kinds that have them.
    @Test(arguments: [
        ("gpt-oss-120b", ["attention: sinks", "blocks: 18 local (window 128), 18 global"]),
        ("mistral-7b-v0.1", ["attention: window 4,096"]),
        ("deepseek-v3.2", ["attention: the best 2,048 keys"]),
        ("gemma-2-27b", ["23 local (window 4,096)"]),
    ])
    func attentionIsNamed(_ name: String, _ words: [String]) throws {
        var estimate = SampleEstimate.make()
        estimate.plan.model = try Model.read(name, library: Checkout.library)
        let text = EstimateText(estimate, found: [], width: 120).text()
        for words in words { #expect(text.contains(words), "\(text.prefix(1200))") }
        #expect(!EstimateText(SampleEstimate.make(), found: [], width: 120).text().contains("attention:"))
    }

    @Test func theWholeAnswerReadsWell() {
        let text = EstimateText(
            SampleEstimate.make(), found: ["fastest of 12", "searched: layouts that megatron-core runs"], width: 82
        ).text()
        #expect(
            text == """
                sample: 69.0 billion parameters, 3.00 trillion tokens on 64 × GPU

                  700 days, between 600 days and 800 days with 90 % confidence
                  1,473 GPU-months = 1.08 million GPU-hours, 2.15 million dollars
                  MFU 50.0 % counting full attention, 48.2 % causal; HFU 62.5 %, 150 TFLOP/s a device

                  Model   llama, 80 layers × hidden 8,192, 64 heads of 128 (8 for keys and values)
                          feed-forward 28,672 swiglu, vocabulary 32,000, 4,096 tokens a sequence
                  Layout  tensor 8 · pipeline 2 (2 stages a rank) · data 4 · micro-batch 1, 32 a step
                          interleaved-1f1b, recompute none, sharding optimizer, sequence parallel, flash attention, bf16
                          fastest of 12
                          searched: layouts that megatron-core runs
                  Runs on megatron-core (assumed; framework: names another)
                  Step    10.00 s for 128 sequences = 524,288 tokens, 52,429 tokens/s, bubble 7.5 % of the pipeline
                  Run     5,722,046 steps, 80.0 % of the time
                          teams' layouts and software 10.0 %, stops and repeated steps 6.0 %, failures and checkpoints 4.0 %
                  Prices  2.00 dollars a GPU-hour (gpus)

                Where the time goes
                  compute             7.50 s   75.0 %  ████████████████████████████████████████
                  tensor comm         1.50 s   15.0 %  ████████
                  pipeline wait       750 ms    7.5 %  ████
                  data comm           250 ms    2.5 %  █▍

                Memory on each device
                                weights  gradients  optimizer  activations    other      peak
                  first stage  30.0 GiB   15.0 GiB    7.5 GiB      3.8 GiB  3.8 GiB  60.0 GiB
                  last stage   15.0 GiB    7.5 GiB    3.8 GiB      1.9 GiB  1.9 GiB  30.0 GiB
                  ██████████████████████████████░░░░░░░░░░ 60.0 GiB of 80.0 GiB, 75 %: fits
                """)
    }

    @Test func aStepIsTheAnswerWithoutTokens() {
        let text = EstimateText(SampleEstimate.make(tokens: nil)).text()
        #expect(text.contains("  10.00 s a step\n"))
        #expect(!text.contains("days"))
    }

    @Test func aRunThatNeverFinishesSaysSo() throws {
        var estimate = SampleEstimate.make()
        estimate.run?.days = .infinity
        #expect(EstimateText(estimate).text().contains("does not finish"))
        let document = Data(try EstimateReport(estimate).json().utf8)
        #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: document) }
    }

    /// Failures come faster than a restart takes: no days, no GPU-months, one clear line.
    @Test func aRunThatFailuresNeverLetEndSaysSo() throws {
        var estimate = SampleEstimate.make()
        estimate.plan.cluster.meanTimeBetweenFailures = 3600
        estimate.plan.cluster.device.runs = .published
        estimate.run?.days = 1e100
        estimate.run?.gpuHours = 1e102
        estimate.run?.goodput = 1e-90
        let text = EstimateText(estimate).text()
        #expect(
            text.contains("does not finish: at a mean time between failures of 60 minutes a device one of 64 fails"))
        #expect(!text.contains("- days") && !text.contains("GPU-months"))
        #expect(estimate.notes.map(\.code) == [.neverEnds])
        let json = try EstimateReport(estimate, notes: estimate.notes).json()
        let document = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        let run = try #require(document?["run"] as? [String: Any])
        for key in ["days", "gpuHours", "gpuMonths", "cost", "energyMWh"] { #expect(run[key] is NSNull, "\(key)") }
        let notes = try #require(document?["notes"] as? [[String: String]])
        #expect(notes.map { $0["code"] } == ["never-ends"] && notes[0]["text"]?.isEmpty == false)
        #expect(Figures.days(estimate.run) == "never" && Figures.gpuMonths(estimate.run) == "-")
    }

    /// MFU with half the attention, by hand: 3 · (linear + head) and 3 · core, of which half counts.
    @Test func causalFiguresStandBesideTheFull() throws {
        var estimate = SampleEstimate.make()
        estimate.plan.model.sequence = 131_072
        let (h, tokens) = (8192.0, 131_072.0)
        let block = h * 128 * (2 * 64 + 2 * 8) + 3 * h * 28_672
        let (linear, head, core) = (2 * 80 * block, 2 * 32_000 * h, 4 * 80 * tokens * h)
        let share = (linear + head + core / 2) / (linear + head + core)
        #expect(abs(estimate.mfuCausal / estimate.mfu - share) < 1e-12 && share < 0.8)
    }

    @Test func unevenStagesAreShown() throws {
        var estimate = SampleEstimate.make()
        #expect(!EstimateText(estimate).text().contains("blocks of each stage"))
        estimate.layout.layersPerStage = [21, 20, 20, 19]
        #expect(EstimateText(estimate).text().contains("blocks of each stage: 21, 2 × 20, 19"))
        #expect(try EstimateReport(estimate).json().contains("layersPerStage"))
    }

    @Test func coloursAreForTerminals() {
        let estimate = SampleEstimate.make()
        let plain = EstimateText(estimate).text()
        let coloured = EstimateText(estimate, isColoured: true).text()
        #expect(!plain.contains("\u{1B}") && coloured.contains("\u{1B}[1msample"))
        #expect(coloured.replacing(#/\u{1B}\[[0-9;]*m/#, with: "") == plain)
    }

    @Test func whatDoesNotFitSaysSo() {
        #expect(
            EstimateText(SampleEstimate.make(memoryGiB: 96)).text().contains(
                "96.0 GiB of 80.0 GiB, 120 %: does not fit"))
    }

    @Test func theArithmeticNamesFormulaInputsAndSource() {
        #expect(
            ExplanationText(SampleEstimate.make()).text() == """
                How the figures come about

                  compute: 0.0123457 s (12.3 ms)
                    = a·b
                    with a = 1, b = 0.0123457 s
                    note of rank 3
                    after a book

                What the symbols stand for

                  a  first
                  b  second
                """)
    }
}

@Suite struct FiguresTests {
    @Test(arguments: [
        (0.0, "0 s"), (2.5e-6, "2.50 µs"), (0.0213, "21.3 ms"), (1.5, "1.50 s"), (1234, "1234 s"), (.nan, "-"),
    ])
    func seconds(_ value: Double, _ text: String) { #expect(Figures.seconds(value) == text) }

    @Test(arguments: [
        (3e12, "3.00 trillion"), (68.98e9, "69.0 billion"), (2_150_400, "2.15 million"), (524_288, "524,288"),
        (1.5, "1.50"), (.infinity, "-"),
    ])
    func words(_ value: Double, _ text: String) { #expect(Figures.words(value) == text) }

    @Test(arguments: [(152.4, "152 days"), (12.34, "12.3 days"), (0.5, "12.0 hours"), (0.0001, "8.64 s")])
    func durations(_ days: Double, _ text: String) { #expect(Figures.duration(days: days) == text) }

    /// A range reads in the unit of its middle.
    @Test(arguments: [
        (1.1 / 24, ["1.1 hours", "0.9 hours", "1.4 hours"]), (2.1, ["2.1 days", "1.8 days", "2.6 days"]),
        (90.0, ["90.0 days", "76.5 days", "112.5 days"]), (30.0 / 86_400, ["30.00 s", "25.50 s", "37.50 s"]),
    ])
    func rangesHaveOneUnit(_ days: Double, _ texts: [String]) {
        #expect([days, 0.85 * days, 1.25 * days].map { Figures.duration(days: $0, like: days) } == texts)
    }

    @Test func tablesAreFitted() {
        let table = Table(head: ["name", "a", "b", "c"], rows: [["row", "1111", "2222", "3333"]])
        #expect(table.lines(fitting: nil, dropping: ["a"]) == table.lines())
        #expect(table.lines(fitting: 80, dropping: ["a"]) == table.lines())
        let fitted = table.lines(fitting: 19, dropping: ["b", "a", "c"])
        #expect(fitted.prefix(2) == ["  name     a     c", "  row   1111  3333"])
        #expect(fitted.dropFirst(2).joined(separator: " ").contains("columns: b;"))
        #expect(fitted.allSatisfy { $0.count <= 19 })
        let narrow = table.lines(fitting: 10, dropping: ["b", "a", "c"])
        #expect(narrow.prefix(2) == ["  name", "  row"])
    }

    @Test func textIsWrappedBetweenWords() {
        #expect(Wrapped.lines("one two three", width: nil) == ["one two three"])
        #expect(Wrapped.lines("one two three", width: 9, first: "- ", rest: "  ") == ["- one two", "  three"])
        #expect(Wrapped.lines("unbreakable", width: 4) == ["unbreakable"])
    }

    @Test func barsAreDrawnInEighths() {
        #expect(Bar.filled(1, width: 4) == "████")
        #expect(Bar.filled(0.5, width: 3) == "█▌")
        #expect(Bar.filled(1e-9, width: 4) == "▏")
        #expect(Bar.filled(0, width: 4) == "")
        #expect(Bar.filled(.nan, width: 4) == "")
        #expect(Bar.gauge(2, width: 4) == "████")
        #expect(Bar.gauge(0.5, width: 4) == "██░░")
    }

    @Test func tablesAlignTheirColumns() {
        let table = Table(head: ["", "a", "long"], rows: [["x", "10", "1"], ["wide", "2", ""]])
        #expect(table.lines(indent: "") == ["       a  long", "x     10     1", "wide   2"])
    }
}
