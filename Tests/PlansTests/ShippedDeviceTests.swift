import Foundation
import Models
import Reading
import TestSupport
import Testing

import Plans

/// The figures of the shipped cluster files, against their datasheets and against one another.
@Suite struct ShippedDeviceTests {
    /// Every shipped cluster but the machine at hand, and a phone, which only answers.
    static let names = Checkout.library.clusterNames.filter { !["local", "laptop", "phone-4g"].contains($0) }

    private func cluster(_ name: String) throws -> Cluster { try Cluster.read(name, library: Checkout.library) }

    /// A line of a datasheet: dense peaks in TFLOP/s (0: none stated), visible memory in GiB, memory bandwidth in GB/s,
    /// power in W (0: none published), devices a node, and GB/s of a device in one direction on each network level.
    struct Datasheet: Sendable {
        var name: String
        var bf16, fp8, memory, bandwidth, watts: Double
        var node: Int
        var networks: [Double]

        init(
            _ name: String, _ bf16: Double, _ fp8: Double, _ memory: Double, _ bandwidth: Double, _ watts: Double,
            _ node: Int, _ networks: [Double]
        ) {
            self.name = name
            (self.bf16, self.fp8, self.memory, self.bandwidth, self.watts) = (bf16, fp8, memory, bandwidth, watts)
            (self.node, self.networks) = (node, networks)
        }
    }

    static let datasheets = [
        Datasheet("b300-sxm", 2250, 4500, 268.6, 7750, 1100, 8, [900, 100]),
        Datasheet("gb300-nvl72", 2500, 5000, 277.5, 8000, 1400, 4, [900, 100]),
        Datasheet("mi325x", 1307, 2615, 256, 6000, 1000, 8, [448, 50]),
        Datasheet("mi350x", 2307, 4614, 288, 8000, 1000, 8, [535.5, 50]),
        Datasheet("mi355x", 2517, 5033, 288, 8000, 1400, 8, [535.5, 50]),
        Datasheet("gaudi2", 432, 865, 96, 2460, 600, 8, [262.5, 37.5]),
        Datasheet("gaudi3", 1835, 1835, 128, 3670, 900, 8, [525, 75]),
        Datasheet("tpu-v4", 275, 0, 30.75, 1228, 192, 4, [100, 6.25]),
        Datasheet("tpu-v5e", 197, 0, 15.75, 819, 0, 8, [100, 3.125]),
        Datasheet("tpu-v5p", 459, 459, 95.74, 2765, 0, 4, [200, 6.25]),
        Datasheet("tpu-v6e", 918, 918, 31.25, 1638, 0, 8, [200, 12.5]),
        Datasheet("trainium2", 667, 1299, 96, 2900, 0, 16, [256, 25]),
        Datasheet("trainium2-ultra", 667, 1299, 96, 2900, 0, 16, [256, 128, 25]),
        Datasheet("ascend-910c", 752, 0, 119.2, 3200, 800, 8, [392, 50]),
        Datasheet("l40s", 362, 733, 45, 864, 350, 8, [32, 6.25]),
        Datasheet("rtx-4090", 165.2, 330.3, 24, 1008, 450, 8, [32, 1.5625]),
        Datasheet("rtx-5090", 209.5, 419, 31.8, 1792, 575, 8, [64, 1.5625]),
        Datasheet("rtx-a6000", 154.8, 0, 48, 768, 300, 8, [32, 1.5625]),
        Datasheet("rtx-6000-ada", 364.2, 728.5, 48, 960, 300, 8, [32, 1.5625]),
        // Older files, which keep their figures.
        Datasheet("h100-80g-sxm", 989, 1979, 80, 3350, 700, 8, [450, 50]),
        Datasheet("b200-sxm", 2250, 4500, 179, 8000, 1000, 8, [900, 50]),
        Datasheet("gb200-nvl72", 2500, 5000, 173.2, 8000, 1200, 4, [900, 50]),
        Datasheet("mi300x", 1307, 2615, 178.8, 5300, 750, 8, [448, 50]),
    ]

    @Test(arguments: datasheets) func figuresAreThoseOfTheDatasheet(_ sheet: Datasheet) throws {
        let cluster = try cluster(sheet.name)
        let device = cluster.device
        #expect((device.peakFLOPs[.bf16] ?? 0) == sheet.bf16 * 1e12)
        #expect((device.peakFLOPs[.fp8] ?? 0) == sheet.fp8 * 1e12)
        #expect(abs(device.memoryBytes / 0x1p30 - sheet.memory) < 0.06, "\(device.memoryBytes / 0x1p30)")
        #expect(device.memoryBytesPerSecond == sheet.bandwidth * 1e9)
        #expect((device.watts ?? 0) == sheet.watts)
        #expect(cluster.devicesPerNode == sheet.node)
        #expect(cluster.networks.map { $0.bytesPerSecond / 1e9 } == sheet.networks)
    }

    @Test(arguments: names) func figuresAreSane(_ name: String) throws {
        let cluster = try cluster(name)
        let device = cluster.device
        let half = try #require(device.peakFLOPs[.bf16] ?? device.peakFLOPs[.fp16])
        #expect((100e12...3000e12).contains(half))
        if let eight = device.peakFLOPs[.fp8] { #expect((half...2.1 * half).contains(eight), "with sparsity?") }
        if let single = device.peakFLOPs[.fp32] { #expect((half / 50...half / 1.9).contains(single)) }
        #expect((15...300).contains(device.memoryBytes / 0x1p30))
        #expect((0.5e12...9e12).contains(device.memoryBytesPerSecond))
        if let watts = device.watts { #expect((60...1500).contains(watts)) }
        // A node draws more than its boards, and not twice as much.
        if let node = device.nodeWatts, let watts = device.watts { #expect((1...2).contains(node / watts)) }
        let rates = device.matmulEfficiency.points.map(\.share)
        #expect(try #require(rates.max()) > 0.45 && rates.allSatisfy { $0 <= 0.9 })
        #expect(cluster.networks.count >= 2)
        for (inner, outer) in zip(cluster.networks, cluster.networks.dropFirst()) {
            #expect(inner.devices < outer.devices && inner.bytesPerSecond > outer.bytesPerSecond)
        }
        #expect(cluster.meanTimeBetweenFailures != nil)
        // Every figure has a source: the file or the one it extends names the datasheet.
        let text = try String(contentsOfFile: #require(Checkout.library.clusterFile(name)), encoding: .utf8)
        #expect(text.contains("  source: ") || text.contains("extends: "))
        #expect(device.runs == .published || device.efficiencySource != nil, "what is its efficiency taken from?")
    }

    /// GB300 is not the GB200 with more memory.
    @Test func gb300HasItsOwnConstants() throws {
        let (new, old) = (try cluster("gb300-nvl72").device, try cluster("gb200-nvl72").device)
        #expect(new.products != old.products && new.attentionEfficiency != old.attentionEfficiency)
        #expect(new.nodeWatts == 1650 && old.nodeWatts == nil)
        #expect(
            try cluster("b300-sxm").device.peakFLOPs == [
                .fp32: 75e12, .fp16: 2250e12, .bf16: 2250e12, .fp8: 4500e12, .mxfp8: 4500e12, .nvfp4: 14000e12,
            ])
    }

    /// A file may state the rate of 4-bit products; one that states a wrong rate is refused.
    @Test func fourBitRatesAreRead() throws {
        let folder = try TemporaryFolder()
        for (peak, problem) in [
            ("{bf16: 100 TFLOP/s, fp4: 400 TFLOP/s}", ""), ("{fp4: 400 GB/s}", "device.peak.fp4: must be a rate"),
        ] {
            let path = try folder.write("extends: l40s\ndevice: {peak: \(peak)}\n", as: "four.yaml")
            do throws(PlanProblems) {
                let device = try Cluster.read(path, library: Checkout.library).device
                #expect(problem.isEmpty && device.peakFLOPs[.bf16] == 100e12)
            } catch { #expect(!problem.isEmpty && error.description.contains(problem), "\(error)") }
        }
    }

    /// Files of devices say that published runs exist where the shipped tables have some.
    @Test func devicesWithRunsAreThoseOfTheShippedTables() throws {
        var compared: Set<String> = []
        let folder = "\(Checkout.root)/plans/published"
        for file in try FileManager.default.contentsOfDirectory(atPath: folder) where file.hasSuffix(".yaml") {
            let runs = try PublishedRun.read(path: "\(folder)/\(file)", library: Checkout.library)
            compared.formUnion(runs.filter { $0.plan != nil && $0.seconds != nil }.map(\.device))
        }
        for name in Self.names {
            #expect(
                try cluster(name).device.runs == (compared.contains(name) ? .published : .none),
                "\(name): device.runs")
        }
    }

    /// Runs on a device say nothing of another one that extends its file; a plan's changes to the network do not matter.
    @Test func runsGoWithTheDevice() throws {
        let folder = try TemporaryFolder()
        func device(_ text: String) throws -> Cluster {
            try Cluster.read(folder.write(text, as: "mine.yaml"), library: Checkout.library)
        }
        #expect(try device("extends: h100-80g-sxm\nnicGbps: 100\n").device.runs == .published)
        #expect(try device("extends: h100-80g-sxm\ndevice: {name: My H100}\n").device.runs == .none)
        let mi325x = try device("extends: mi325x\nprice: 1\n")
        #expect(mi325x.device.efficiencySource?.contains("0.60 of the peak") == true)
        #expect(mi325x.remarkWithoutRuns?.text.contains("no run on AMD Instinct MI325X has been compared") == true)
        let measured = try device("extends: mi325x\ndevice: {matmulEfficiency: {1G: 0.3, 64G: 0.6}}\n")
        #expect(measured.device.efficiencySource == nil)
        #expect(measured.remarkWithoutRuns?.text.contains("assumed from what the cluster mine states") == true)
        #expect(try cluster("h100-80g-sxm").remarkWithoutRuns == nil)
        // Processor cores print the prediction beside a real run.
        #expect(try cluster("laptop").remarkWithoutRuns == nil)
        for wrong in ["runs: some", "efficiencySource: [a]"] {
            #expect(throws: PlanProblems.self) { try device("extends: mi300x\ndevice: {\(wrong)}\n") }
        }
    }

    @Test func whatIsWrittenKeepsTheRuns() throws {
        let folder = try TemporaryFolder()
        for name in ["h100-80g-sxm", "gaudi3", "l40s"] {
            let cluster = try cluster(name)
            let path = try folder.write(cluster.yaml(), as: "copy.yaml")
            #expect(try Cluster.read(path, library: Checkout.library) == cluster)
        }
    }

    /// The page lists every cluster, with whether runs back it.
    @Test func thePageListsEveryCluster() throws {
        let page = try String(contentsOfFile: "\(Checkout.root)/docs/cluster-format.md", encoding: .utf8)
        for name in Self.names {
            let row = try #require(page.split(separator: "\n").first { $0.hasPrefix("| `\(name)` |") }, "\(name)")
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            #expect(cells[2] == (try cluster(name).device.runs == .published ? "yes" : "-"), "\(row)")
        }
    }
}
