import Models
import Plans

/// Clusters built in code: datasheet figures, efficiencies of the order that is measured. Tests of the formulas need a
/// cluster, not a particular one.
enum TestCluster {
    static func a100(nodes devicesPerNode: Int = 8) -> Cluster {
        Cluster(
            name: "a100-80g-sxm",
            device: Device(
                name: "A100-SXM4-80GB", memoryBytes: 80 * 1024 * 1024 * 1024, memoryBytesPerSecond: 2.039e12,
                memoryEfficiency: 0.8, peakFLOPs: [.bf16: 312e12, .fp16: 312e12, .fp32: 19.5e12],
                matmulEfficiency: EfficiencyCurve(points: [
                    .init(size: 2e9, share: 0.42), .init(size: 8.6e9, share: 0.52), .init(size: 17e9, share: 0.59),
                    .init(size: 34e9, share: 0.67), .init(size: 69e9, share: 0.73), .init(size: 137e9, share: 0.76),
                    .init(size: 1.1e12, share: 0.78), .init(size: 4.4e12, share: 0.79),
                ]),
                attentionEfficiency: EfficiencyCurve(points: [
                    .init(size: 512, share: 0.34), .init(size: 1024, share: 0.48), .init(size: 2048, share: 0.56),
                    .init(size: 4096, share: 0.62), .init(size: 8192, share: 0.65),
                ]),
                launchSeconds: 4e-6, reservedBytes: 1.5e9, watts: 400),
            devicesPerNode: devicesPerNode,
            networks: [
                Network(
                    name: "NVSwitch", devices: devicesPerNode, bytesPerSecond: 300e9, latencySeconds: 3e-6,
                    efficiency: 0.76),
                Network(
                    name: "HDR InfiniBand", devices: 100_000, bytesPerSecond: 25e9, latencySeconds: 10e-6,
                    efficiency: 0.85),
            ],
            pricePerDeviceHour: 2, meanTimeBetweenFailures: 5e4 * 3600)
    }

    static func h100() -> Cluster {
        var cluster = a100()
        cluster.name = "h100-80g-sxm"
        cluster.device.name = "H100-SXM5-80GB"
        cluster.device.memoryBytesPerSecond = 3.35e12
        cluster.device.peakFLOPs = [.bf16: 989.4e12, .fp16: 989.4e12, .fp8: 1978.9e12, .fp32: 67e12]
        cluster.device.matmulEfficiency = EfficiencyCurve(points: [
            .init(size: 4e9, share: 0.31), .init(size: 16e9, share: 0.5), .init(size: 64e9, share: 0.69),
            .init(size: 128e9, share: 0.73), .init(size: 1e12, share: 0.73), .init(size: 8e12, share: 0.735),
        ])
        cluster.device.attentionEfficiency = EfficiencyCurve(points: [
            .init(size: 512, share: 0.23), .init(size: 1024, share: 0.36), .init(size: 2048, share: 0.47),
            .init(size: 4096, share: 0.53), .init(size: 8192, share: 0.56),
        ])
        cluster.device.watts = 700
        cluster.networks[0].bytesPerSecond = 450e9
        cluster.networks[1].bytesPerSecond = 50e9
        return cluster
    }

    /// Processes of one small machine: fp32, shared memory.
    static func cores() -> Cluster {
        Cluster(
            name: "local",
            device: Device(
                name: "core", memoryBytes: 8e9, memoryBytesPerSecond: 12e9, memoryEfficiency: 0.8,
                peakFLOPs: [.fp32: 117e9],
                matmulEfficiency: EfficiencyCurve(points: [.init(size: 1e6, share: 0.6), .init(size: 1e9, share: 0.9)]),
                attentionEfficiency: EfficiencyCurve(points: [.init(size: 256, share: 0.4)]), launchSeconds: 1e-6,
                reservedBytes: 5e7),
            devicesPerNode: 64,
            networks: [
                Network(
                    name: "shared memory", devices: 64, bytesPerSecond: 8e9, latencySeconds: 1e-6, efficiency: 0.9)
            ])
    }
}

enum TestModel {
    static let gpt22B = gpt(layers: 48, hidden: 6144, heads: 64)
    static let gpt175B = gpt(layers: 96, hidden: 12288, heads: 96)
    static let llama70B = Model(
        family: .llama, layers: 80, hidden: 8192, heads: 64, kvHeads: 8, ffn: 28672, vocab: 32000, sequence: 4096)
    static let tiny = Model(family: .gpt, layers: 6, hidden: 384, heads: 6, vocab: 256, sequence: 256)

    static func gpt(layers: Int, hidden: Int, heads: Int) -> Model {
        Model(family: .gpt, layers: layers, hidden: hidden, heads: heads, vocab: 51200, sequence: 2048)
    }
}
