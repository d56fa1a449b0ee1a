import Models
import Plans
import Schedules
import TestSupport

extension Plan {
    /// The plan as a file that `trainyard plan` reads. Clusters and frameworks are named, everything else written out.
    var yaml: String {
        var lines = ["name: \(name)", "model: \(model.yaml)"]
        if let tokens { lines.append("tokens: \(tokens)") }
        lines += ["cluster: \(cluster.name)", "devices: \(devices)", "batch: \(batch)"]
        lines.append("precision: \(statedRecipe?.yaml ?? precision.rawValue)")
        if loss != LossComputation() { lines.append("loss: \(loss.yaml)") }
        if optimizer != Optimizer() { lines.append("optimizer: \(optimizer.spelled)") }
        if let named = frameworks.named { lines.append("framework: \(named)") }
        lines += tuningLines
        // The stages in full: the reader takes the software's division where they are left out.
        lines.append("layout: \(layout.map { $0.spelled(self).yaml } ?? "auto")")
        return lines.joined(separator: "\n") + "\n"
    }

    /// What is trained, and how batches are made up.
    private var tuningLines: [String] {
        var lines: [String] = []
        if let lora = model.tuning?.lora {
            lines.append(
                "lora: {rank: \(lora.rank), alpha: \(lora.alpha), targetModules: [\(lora.targetModules.joined(separator: ", "))]}"
            )
        }
        if let frozen = model.tuning?.frozen, !frozen.isEmpty {
            let words = frozen.map { part -> String in
                if case .layers(let first, let last) = part { "layers \(first)-\(last)" } else { "\(part)" }
            }
            lines.append("frozen: [\(words.joined(separator: ", "))]")
        }
        if let quantized = model.tuning?.quantized {
            lines.append("quantized: {format: nf4, doubleQuantization: \(quantized.isDouble)}")
        }
        if let documents = model.documents {
            let lengths = documents.lengths.map { "\($0.tokens): \($0.weight)" }.joined(separator: ", ")
            lines.append("packing: {documents: {\(lengths)}}")
        }
        if padding > 0 { lines.append("padding: \(padding)") }
        if run != RunShares() {
            let shares = [
                ("evaluation", run.evaluation), ("data", run.data), ("idle", run.idle), ("practice", run.practice),
            ]
            lines.append("run: " + map(shares.map { key, value in (key, value.map { "\($0)" }) }))
        }
        if let rampup { lines.append("rampupBatchSize: [\(rampup.start), \(rampup.increment), \(rampup.samples)]") }
        return lines
    }

    /// The plan that the reader finds in `text`.
    static func reading(_ text: String) throws -> Plan {
        try Plan.read(text: text, path: "plan.yaml", library: Checkout.library)
    }
}

/// A map of YAML in one line.
private func map(_ fields: [(String, String?)]) -> String {
    "{" + fields.compactMap { key, value in value.map { "\(key): \($0)" } }.joined(separator: ", ") + "}"
}

extension Optimizer {
    /// Every key that says something.
    fileprivate var spelled: String {
        let mayDoWithout = name == .sgd || name == .adafactor
        return map([
            ("name", name.rawValue), ("momentum", mayDoWithout ? "\(momentum)" : nil),
            ("firstMoment", keepsFirst ? firstMoment.rawValue : nil),
            ("secondMoment", keepsSecond ? secondMoment.rawValue : nil),
            ("master", master == .none ? "no" : master.rawValue),
            ("newtonSchulzSteps", name == .muon ? "\(newtonSchulzSteps)" : nil),
            ("tensorMode", name == .muon ? tensorMode.rawValue : nil),
        ])
    }
}

extension Model {
    var yaml: String {
        map(
            [
                ("family", family.rawValue), ("layers", "\(layers)"), ("hidden", "\(hidden)"),
                ("vocab", hasPicture ? nil : "\(vocab)"), ("sequence", "\(sequence)"),
                ("tiedEmbeddings", hasPicture ? nil : "\(tiedEmbeddings)"), ("norm", norm?.rawValue),
                ("positions", positionKind?.rawValue), ("positionEntries", positionEntries.map(String.init)),
                ("biases", biases.map { "[\($0.map(\.rawValue).joined(separator: ", "))]" }),
                ("embeddingNorm", embeddingNorm ? "true" : nil), ("finalNorm", hasFinalNorm ? nil : "false"),
                ("embeddingSize", embeddingSize.map(String.init)),
                ("otherParameters", otherParameters > 0 ? "\(otherParameters)" : nil),
                ("mtp", mtp.map { map([("layers", "\($0.layers)"), ("kind", $0.kind)]) }),
                ("qkNormKind", qkNormKind?.rawValue), ("image", image?.yaml(isVideo: false)),
                ("video", video?.yaml(isVideo: true)), ("text", text?.yaml), ("diffusion", diffusion?.yaml),
                ("classes", classes.map(String.init)),
            ] + block.fields + [
                ("kinds", kinds.isEmpty ? nil : map(kinds.map { ($0.name, $0.shape.yaml(beside: block)) })),
                (
                    "pattern",
                    kinds.isEmpty ? nil : "[\(pattern.map { kinds[$0].name }.joined(separator: ", "))]"
                ),
            ])
    }
}

extension BlockShape {
    /// Keys and values, those that may be left out only where they say something.
    fileprivate var fields: [(String, String?)] {
        func unless<Value: RawRepresentable<String>>(_ value: Value, _ standard: Value) -> String? {
            value == standard ? nil : value.rawValue
        }
        return [
            ("heads", "\(heads)"), ("kvHeads", "\(kvHeads)"), ("headSize", "\(headSize)"), ("ffn", "\(ffn)"),
            ("mlp", mlp.rawValue), ("moe", moe?.yaml), ("mla", mla?.yaml), ("valueSize", valueSize.map(String.init)),
            ("window", window.map(String.init)), ("chunk", chunk.map(String.init)), ("qkNorm", unless(qkNorm, .none)),
            ("outputGate", unless(outputGate, .none)), ("sinks", sinks ? "true" : nil),
            ("keyValues", unless(keyValues, .own)), ("halves", unless(halves, .both)), ("norms", unless(norms, .pre)),
            ("parallel", unless(parallel, .none)),
            ("extraParameters", extraParameters > 0 ? "\(extraParameters)" : nil), ("causal", "\(causal)"),
            ("modulation", modulation > 0 ? "\(modulation)" : nil), ("stream", unless(stream, .none)),
            (
                "crossAttention",
                crossAttention.map { map([("norm", $0.norm.rawValue), ("qkNorm", $0.qkNorm.rawValue)]) }
            ),
        ]
    }

    /// A kind: what differs from the model's own block, taken away where only that has it.
    fileprivate func yaml(beside base: BlockShape) -> String {
        let standards = [
            "sinks": "false", "keyValues": "own", "halves": "both", "norms": "pre", "extraParameters": "0",
            "modulation": "0",
        ]
        return map(
            zip(fields, base.fields).map { own, base in
                (own.0, own.1 == base.1 ? nil : own.1 ?? standards[own.0] ?? "none")
            })
    }
}

extension Model.Mixture {
    var yaml: String {
        map([
            ("experts", "\(experts)"), ("topK", "\(topK)"), ("ffn", "\(ffn)"), ("shared", "\(shared)"),
            ("sharedFfn", "\(sharedFfn)"), ("firstDense", "\(firstDense)"), ("every", "\(every)"),
            ("imbalance", "\(imbalance)"), ("nodeLimit", nodeLimit.map(String.init)),
            ("sharedGate", sharedGate ? "true" : nil), ("routerCorrection", routerCorrection ? "true" : nil),
            ("latentSize", latentSize.map(String.init)), ("denseFfn", denseFfn > 0 ? "\(denseFfn)" : nil),
            ("capacityFactor", capacityFactor.map { "\($0)" }), ("padToCapacity", padToCapacity ? "true" : nil),
            ("tokenDropPolicy", tokenDropPolicy == .probs ? nil : tokenDropPolicy.rawValue),
        ])
    }
}

extension Model.LatentAttention {
    var yaml: String {
        map([
            ("queryRank", "\(queryRank)"), ("kvRank", "\(kvRank)"), ("nopeSize", "\(nopeSize)"),
            ("ropeSize", "\(ropeSize)"), ("valueSize", "\(valueSize)"),
            (
                "indexer",
                indexer.map {
                    map([("heads", "\($0.heads)"), ("headSize", "\($0.headSize)"), ("topK", "\($0.topK)")])
                }
            ),
        ])
    }
}

extension Model.Picture {
    func yaml(isVideo: Bool) -> String {
        map([
            ("frames", isVideo ? "\(frames)" : nil), ("height", "\(height)"), ("width", "\(width)"),
            ("channels", "\(channels)"), ("patch", "\(patch)"), ("compression", "\(compression)"),
            ("bias", "\(bias)"), ("classToken", "\(classToken)"), ("registers", "\(registers)"),
        ])
    }
}

extension Model.Text {
    var yaml: String {
        map([
            ("tokens", "\(tokens)"), ("width", "\(width)"), ("projection", projection.rawValue),
            ("refinerLayers", "\(refinerLayers)"),
        ])
    }
}

extension Model.Diffusion {
    var yaml: String {
        map([
            ("scalars", "\(scalars)"), ("scalarSize", "\(scalarSize)"), ("labels", "\(labels)"),
            ("pooledText", "\(pooledText)"), ("conditionSize", conditionSize.map(String.init)),
            ("sharedModulation", "\(sharedModulation)"), ("outputChannels", outputChannels.map(String.init)),
        ])
    }
}

extension Layout.Offload {
    fileprivate var spelled: String {
        let blocks: String? =
            switch activations {
            case .none: nil
            case .all: "true"
            case .first(let count): "\(count)"
            }
        return map([
            ("optimizer", "\(optimizer)"), ("gradients", "\(gradients)"), ("parameters", "\(parameters)"),
            ("activations", blocks), ("overlap", "\(overlap)"),
        ])
    }
}

extension Layout {
    /// With the division of the blocks written out.
    func spelled(_ plan: Plan) -> Layout {
        guard pipeline > 1 else { return self }
        var spelled = self
        spelled.layersPerStage = StagePartition(self, model: plan.model).sizes
        return spelled
    }

    /// Every field that differs from what the reader takes where it is left out.
    var yaml: String {
        func degree(_ value: Int) -> String? { value == 1 ? nil : "\(value)" }
        let standard = Overlap.standard(with: schedule)
        let overlaps = map([
            ("data", overlap.data == standard.data ? nil : "\(overlap.data)"),
            ("tensor", overlap.tensor == standard.tensor ? nil : "\(overlap.tensor)"),
            ("pipeline", overlap.pipeline == standard.pipeline ? nil : "\(overlap.pipeline)"),
            ("expert", overlap.expert == standard.expert ? nil : "\(overlap.expert)"),
            ("sharedExperts", overlap.sharedExperts ? "true" : nil),
        ])
        return map(
            [
                ("data", degree(data)), ("tensor", degree(tensor)), ("pipeline", degree(pipeline)),
                ("virtualStages", "\(virtualStages)"), ("context", degree(context)), ("expert", degree(expert)),
                ("expertTensor", degree(expertTensor)), ("microbatch", degree(microbatch)),
                ("schedule", schedule.rawValue),
                ("contextExchange", contextExchange == .ring ? nil : contextExchange.rawValue),
                ("vocabularyParallel", vocabularyParallel?.rawValue),
                ("contextHeads", contextHeads.map(String.init)), ("dispatcher", dispatcher?.rawValue),
                ("recompute", recompute == .none ? nil : recompute.rawValue),
                ("sharding", sharding == .none ? nil : sharding.rawValue), ("shardGroup", shardGroup.map(String.init)),
                ("outerSharding", outerSharding == .none ? nil : outerSharding.rawValue),
                ("sequenceParallel", sequenceParallel ? "true" : nil),
                ("flashAttention", flashAttention ? nil : "false"), ("gradients", gradients?.rawValue),
                ("overlap", overlap == standard ? nil : overlaps),
                ("layersPerStage", layersPerStage.map { "\($0)" }), ("offload", offload?.spelled),
            ] + recomputedFields)
    }
}
