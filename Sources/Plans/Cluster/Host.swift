internal import Reading

/// The host of a node: its processors' memory, which can hold what devices offload, and the link of each device to it.
package struct Host: Hashable, Codable, Sendable {
    /// Bytes of the memory of one node.
    package var memoryBytes = 0.0
    /// Datasheet bandwidth of that memory, bytes a second, which all devices of the node share.
    package var memoryBytesPerSecond = 0.0
    /// Fraction of the bandwidth that a step of an optimizer on the host reaches.
    ///
    /// DeepSpeed's CPU-Adam steps 10 billion parameters in 2.57 s and 1 billion in 0.22 s (Ren et al. 2021, ZeRO-Offload,
    /// table 4) on a DGX-2, whose twelve channels of DDR4-2666 have 256 GB/s: at the 28 bytes of a parameter 0.43 and 0.50
    /// of it.
    package var memoryEfficiency = 0.43
    /// Bandwidth of one device's link to the host in one direction while all devices of the node copy, bytes a second.
    package var linkBytesPerSecond = 0.0
    /// Fraction of the link's bandwidth that large copies of page-locked memory reach: 55.6 of the 64 GB/s of PCIe 5.0 x16
    /// (NVIDIA, nvbandwidth).
    package var linkEfficiency = 0.87

    package init() {}

    package init(memory: Double, bandwidth: Double, link: Double) {
        (memoryBytes, memoryBytesPerSecond, linkBytesPerSecond) = (memory, bandwidth, link)
    }

    /// Bytes a second of a device's copies in one direction.
    package var copyRate: Double { linkBytesPerSecond * linkEfficiency }

    /// Bytes a second that the steps of all devices of a node move through its memory.
    package var stepRate: Double { memoryBytesPerSecond * memoryEfficiency }

    /// The constants of a host, in the order of a file's keys.
    static var constants: [ClusterConstant<Host>] {
        let standard = Host()
        return [
            .number("memory", .bytes, in: 1e6...1e18, \.memoryBytes).required("e.g. 2 TiB"),
            .number("bandwidth", .bytesPerSecond, in: 1e6...1e18, \.memoryBytesPerSecond).required("e.g. 614 GB/s"),
            .number(
                "bandwidthEfficiency", .share, in: 1e-6...1, \.memoryEfficiency, standard: standard.memoryEfficiency),
            .number("link", .bytesPerSecond, in: 1e3...1e18, \.linkBytesPerSecond).required("e.g. 64 GB/s"),
            .number("linkEfficiency", .share, in: 1e-6...1, \.linkEfficiency, standard: standard.linkEfficiency),
        ]
    }
}
