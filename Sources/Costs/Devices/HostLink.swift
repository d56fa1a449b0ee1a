internal import Plans

/// The copies of one device to its host and back, and its part of the host's memory.
struct HostLink: Sendable {
    /// Bytes a second of copies in one direction. Copies in the other direction do not slow them: links are full duplex.
    let copyRate: Double
    /// Bytes a second that the step of one device's parameters moves through the host's memory while the steps of all
    /// devices of the node run.
    let stepRate: Double

    /// nil: the cluster states no host.
    init?(_ plan: Plan) {
        guard let host = plan.cluster.host else { return nil }
        copyRate = host.copyRate
        stepRate = host.stepRate / Double(Self.sharers(plan))
    }

    /// Devices of a plan that share one host.
    static func sharers(_ plan: Plan) -> Int { max(1, min(plan.cluster.devicesPerNode, plan.devices)) }

    func copy(_ bytes: Double) -> Double { bytes / copyRate }
    func step(_ bytes: Double) -> Double { bytes / stepRate }
}

/// Copies of a device to its host and back in the passes of a layout. A class, because hardly any layout has it.
final class HostCopies: Sendable {
    let offload: Layout.Offload
    let link: HostLink
    /// Bytes of a sharded parameter as the host keeps it, in which it is fetched: PyTorch FSDP casts behind the copy.
    private let weight: Double
    /// Bytes of a reduced gradient.
    private let gradient: Double

    /// - Parameters:
    ///   - weight: bytes of a weight in the memory of the host.
    ///   - gradient: bytes of a reduced gradient.
    init(_ offload: Layout.Offload, _ link: HostLink, weight: Double, gradient: Double) {
        (self.offload, self.link) = (offload, link)
        (self.weight, self.gradient) = (weight, gradient)
    }

    /// Seconds of fetching sharded parameters before they are gathered: each device its shards (Rajbhandari et al. 2021,
    /// ZeRO-Infinity, section 6.1).
    func fetch(_ shards: Double) -> Double { link.copy(fetchedBytes(shards)) }

    /// Bytes of sharded parameters that are fetched.
    func fetchedBytes(_ shards: Double) -> Double { offload.parameters ? weight * shards : 0 }

    /// Bytes of reduced gradients that are handed over.
    func handedBytes(_ shards: Double) -> Double { offload.gradients ? gradient * shards : 0 }

    /// Seconds of handing over the reduced gradients of `shards` parameters. The host adds them to those that it has: the
    /// slower of the copy and of the sums counts.
    func handOver(_ shards: Double) -> Double {
        guard offload.gradients else { return 0 }
        return max(link.copy(handedBytes(shards)), link.step(Self.addedBytes(gradient) * shards))
    }

    /// Bytes of host memory that adding a gradient moves: it is written by the copy and read, the fp32 sum read and written.
    static func addedBytes(_ gradient: Double) -> Double { 2 * gradient + 8 }
}
