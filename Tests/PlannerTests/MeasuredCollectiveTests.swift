import Costs
import Plans
import TestSupport
import Testing

/// Collectives of 512 MiB inside a node, as NVIDIA aiconfigurator measured them with NCCL (Apache-2.0).
@Suite struct MeasuredCollectiveTests {
    @Test(arguments: [
        ("a100-80g-sxm", [2: 2.781, 4: 3.716, 8: 4.226]),
        ("h100-80g-sxm", [2: 1.686, 4: 2.300, 8: 2.111]),
        ("h200-141g-sxm", [2: 1.704, 4: 2.311, 8: 2.040]),
        ("b200-sxm", [2: 1.005, 4: 1.271, 8: 1.335]),
        ("gb200-nvl72", [2: 1.013, 4: 1.282]),
    ])
    func allReduces(_ name: String, _ milliseconds: [Int: Double]) throws {
        let cluster = try Cluster.read(name, library: Checkout.library)
        for (devices, measured) in milliseconds {
            let predicted = 1e3 * DeviceGroup(size: devices, stride: 1, cluster: cluster).allReduce(bytes: 536_870_912)
            #expect(abs(predicted / measured - 1) < 0.15, "\(devices): \(predicted) against \(measured) ms")
        }
    }

    @Test(arguments: [
        ("a100-80g-sxm", [2: 1.612, 4: 1.982, 8: 2.207]), ("h100-80g-sxm", [2: 1.078, 4: 1.300, 8: 1.399]),
        ("b200-sxm", [2: 0.651, 4: 0.729, 8: 0.766]),
    ])
    /// Two devices do not reach the rate of eight, which is the one stated.
    func reduceScatters(_ name: String, _ milliseconds: [Int: Double]) throws {
        let cluster = try Cluster.read(name, library: Checkout.library)
        for (devices, measured) in milliseconds {
            let predicted = 1e3 * DeviceGroup(size: devices, stride: 1, cluster: cluster).gather(bytes: 536_870_912)
            #expect(abs(predicted / measured - 1) < 0.35, "\(devices): \(predicted) against \(measured) ms")
        }
    }
}
