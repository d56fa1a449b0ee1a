internal import Models
internal import Numbers
internal import Reading
internal import Yams

/// Reads `lora`, `frozen` and `quantized` of a plan: which weights training changes.
struct TuningReading {
    private let reader: FieldReader
    private var tuning = Tuning()

    init(_ reader: FieldReader) {
        self.reader = reader
        if let map = reader.map("lora") {
            let rank = map.count("rank", in: 1...Bounds.hidden.upperBound)
            let alpha = map.number("alpha", .plain, in: 1e-6...1e9)
            let targets = map.word("targetModules").map { [$0] } ?? map.words("targetModules")
            map.reportMissing("rank", fix: "numbers of a row between both matrices of an adapter, e.g. rank: 16")
            map.reportUnknownKeys()
            // A wrong rank was reported; the other rules of adapters are asked all the same.
            tuning.lora = LoRA(
                rank: rank ?? 1, alpha: alpha ?? Double(rank ?? 1), targetModules: targets ?? [LoRA.allLinear])
        }
        let words = FrozenPart.words.map(\.word)
        tuning.frozen =
            reader.list("frozen") { reader, node, place in
                let text = FieldReader.shown(node).trimmingPrefix("'").dropLast()
                if let part = FrozenPart(String(text)) { return part }
                reader.collector.report(
                    place, at: node.mark, value: FieldReader.shown(node),
                    rule: "must be \(Wording.alternatives(words + ["blocks such as layers 0-11"]))",
                    fix: Wording.didYouMean(String(text), among: words))
                return nil
            } ?? []
        tuning.quantized = Self.quantized(reader)
    }

    private static func quantized(_ reader: FieldReader) -> Quantization? {
        if reader.word(ifAmong: ["nf4"], "quantized") != nil { return Quantization() }
        guard reader.contains("quantized") else {
            reader.expect("quantized")
            return nil
        }
        guard reader.scalar("quantized") == nil else {
            reader.report(
                "quantized", value: "'\(reader.scalar("quantized") ?? "")'",
                rule: "must be nf4, or a map such as {format: nf4, doubleQuantization: false}")
            _ = reader.take("quantized")
            return nil
        }
        guard let map = reader.map("quantized") else { return nil }
        let format = map.text("format")
        let isDouble = map.flag("doubleQuantization")
        if let format, format != "nf4" { map.report("format", value: "'\(format)'", rule: "must be nf4") }
        map.reportMissing("format", fix: "format: nf4")
        map.reportUnknownKeys()
        return format == "nf4" ? Quantization(isDouble: isDouble ?? true) : nil
    }

    /// Sets what training changes of `model`, after all rules are checked.
    /// - Parameter isKnown: whether it is the plan's own model; else rules that read it are not asked.
    func apply(to model: inout Model, isKnown: Bool) {
        guard !tuning.isEmpty else { return }
        if let lora = tuning.lora {
            if isKnown { checkTargets(lora, model) }
            checkList(lora)
        }
        if tuning.lora != nil, !tuning.frozen.isEmpty {
            reader.report(
                "frozen", rule: "adapters leave all other weights frozen", fix: "remove frozen, or lora")
        }
        for part in tuning.frozen where isKnown {
            switch part {
            case .layers(_, let last) where last >= model.layers:
                reader.report(
                    "frozen", value: part.word, rule: "the model has \(model.layers) layers, numbered from 0",
                    fix: "the last is layers \(model.layers - 1)")
            case .router, .experts:
                if model.mixtureLayers == 0 {
                    reader.report("frozen", value: part.word, rule: "the model has no experts", fix: "remove it")
                }
            default: break
            }
        }
        // A wrong key hides no rule of the others.
        func isWrong(_ key: String) -> Bool { reader.collector.hasProblem(in: [key]) }
        var tuning = tuning
        if isWrong("lora.targetModules") { tuning.lora?.targetModules = [LoRA.allLinear] }
        if isWrong("frozen") { tuning.frozen = [] }
        if isWrong("quantized") { tuning.quantized = nil }
        guard !tuning.isEmpty else { return }
        model.tune(tuning)
        guard isKnown, tuning == self.tuning else { return }
        if model.trainedParameters == 0 {
            reader.report("frozen", rule: "leaves nothing to train", fix: "name fewer parts")
        }
        if tuning.quantized != nil, !model.hasQuantizedWeights {
            reader.report(
                "quantized", rule: "weights in few bits cannot be trained, and no matrix of a block is frozen",
                fix: "give lora, or frozen blocks")
        }
    }

    private func checkTargets(_ lora: LoRA, _ model: Model) {
        let known = model.adaptableModules
        var taken: [String: String] = [:]
        func report(_ value: String, _ rule: String, fix: String) {
            reader.collector.adopt(PlanProblem(field: "lora.targetModules", value: value, rule: rule, fix: fix))
        }
        for target in lora.targetModules where target != LoRA.allLinear {
            let own = known.filter { LoRA.names(target, $0) }
            if own.isEmpty {
                let names = LoRA.names(of: known)
                report(
                    "'\(target)'", "names no matrix of a block; those here are \(Wording.alternatives(names))",
                    fix: Wording.didYouMean(target, among: names))
            }
            if let module = own.first(where: { taken[$0] != nil }), let other = taken[module] {
                report(
                    "'\(target)'", "gives \(module) two adapters: \(other) names it too", fix: "remove one of them")
            }
            for module in own { taken[module] = target }
        }
    }

    /// Reports what is wrong with the list of targets whatever the model's matrices are.
    private func checkList(_ lora: LoRA) {
        func report(_ rule: String, fix: String) {
            reader.collector.adopt(PlanProblem(field: "lora.targetModules", rule: rule, fix: fix))
        }
        if lora.targetModules.isEmpty {
            report("names no matrix", fix: "e.g. targetModules: all-linear")
        }
        if lora.targetModules.contains(LoRA.allLinear), lora.targetModules.count > 1 {
            report("all-linear stands alone: it names every matrix", fix: "remove the others")
        }
    }
}

extension Tuning {
    /// The key of a plan that states it; of several the one that says most.
    var key: String { lora != nil ? "lora" : quantized != nil ? "quantized" : "frozen" }

    /// The lines of a plan.
    var yaml: [String] {
        var lines: [String] = []
        if let lora {
            let targets = lora.targetModules.map { Plan.quoted($0) }.joined(separator: ", ")
            lines.append(
                "lora: {rank: \(lora.rank), alpha: \(Figures.plain(lora.alpha)), "
                    + "targetModules: \(lora.targetModules == [LoRA.allLinear] ? targets : "[\(targets)]")}")
        }
        if !frozen.isEmpty { lines.append("frozen: [\(frozen.map(\.word).joined(separator: ", "))]") }
        if let quantized {
            lines.append(quantized.isDouble ? "quantized: nf4" : "quantized: {format: nf4, doubleQuantization: false}")
        }
        return lines
    }
}

extension Plan {
    /// The lines of a plan about what is trained and how batches are made up.
    var trainingLines: [String] {
        var lines = model.tuning?.yaml ?? []
        if let documents = model.documents {
            let lengths =
                documents.lengths.count == 1
                ? "\(documents.lengths[0].tokens)"
                : "{\(documents.lengths.map { "\($0.tokens): \(Figures.plain($0.weight))" }.joined(separator: ", "))}"
            let end = train?.endOfDocument.map { ", endOfDocument: \($0)" } ?? ""
            lines.append("packing: {documents: \(lengths)\(end)}")
        }
        if padding > 0 { lines.append("padding: \(Figures.plain(padding))") }
        if let rampup {
            lines.append("rampupBatchSize: [\(rampup.start), \(rampup.increment), \(rampup.samples)]")
        }
        return lines
    }
}
