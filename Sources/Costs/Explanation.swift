internal import Foundation
internal import Plans
internal import Schedules

extension LayoutWork {
    /// The arithmetic behind an estimate, in the order it was done.
    func explanation(of estimate: Estimate, time: IterationTime) -> [Estimate.Explanation] {
        modelLines(estimate) + timeLines(estimate, time: time) + memoryLines(estimate) + runLines(estimate)
    }

    private func modelLines(_ estimate: Estimate) -> [Estimate.Explanation] {
        let perLayer =
            model.family == .gpt
            ? "L·(2h·d(a+g) + \(model.mlp.matrices)hf + biases + 4h) + Vh + s·h + 2h"
            : "L·(2h·d(a+g) + \(model.mlp.matrices)hf + 2h) + Vh + h"
        let head = model.tiedEmbeddings ? "" : " + Vh"
        let shape =
            "L=\(model.layers) h=\(model.hidden) a=\(model.heads) g=\(model.kvHeads) d=\(model.headSize) "
            + "f=\(model.ffn) V=\(model.vocab) s=\(model.sequence)"
        let heaviest = (0..<p).max { parameters(rank: $0) < parameters(rank: $1) } ?? 0
        let hardware: String
        let source: String
        switch layout.recompute {
        case .none: (hardware, source) = ("model FLOPs", "no recomputation")
        case .selective:
            (hardware, source) = ("model FLOPs + 12·B·s²·L·a·d", "Korthikanti et al. 2022, appendix A")
        case .full:
            (hardware, source) = ("model FLOPs + one forward of the blocks", "Narayanan et al. 2021, equation 3")
        }
        return [
            line(
                "parameters", perLayer + head, shape, Format.count(estimate.parameters),
                "Narayanan et al. 2021, equation 2; layer shapes of the model family"),
            line(
                "parameters a device", "layers/tensor + replicated norms and row biases + tables",
                "rank \(heaviest): \(rankLayers(heaviest)) layers, tensor \(layout.tensor), V padded to \(vocabulary)",
                Format.count(parameters(rank: heaviest)), "Megatron-LM: vocabulary a multiple of 128·tensor"),
            line(
                "model FLOPs", "6·B·s·(matrix weights + V·h) + 12·B·s²·L·a·d",
                "B=\(pricer.plan.batch) s=\(model.sequence)", Format.engineering(flops.model, "FLOP"),
                "Korthikanti et al. 2022, appendix A (full attention, no recompute)"),
            line(
                "model FLOPs, causal", "half of the attention term", "",
                Format.engineering(flops.modelCausal, "FLOP"), "Megatron-LM num_floating_point_operations"),
            line(
                "hardware FLOPs", hardware, "recompute \(layout.recompute.rawValue)",
                Format.engineering(estimate.iteration.hardwareFLOPs, "FLOP"), source),
        ]
    }

    private func timeLines(_ estimate: Estimate, time: IterationTime) -> [Estimate.Explanation] {
        let parts = time.breakdown
        let rank = self.rank(time.bottleneck)
        let rankText = "rank \(time.bottleneck): \(rankLayers(time.bottleneck)) layers, m=\(m)"
        let device = pricer.plan.cluster.device
        let tokens = "T=\(Int(saturating: shard.tokens)) rows"
        let collective =
            layout.sequenceParallel && layout.tensor > 1
            ? "2 all-gathers + 2 reduce-scatters a pass and layer" : "2 all-reduces a pass and layer"
        return [
            line(
                "one block, one micro-batch", "Σ max(FLOPs/(peak·share·sustained share), bytes/bandwidth, launch)",
                "\(tokens), \(device.name), \(pricer.plan.precision.rawValue) peak "
                    + Format.engineering(rates.peak, "FLOP/s") + ", sustained share \(rates.inStep)",
                "forward \(Format.seconds(block.forward.total)), backward \(Format.seconds(block.backward.total))",
                "roofline; efficiency curves of the cluster file"),
            line(
                "compute", "m × (forward + backward) of the slowest rank", rankText, Format.seconds(parts.compute),
                "roofline"),
            line(
                "recompute", "m × what the backward computes again", "recompute \(layout.recompute.rawValue)",
                Format.seconds(parts.recompute), "Korthikanti et al. 2022"),
            line(
                "tensorComm", "m × layers × (\(collective)) not hidden",
                "t=\(layout.tensor), \(Format.bytes(rates.elementBytes * shard.tokens * Double(model.hidden)))"
                    + " a collective", Format.seconds(parts.tensorComm),
                "Shoeybi et al. 2019; Korthikanti et al. 2022, section 4.2.2; ring or tree with latency"),
            line(
                "pipelineBubble", "makespan − m × slowest rank",
                "\(layout.schedule.rawValue), p=\(p) v=\(v) m=\(m), a micro-batch takes "
                    + Format.seconds(rank.total), Format.seconds(parts.pipelineBubble),
                "Narayanan et al. 2021, section 2.2"),
            line(
                "pipelineComm", "makespan with transfers − without",
                "\(Format.bytes(boundaryBytes)) in \(Format.seconds(transfer)) a boundary",
                Format.seconds(parts.pipelineComm), "schedule's law for transfers, or simulated"),
            line(
                "dataComm", "gradient reduction and weight gathering not hidden by compute",
                "\(layout.data * layout.context) ranks, sharding \(layout.sharding.rawValue), "
                    + Format.bytes(state.gradient * parameters(rank: 0)) + " of gradients",
                Format.seconds(parts.dataComm), "Rajbhandari et al. 2020; Megatron-LM distributed optimizer"),
            line(
                "contextComm", "m × layers × ring exchanges of keys and values not hidden", "c=\(layout.context)",
                Format.seconds(parts.contextComm), "Liu et al. 2023 (ring attention)"),
            line(
                "optimizer", "bytes of Adam's state, gradient norm and zeroing / memory bandwidth",
                Format.count(mostParameters) + " parameters on the fullest rank", Format.seconds(parts.optimizer),
                "memory-bound"),
            line(
                "other",
                "host work around micro-batches + gradient norm + waiting for the slowest node, σ√(2 ln nodes)",
                "\(rates.framework.name), σ = \(Format.share(rates.framework.nodeVariation)), "
                    + "waiting \(Format.seconds(waitingSeconds))", Format.seconds(parts.other),
                "own assumptions; σ from published weak-scaling series"),
            line(
                "seconds", "sum of the parts", "", Format.seconds(estimate.iteration.seconds), ""),
            line(
                "MFU", "model FLOPs / (seconds · devices · peak)",
                "\(pricer.plan.paidDevices) devices", Format.share(estimate.mfu), "Chowdhery et al. 2022, appendix B"),
        ]
    }

    private func memoryLines(_ estimate: Estimate) -> [Estimate.Explanation] {
        guard let full = estimate.memoryByRank.max(by: { $0.peak < $1.peak }) else { return [] }
        let group = layout.data * layout.context
        return [
            line(
                "weights", "\(Format.short(state.keptWeight)) bytes × parameters",
                "rank \(full.rank), sharding \(layout.sharding.rawValue) over \(group)", Format.bytes(full.weights),
                "Megatron-LM distributed optimizer; Rajbhandari et al. 2020"),
            line(
                "gradients", "\(Format.short(state.keptGradient)) bytes × parameters", "", Format.bytes(full.gradients),
                "same"),
            line(
                "optimizer state", "\(Format.short(state.optimizer)) bytes × parameters", "",
                Format.bytes(full.optimizer), "same"),
            line(
                "activations", "in flight × layers a stage × bytes a block + ends",
                "\(inFlight(rank: full.rank)) stages in flight, \(rankLayers(full.rank)) layers, "
                    + "\(Format.bytes(blockActivations.kept)) a block"
                    + (shard.dropout ? ", dropout masks" : ", no dropout"),
                Format.bytes(full.activations), "Korthikanti et al. 2022, table 2 and section 4.2.3"),
            line(
                "other memory", "logits + buffers + fragmentation + reserved",
                "logits \(Format.bytes(logitBytes(rank: full.rank))), fragmentation "
                    + "\(Format.share(rates.framework.fragmentation)), reserved "
                    + Format.bytes(pricer.plan.cluster.device.reservedBytes),
                Format.bytes(full.other), "own assumption where no source is named"),
        ]
    }

    private func runLines(_ estimate: Estimate) -> [Estimate.Explanation] {
        guard let run = estimate.run else { return [] }
        let plan = pricer.plan
        var lines = [
            line(
                "steps", "tokens / (batch · sequence)",
                "\(Format.engineering(plan.tokens ?? 0, "tokens")) / \(plan.batch * model.sequence)",
                Format.count(run.steps), "")
        ]
        if let goodput {
            lines.append(
                line(
                    "goodput", "τ/(M e^{R/M}(e^{(τ+δ)/M} − 1))",
                    "M=\(Format.seconds((plan.cluster.meanTimeBetweenFailures ?? 0) / Double(plan.devices))) "
                        + "δ=\(Format.seconds(checkpointSeconds)) "
                        + "(\(Format.bytes(CostConstants.checkpointBytesPerSecond))/s a node) "
                        + "R=\(Format.seconds(CostConstants.restartSeconds)), "
                        + "checkpoint every \(Format.seconds(goodput.interval))",
                    Format.share(run.goodput), "Daly 2006"))
        }
        lines.append(
            line(
                "days", "steps · seconds / goodput / 86,400", "", Format.short(run.days),
                "nine in ten published runs: \(Format.short(run.lowDays)) to \(Format.short(run.highDays)), provisional"
            ))
        lines.append(line("GPU-hours", "days · 24 · devices", "", Format.count(run.gpuHours), ""))
        if let cost = run.cost {
            lines.append(
                line(
                    "cost", "GPU-hours · price", "\(Format.short(plan.cluster.pricePerDeviceHour ?? 0)) an hour",
                    Format.count(cost), "price of the cluster file"))
        }
        if let energy = run.energyMWh {
            lines.append(
                line(
                    "energy", "GPU-hours · board watts", "\(Format.short(plan.cluster.device.watts ?? 0)) W",
                    "\(Format.short(energy)) MWh", "board power for every hour, as published totals are counted"))
        }
        if let energy = run.wallEnergyMWh, let watts = nodeWatts {
            lines.append(
                line(
                    "wall energy", "GPU-hours · node watts over its devices · PUE",
                    "\(Format.short(watts)) W · \(Format.short(powerUsageEffectiveness))",
                    "\(Format.short(energy)) MWh",
                    plan.cluster.device.nodeWatts == nil
                        ? "Newkirk et al. 2025: nodes of H100 draw 970 W for each board of 700 W"
                        : "node power of the cluster file"))
        }
        return lines
    }

    private func line(
        _ figure: String, _ formula: String, _ inputs: String, _ value: String, _ source: String
    ) -> Estimate.Explanation {
        Estimate.Explanation(figure: figure, formula: formula, inputs: inputs, value: value, source: source)
    }
}

/// Figures in words for the explanation.
private enum Format {
    static func short(_ x: Double) -> String {
        x == x.rounded() && abs(x) < 1e9 ? String(Int(saturating: x)) : String(format: "%.4g", x)
    }

    static func share(_ x: Double) -> String { String(format: "%.1f %%", 100 * x) }

    /// A whole number with separators.
    static func count(_ x: Double) -> String {
        guard x.isFinite, abs(x) < 1e18 else { return String(format: "%.4g", x) }
        let digits = String(Int(saturating: x.rounded().magnitude))
        var out = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { out.append(",") }
            out.append(digit)
        }
        return (x < 0 ? "-" : "") + out
    }

    static func engineering(_ x: Double, _ unit: String) -> String {
        let steps: [(Double, String)] = [
            (1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"),
        ]
        for (size, prefix) in steps where abs(x) >= size { return String(format: "%.4g ", x / size) + prefix + unit }
        return String(format: "%.4g ", x) + unit
    }

    static func bytes(_ x: Double) -> String {
        let gib = 1024.0 * 1024 * 1024
        if abs(x) >= gib { return String(format: "%.4g GiB", x / gib) }
        if abs(x) >= 1024 * 1024 { return String(format: "%.4g MiB", x / (1024 * 1024)) }
        return String(format: "%.4g KiB", x / 1024)
    }

    static func seconds(_ x: Double) -> String {
        if x == 0 { return "0 s" }
        if abs(x) < 1e-3 { return String(format: "%.4g µs", x * 1e6) }
        if abs(x) < 1 { return String(format: "%.4g ms", x * 1e3) }
        return String(format: "%.4g s", x)
    }
}
