import Costs
import Plans
import Testing

@Suite struct CollectiveTests {
    private let inner = Network(
        name: "inner", devices: 8, bytesPerSecond: 100e9, latencySeconds: 1e-6, efficiency: 0.5)
    private let outer = Network(
        name: "outer", devices: 1024, bytesPerSecond: 10e9, latencySeconds: 10e-6, efficiency: 1)

    private func cluster(_ networks: [Network]) -> Cluster {
        var cluster = TestCluster.a100()
        cluster.networks = networks
        return cluster
    }

    private func group(_ size: Int, stride: Int = 1) -> DeviceGroup {
        DeviceGroup(size: size, stride: stride, cluster: cluster([inner, outer]))
    }

    @Test func oneDeviceSendsNothing() {
        #expect(group(1).allReduce(bytes: 1e9) == 0)
        #expect(group(1).gather(bytes: 1e9) == 0)
        #expect(group(1).transfer(bytes: 1e9) == 0)
    }

    /// 2(n−1)α + 2S(n−1)/n β, large messages: the ring is the cheapest but for its latency, which a tree halves.
    @Test func ringInsideANode() {
        let bytes = 8e9
        let ring = 2 * bytes * 7 / 8 / 50e9
        let seconds = group(8).allReduce(bytes: bytes)
        #expect(seconds >= ring)
        #expect(seconds <= ring + 14e-6 + 1e-9)
        #expect(abs(group(8).gather(bytes: bytes) - (bytes * 7 / 8 / 50e9 + 7e-6)) < 1e-12)
    }

    /// A small message takes the tree's 2·log₂(n) steps.
    @Test func treeForSmallMessages() {
        #expect(abs(group(8).allReduce(bytes: 8) - 6e-6) < 1e-8)
    }

    /// Ranks a node apart have a NIC each; ranks that fill nodes share the NICs of a node for one ring.
    @Test func theStrideDecidesTheNetwork() {
        let bytes = 1e9
        let apart = group(8, stride: 8).gather(bytes: bytes)
        #expect(abs(apart - (7 * 10e-6 + bytes * 7 / 8 / 10e9)) < 1e-9)
        // 16 devices fill two nodes: eight NICs carry the ring, faster than the inner network's 50 GB/s would.
        let filled = group(16).gather(bytes: bytes)
        #expect(filled < apart)
        #expect(filled >= bytes * 15 / 16 / 50e9)
        // 4 ranks 2 apart stay inside a node.
        #expect(abs(group(4, stride: 2).gather(bytes: bytes) - (3e-6 + bytes * 3 / 4 / 50e9)) < 1e-9)
    }

    /// The hierarchy beats the flat ring when the latency of many slow steps counts.
    @Test func hierarchyForManyRanks() {
        let flat = 2 * 1023 * 10e-6
        #expect(group(1024).allReduce(bytes: 1e6) < flat)
    }

    @Test func switchesThatAddMakeAllReduceFaster() {
        var reducing = inner
        reducing.inNetworkReduction = true
        let with = DeviceGroup(size: 8, stride: 1, cluster: cluster([reducing, outer])).allReduce(bytes: 1e9)
        #expect(with < group(8).allReduce(bytes: 1e9))
    }

    @Test(arguments: [2, 3, 8, 12, 64, 1000])
    func moreBytesNeverTakeLess(size: Int) {
        for stride in [1, 4, 8] {
            let group = group(size, stride: stride)
            var last = (0.0, 0.0, 0.0)
            for bytes in [0, 1e3, 1e6, 1e9, 1e10] {
                let now = (group.allReduce(bytes: bytes), group.gather(bytes: bytes), group.transfer(bytes: bytes))
                #expect(now.0 >= last.0 && now.1 >= last.1 && now.2 >= last.2)
                #expect(now.0.isFinite && now.1.isFinite && now.2.isFinite)
                last = now
            }
        }
    }
}
