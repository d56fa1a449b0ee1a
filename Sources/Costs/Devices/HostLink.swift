internal import Plans

/// The copies of one device to its host and back, and its part of the host's memory.
struct HostLink: Sendable {
    /// Bytes a second of copies in one direction. Copies in the other direction do not slow them: links are full duplex.
    let copyRate: Double
    /// Bytes a second that the step of one device's parameters moves through the host's memory while the steps of all
    /// devices of the node run.
    let stepRate: Double

    /// nil: the cluster states no host.
    /// - Parameter devices: devices of the cluster that the plan takes.
    init?(_ cluster: Cluster, devices: Int) {
        guard let host = cluster.host else { return nil }
        copyRate = host.copyRate
        stepRate = host.stepRate / Double(Self.sharers(cluster, devices: devices))
    }

    /// Devices that share one host, of a cluster of which a plan takes so many.
    static func sharers(_ cluster: Cluster, devices: Int) -> Int { max(1, min(cluster.devicesPerNode, devices)) }

    func copy(_ bytes: Double) -> Double { bytes / copyRate }
    func step(_ bytes: Double) -> Double { bytes / stepRate }
}

/// Copies of a device to its host and back in the passes of a layout. A class, because hardly any layout has it.
///
/// Gradients of a micro-batch are added to those on the host by the host (PyTorch FSDP, `foreach_reduce`: the first are
/// copied, later ones added), or by the device. DeepSpeed's devices add ("adding directly to cpu is very slow",
/// runtime/zero/stage3.py, `partition_grads`; stage_1_and_2.py, `async_accumulate_grad_in_cpu_via_gpu`): what a buffer on
/// the host has comes back, and the sums go there again; the last sums are also copied as the fp32 gradients that the host
/// steps with. With sharded parameters the buffer is used by every micro-batch, else by steps of several.
final class HostCopies: Sendable {
    /// Bytes of a gradient in host memory.
    static let sumBytes = 4.0

    let offload: Layout.Offload
    let link: HostLink
    /// Bytes of a sharded parameter as the host keeps it, in which it is fetched: PyTorch FSDP casts behind the copy.
    private let weight: Double
    /// Bytes of a parameter's gradients that go to the host for a micro-batch, the mean of a step's.
    let handed: Double
    /// Bytes of a parameter's gradients that come back for a micro-batch, the mean of a step's.
    let returned: Double
    /// Bytes of host memory that adding a parameter's gradient moves, the mean of a step's micro-batches.
    let added: Double
    /// Bytes of a parameter's sums on the host beside the gradient that it steps with.
    let summed: Double

    /// - Parameters:
    ///   - weight: bytes of a parameter in the memory of the host.
    ///   - reduced: bytes of a reduced gradient.
    ///   - addsOnDevice: whether the device adds gradients of later micro-batches.
    ///   - microbatches: micro-batches of a step.
    init(
        _ offload: Layout.Offload, _ link: HostLink, weight: Double, reduced: Double, sharding: Layout.Sharding,
        addsOnDevice: Bool, microbatches: Int
    ) {
        (self.offload, self.link) = (offload, link)
        self.weight = weight
        let gradient = offload.gradients ? reduced : 0
        let later = 1 - 1 / Double(max(1, microbatches))
        guard addsOnDevice, offload.gradients else {
            // Written by the copy; later ones are read, and the fp32 sum read and written.
            (handed, returned, summed) = (gradient, 0, 0)
            added = offload.gradients ? gradient + later * (gradient + 2 * Self.sumBytes) : 0
            return
        }
        let isParked = sharding == .parameters || microbatches > 1
        handed = (isParked ? gradient : 0) + (1 - later) * Self.sumBytes
        returned = gradient * (sharding == .parameters ? 1 : later)
        added = handed + returned
        summed = isParked ? gradient : 0
    }

    /// Seconds of fetching sharded parameters before they are gathered: each device its shards (Rajbhandari et al. 2021,
    /// ZeRO-Infinity, section 6.1).
    func fetch(_ shards: Double) -> Double { link.copy(fetchedBytes(shards)) }

    /// Bytes of sharded parameters that are fetched.
    func fetchedBytes(_ shards: Double) -> Double { offload.parameters ? weight * shards : 0 }

    /// Bytes of reduced gradients that are handed over.
    func handedBytes(_ shards: Double) -> Double { handed * shards }

    /// Bytes of gradients on the host that come back to be added to.
    func returnedBytes(_ shards: Double) -> Double { returned * shards }

    /// Bytes of sums on the host beside the gradients that it steps with.
    func summedBytes(_ shards: Double) -> Double { summed * shards }

    /// Seconds of handing over the reduced gradients of `shards` parameters: of the copy or of the sums in the memory of the
    /// host, of which the slower counts.
    func handOver(_ shards: Double) -> Double {
        guard offload.gradients else { return 0 }
        return max(link.copy(handedBytes(shards)), link.step(added * shards))
    }

    /// Seconds of the gradients that come back for it.
    func takeBack(_ shards: Double) -> Double { link.copy(returnedBytes(shards)) }
}
