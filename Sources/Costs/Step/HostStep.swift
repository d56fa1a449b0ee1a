internal import Plans

/// The step of parameters on the host, of one device.
///
/// Gradients are copied to the host, the host steps, and the new weights are copied back (Ren et al. 2021, ZeRO-Offload,
/// section 4.1). With overlap the three run at once, parameter by parameter, and beside the device's own step (Megatron-LM's
/// HybridDeviceOptimizer with `overlap_cpu_optimizer_d2h_h2d`). Without it the copies are in the device's stream: they come
/// before and after its own step, beside which the host steps.
///
/// Copies may be in another format than the device's gradients and weights (`Framework.copiesFP32ToHost`). The device then
/// casts: PyTorch's `copy_` of page-locked memory converts on the GPU and sends the converted numbers.
package struct HostStep {
    /// Bytes of gradients copied to the host.
    package let copiedOut: Double
    /// Bytes that the step moves through the host's memory, those of the copies included.
    package let moved: Double
    /// Bytes of weights copied back.
    package let copiedBack: Double
    /// Seconds of the device's casts of what is copied.
    package let cast: Double
    private let link: HostLink
    private let overlaps: Bool

    /// nil: the host steps nothing.
    /// - Parameter owned: parameters whose update the device does.
    package init?(owned: Double, _ work: LayoutWork) {
        guard let offload = work.layout.offload, offload.optimizer > 0, let link = work.pricer.link else { return nil }
        let (state, stepped) = (work.state, offload.optimizer * owned)
        copiedOut = offload.gradients ? 0 : state.sentGradient * stepped
        copiedBack = offload.parameters ? 0 : state.returnedWeight * stepped
        // Gradients that are kept there are read for their norm and zeroed there.
        let kept = offload.gradients ? 2 * HostCopies.sumBytes * stepped : 0
        let gradient = offload.gradients ? HostCopies.sumBytes : state.sentGradient
        moved = (gradient + state.moved + state.hostCopy) * stepped + copiedOut + copiedBack + kept
        let castBytes = Self.castBytes(state, offload)
        cast = castBytes > 0 ? work.framework.optimizer * work.rates.memory(castBytes * stepped) : 0
        self.link = link
        overlaps = offload.overlap
    }

    /// Bytes that casts move on the device for a parameter that the host steps.
    static func castBytes(_ state: StateBytes, _ offload: Layout.Offload) -> Double {
        state.castBytes(gradient: !offload.gradients, weight: !offload.parameters)
    }

    package var out: Double { link.copy(copiedOut) }
    package var step: Double { link.step(moved) }
    package var back: Double { link.copy(copiedBack) }

    /// Seconds together with the step of the device's own parameters, which takes `device` seconds.
    package func seconds(beside device: Double) -> Double {
        overlaps ? max(device + cast, out, step, back) : out + max(device, step) + back + cast
    }
}
