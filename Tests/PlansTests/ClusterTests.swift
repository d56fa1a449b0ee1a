import Foundation
import Models
import Reading
import TestSupport
import Testing

import Plans

@Suite struct ClusterTests {
    @Test func figuresComeInBaseUnits() throws {
        let cluster = try Cluster.read("a100-80g-sxm", library: Checkout.library)
        #expect(cluster.device.memoryBytes == 80 * 0x1p30)
        #expect(cluster.device.memoryBytesPerSecond == 2039e9)
        #expect(cluster.device.peakFLOPs[.bf16] == 312e12)
        #expect(cluster.device.watts == 400)
        #expect(cluster.networks.map(\.name) == ["nvlink", "infiniband"])
        #expect(cluster.networks[0].devices == 8)
        #expect(cluster.networks[0].bytesPerSecond == 300e9)
        #expect(cluster.networks[1].bytesPerSecond == 25e9)
        #expect(cluster.meanTimeBetweenFailures == Double(8_090 * 3600))
    }

    /// A node's draw goes with the power of its boards: another board's node is not known.
    @Test func aNodesDrawIsThatOfItsBoards() throws {
        func device(_ name: String) throws -> Device { try Cluster.read(name, library: Checkout.library).device }
        #expect(try device("h100-80g-sxm").nodeWatts == 970)
        #expect(try device("h200-141g-sxm").nodeWatts == 970 && device("h200-141g-sxm").watts == 700)
        #expect(try device("h20-96g-sxm").nodeWatts == nil && device("h20-96g-sxm").watts == 400)
    }

    @Test func aFileMayExtendAnother() throws {
        let small = try Cluster.read("a100-40g-sxm", library: Checkout.library)
        let large = try Cluster.read("a100-80g-sxm", library: Checkout.library)
        #expect(small.device.memoryBytes == 40 * 0x1p30)
        #expect(small.device.peakFLOPs == large.device.peakFLOPs)
        #expect(small.networks == large.networks)
    }

    @Test func whatIsWrittenReadsBackTheSame() throws {
        let folder = try TemporaryFolder()
        for name in ["a100-80g-sxm", "h100-80g-sxm", "laptop"] {
            var cluster = try Cluster.read(name, library: Checkout.library)
            if name == "laptop" { cluster.powerUsageEffectiveness = 1.56 }
            let path = try folder.write(cluster.yaml(comment: "a copy\nof it"), as: "copy.yaml")
            #expect(try Cluster.read(path, library: Checkout.library) == cluster)
        }
    }

    @Test func filesThatExtendOneAnotherInACircleAreFound() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder["cluster"], withIntermediateDirectories: true)
        for (file, base) in [("a", "b"), ("b", "a")] {
            try folder.write("extends: \(base)\n", as: "cluster/\(file).yaml")
        }
        let error = #expect(throws: PlanProblems.self) {
            try Cluster.read("a", library: Library(folders: [folder.path]))
        }
        #expect(error?.description.contains("in a circle") == true)
    }

    @Test func aClusterHasANetwork() throws {
        let folder = try TemporaryFolder()
        let base = try String(contentsOfFile: "\(Checkout.root)/cluster/laptop.yaml", encoding: .utf8)
        let alone = base.prefix(upTo: try #require(base.range(of: "networks:")?.lowerBound))
        for text in ["extends: laptop\nnetworks: []\n", alone + "networks: []\n"] {
            let path = try folder.write(text, as: "lonely.yaml")
            let error = #expect(throws: PlanProblems.self) { try Cluster.read(path, library: Checkout.library) }
            #expect(error?.problems.count == 1)
            #expect(error?.description.contains("networks: must name at least one level") == true, "\(text)")
        }
        let lines = PlanText.problems(
            BadPlan.good.replacing("cluster: a100-80g-sxm", with: "cluster: {extends: laptop, networks: []}"))
        #expect(lines.count == 1)
        #expect(lines.first?.contains("cluster.networks: must name at least one level") == true, "\(lines)")
    }

    @Test func problemsNameTheClusterFile() throws {
        let folder = try TemporaryFolder()
        let text = """
            extends: a100-80g-sxm
            device:
              memory: 80 GiBs
              matmulEfficiency: {4G: 0.4, 1G: 0.2}
            networks:
              - {name: nvlink, bandwith: 300 GB/s, latency: 5 us, efficiency: 1.7}
            """
        let path = try folder.write(text, as: "bad.yaml")
        let error = #expect(throws: PlanProblems.self) { try Cluster.read(path, library: Checkout.library) }
        let lines = (error?.problems ?? []).map { $0.description.replacing(path, with: "bad.yaml") }
        #expect(lines.count == 4, "\(lines)")
        #expect(lines[0].hasPrefix("bad.yaml:3:11: device.memory: must be an amount of memory"))
        #expect(lines[1].contains("device.matmulEfficiency: sizes must rise"))
        #expect(lines[2].contains("networks[0].bandwith: unknown key; did you mean 'bandwidth'?"))
        #expect(lines[3].contains("networks[0].efficiency: must be at most 1"))
    }
}
