internal import Models
internal import Plans

/// Explains what a device keeps in the memory of its host, and the copies.
extension StateExplanation {
    static func defineOffloaded(_ lines: inout Derivation, _ layout: Layout) {
        lines.define(
            "f_o", layout.offloadedOptimizer, "share",
            "share of the parameters whose state is on the host, which steps them")
    }

    /// Where parameters are stepped, as words.
    static func `where`(_ layout: Layout) -> String {
        layout.offloadedOptimizer == 1 ? "on the host" : "partly on the host"
    }

    /// Adds the state on the host of the fullest rank.
    /// - Parameters:
    ///   - owned: formula of the parameters whose state a device has.
    ///   - state: formula of its bytes.
    ///   - weights: formula of the bytes of a device's weights.
    func addHostState(to lines: inout Derivation, owned: String, state: String, weights: String) {
        lines.define("b_hg", work.state.hostGradient, "bytes", "bytes of a gradient on the host beside the state")
        lines.define(
            "b_hw", work.state.hostWeight, "bytes", "bytes of a weight on the host beside the state, without master")
        let kept = layout.offloadsParameters ? weights : "b_hw·f_o·(\(owned))"
        var gradients = "b_hg"
        if let summed = work.device.copies?.summed, summed > 0 {
            lines.define("b_hs", summed, "bytes", "bytes of a gradient's sum on the host, to which the device adds")
            gradients = "(b_hg + b_hs)"
        }
        lines.derive(
            "state on the host", as: "hostState", "f_o·\(state) + \(gradients)·f_o·(\(owned)) + \(kept)", "bytes",
            note: "of one device",
            after: "Ren et al. 2021, ZeRO-Offload; Megatron-LM, HybridDeviceOptimizer")
    }

    /// Formula of the seconds of an update of which the host does a part.
    /// - Parameter bytes: formula of the bytes that the update of a device's parameters moves.
    func hostUpdate(_ lines: inout Derivation, _ host: HostStep, owned: Double, bytes: String) -> String {
        Self.defineOffloaded(&lines, layout)
        let stepped = layout.offloadedOptimizer * owned
        if let link = work.pricer.link {
            lines.define("β_l", link.copyRate, "bytes/s", "bytes a second of a device's copies in one direction")
            lines.define("β_h", link.stepRate, "bytes/s", "bytes a second of host memory for the step of one device")
        }
        lines.define(
            "b_h", stepped > 0 ? host.moved / stepped : 0, "bytes",
            "bytes of host memory that the step of a parameter moves, those of copies included")
        let own = layout.offloadedOptimizer < 1 ? "ω·max(λ, (1 − f_o)·\(bytes)/β)" : nil
        var (out, back): (String?, String?) = (nil, nil)
        if !layout.offloadsGradients {
            lines.define("b_d", work.state.sentGradient, "bytes", "bytes of a gradient that is copied to the host")
            out = "b_d·f_o·U/β_l"
        }
        if !layout.offloadsParameters {
            lines.define("b_u", work.state.returnedWeight, "bytes", "bytes of a weight that is copied back")
            back = "b_u·f_o·U/β_l"
        }
        var cast: String?
        if let offload = layout.offload, host.cast > 0 {
            lines.define(
                "b_t", HostStep.castBytes(work.state, offload), "bytes",
                "bytes that the device's casts of a parameter's copies move")
            cast = "ω·max(λ, b_t·f_o·U/β)"
        }
        let step = "b_h·f_o·U/β_h"
        guard layout.offload?.overlap == false else {
            let device = [own, cast].compactMap { $0 }
            return largest([device.isEmpty ? nil : sum(device), out, step, back].compactMap { $0 })
        }
        return sum(out, largest([own, step].compactMap { $0 }), back, cast)
    }
}

extension ActivationExplanation {
    /// Adds the activations that the host holds.
    func addOnHost(to lines: inout Derivation, rank: Int) {
        let terms = ActivationTerms(work)
        guard terms.isOffloaded else { return }
        let moments = work.fullestMoments[rank]
        guard let fullest = moments.max(by: { terms.onHost([$0]) < terms.onHost([$1]) }) else { return }
        var held: [String] = []
        for kind in words.kinds {
            let count = terms.offloaded(kind.number, at: fullest)
            guard count > 0 else { continue }
            lines.define("o_\(kind.symbol)", count, "blocks", "\(kind.names) on the host at once")
            held.append("o_\(kind.symbol)·K_\(kind.symbol)")
        }
        lines.derive(
            "activations on the host", as: "hostActivations", held.isEmpty ? "0" : sum(held), "bytes",
            note: "of one device", after: "Transformer Engine, CPU offloading; Rajbhandari et al. 2021, section 5")
    }

    /// Defines the offloaded blocks that are on the device at `moment`.
    /// - Returns: the terms of their bytes.
    func buffers(_ lines: inout Derivation, _ moment: HeldBlocks, _ terms: ActivationTerms) -> [String?] {
        guard terms.isOffloaded else { return [] }
        let counts = terms.buffered(at: moment)
        return words.kinds.map { kind in
            let count = counts[kind.number]
            guard count > 0 else { return nil }
            lines.define(
                "ν_\(kind.symbol)", count, "blocks",
                "offloaded \(kind.names) on the device: one computed, one copied, no more than are held")
            return "ν_\(kind.symbol)·K_\(kind.symbol)"
        }
    }
}
