import Costs
import Models
import Plans
import PricingSupport
import Testing

/// Networks whose ways out are narrower than their ways in, and networks of rails.
@Suite struct RailTests {
    private func cluster(_ change: (inout Cluster) -> Void = { _ in }) -> Cluster {
        var cluster = TestCluster.h100()
        cluster.networks = [
            Network(name: "nvlink", devices: 8, bytesPerSecond: 400e9, latencySeconds: 0, efficiency: 1),
            Network(name: "leaf", devices: 32, bytesPerSecond: 50e9, latencySeconds: 0, efficiency: 1),
            Network(name: "spine", devices: Network.everything, bytesPerSecond: 50e9, latencySeconds: 0, efficiency: 1),
        ]
        change(&cluster)
        return cluster
    }

    private func exchange(_ size: Int, _ stride: Int, _ cluster: Cluster) -> Double {
        DeviceGroup(size: size, stride: stride, cluster: cluster).allToAll(ExpertTraffic(copies: 1e9))
    }

    /// Traffic that stays below the narrow way is as fast as ever, traffic that crosses it waits.
    @Test func oversubscriptionSlowsWhatCrosses() {
        let (plain, narrow) = (cluster(), cluster { $0.networks[1].oversubscription = 4 })
        #expect(exchange(8, 1, plain) == exchange(8, 1, narrow))
        #expect(exchange(32, 1, plain) == exchange(32, 1, narrow))
        // 128 devices: 96 of them are beyond the leaf, at a quarter of the rate.
        #expect(abs(exchange(128, 1, narrow) / (1e9 * 96 / 128 / 12.5e9) - 1) < 1e-9)
        #expect(abs(exchange(128, 1, narrow) / exchange(128, 1, plain) - 4) < 1e-9)
        // One member in each leaf: its own part of the way out.
        let (ring, slow) = (
            DeviceGroup(size: 4, stride: 32, cluster: plain).gather(bytes: 1e9),
            DeviceGroup(size: 4, stride: 32, cluster: narrow).gather(bytes: 1e9)
        )
        #expect(abs(slow / ring - 4) < 1e-9)
        // A ring through every device leaves a leaf once, with the ways of all its devices.
        #expect(
            DeviceGroup(size: 128, stride: 1, cluster: plain).gather(bytes: 1e9)
                == DeviceGroup(size: 128, stride: 1, cluster: narrow).gather(bytes: 1e9))
    }

    /// A node's narrow way out holds for all levels above it, and two narrow ways multiply.
    @Test func narrowWaysMultiply() {
        let twice = cluster {
            $0.networks[0].oversubscription = 2
            $0.networks[1].oversubscription = 3
        }
        let stated = cluster {
            $0.networks[1].bytesPerSecond /= 2
            $0.networks[2].bytesPerSecond /= 6
        }
        for (size, stride) in [(8, 1), (16, 1), (64, 1), (8, 8), (4, 32), (24, 4)] {
            #expect(abs(exchange(size, stride, twice) / exchange(size, stride, stated) - 1) < 1e-12)
        }
    }

    struct Groups: Sendable, CustomTestStringConvertible {
        var size, stride: Int
        var testDescription: String { "\(size) devices, \(stride) apart" }
    }

    static let groups = [
        (16, 1), (32, 1), (64, 1), (12, 1), (8, 8), (16, 4), (8, 2), (24, 2), (4, 16), (6, 12), (10, 3), (5, 8), (9, 1),
        (2, 12), (20, 6),
    ].map { Groups(size: $0, stride: $1) }

    private func railOnly() -> Cluster {
        cluster {
            $0.networks.remove(at: 1)
            $0.networks[1].railOnly = true
        }
    }

    /// Every pair of devices of the groups: what crosses to another rail also crosses the sender's node.
    @Test(arguments: groups) func pairsOnOtherRails(_ row: Groups) {
        let (size, stride) = (row.size, row.stride)
        var (inner, outer) = (0.0, 0.0)
        var most = (inner: 0.0, outer: 0.0)
        var beyond: Set<Double> = []
        for start in 0..<stride {
            for from in 0..<size {
                (inner, outer) = (0, 0)
                let here = start + from * stride
                for to in 0..<size where to != from {
                    let there = start + to * stride
                    let isInside = here / 8 == there / 8
                    if !isInside { outer += 1 }
                    if isInside || here % 8 != there % 8 { inner += 1 }
                }
                beyond.insert(outer)
                most.inner = max(most.inner, inner)
                most.outer = max(most.outer, outer)
            }
        }
        let seconds = exchange(size, stride, railOnly())
        let bytes = 1e9 / Double(size)
        // Where members share nodes unevenly, the mean of what crosses rails stands for the most.
        let isEven = beyond.count == 1 && size * stride % 8 == 0
        let expected = max(bytes * most.outer / 50e9, bytes * most.inner / 400e9)
        #expect(isEven ? abs(seconds / expected - 1) < 1e-9 : seconds <= expected * (1 + 1e-9))
        // The outer network is the narrower one by far, so make the inner one narrow too.
        var narrow = railOnly()
        narrow.networks[0].bytesPerSecond = 25e9
        if isEven {
            let expected = max(bytes * most.outer / 50e9, bytes * most.inner / 25e9)
            #expect(abs(exchange(size, stride, narrow) / expected - 1) < 1e-9)
        }
        var all = narrow
        all.networks[1].railOnly = false
        #expect(exchange(size, stride, narrow) >= exchange(size, stride, all))
    }

    /// A message to the same place of another node needs no hop, one to another place does. Rings take one rail each.
    @Test func messagesAndRings() {
        let rails = railOnly()
        func transfer(_ stride: Int) -> Double {
            DeviceGroup(size: 2, stride: stride, cluster: rails).transfer(bytes: 1e9)
        }
        #expect(transfer(8) == 1e9 / 50e9)
        #expect(transfer(12) == 1e9 / 50e9 + 1e9 / 400e9)
        var all = rails
        all.networks[1].railOnly = false
        for (size, stride) in [(16, 1), (8, 8), (6, 12)] {
            for bytes in [1e3, 1e9] {
                let (with, without) = (
                    DeviceGroup(size: size, stride: stride, cluster: rails),
                    DeviceGroup(size: size, stride: stride, cluster: all)
                )
                #expect(with.allReduce(bytes: bytes) == without.allReduce(bytes: bytes))
                #expect(with.gather(bytes: bytes) == without.gather(bytes: bytes))
            }
        }
    }

    /// Rows that are sent once to each node are passed on there anyway: rails cost DeepEP nothing.
    @Test func rowsSentOncePerNodeNeedNoHop() {
        let (rails, row) = (railOnly(), ExpertTraffic(copies: 8e9, perNode: 2e9, perRank: 4e9))
        var all = rails
        all.networks[1].railOnly = false
        let group = { DeviceGroup(size: 32, stride: 1, cluster: $0).allToAll(row) }
        #expect(group(rails) == group(all))
    }

    /// Bytes by network: of 16 devices in two nodes a device sends 8/16 to the other node, 7/16 of that to other places.
    @Test func bytesOfRails() throws {
        func sent(_ cluster: Cluster) throws -> [Double] {
            let model = Model(
                family: .llama, layers: 2, hidden: 1024, heads: 16, ffn: 4096, vocab: 32000, sequence: 4096,
                moe: Model.Mixture(experts: 16, topK: 2, ffn: 2048))
            let layout = Layout(data: 16, expert: 16)
            let plan = Plan(
                name: "", model: model, tokens: nil, cluster: cluster, devices: 16, batch: 16, precision: .bf16,
                layout: layout, frameworks: Frameworks([Framework(name: "test")], named: "test"))
            return NetworkTraffic.sent(try Pricer(plan: plan).work(layout), rank: 0).map(\.bytes)
        }
        var all = railOnly()
        all.networks[1].railOnly = false
        let (with, without) = (try sent(railOnly()), try sent(all))
        // Two blocks, there and back, forward and backward, 4,096 rows to two experts.
        let bytes = 134_217_728.0
        #expect(with[1] == without[1])
        #expect(abs((with[0] - without[0]) / (bytes * 7 / 16) - 1) < 1e-9)
    }
}
