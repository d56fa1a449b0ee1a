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
        lines.append("precision: \(precision.rawValue)")
        if let named = frameworks.named { lines.append("framework: \(named)") }
        // The stages in full: the reader takes the software's division where they are left out.
        lines.append("layout: \(layout.map { $0.spelled(self).yaml } ?? "auto")")
        return lines.joined(separator: "\n") + "\n"
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

extension Model {
    var yaml: String {
        map([
            ("family", family.rawValue), ("layers", "\(layers)"), ("hidden", "\(hidden)"), ("heads", "\(heads)"),
            ("kvHeads", "\(kvHeads)"), ("headSize", "\(headSize)"), ("ffn", "\(ffn)"), ("mlp", mlp.rawValue),
            ("vocab", "\(vocab)"), ("sequence", "\(sequence)"), ("tiedEmbeddings", "\(tiedEmbeddings)"),
            ("moe", moe?.yaml), ("mla", mla?.yaml),
        ])
    }
}

extension Model.Mixture {
    var yaml: String {
        map([
            ("experts", "\(experts)"), ("topK", "\(topK)"), ("ffn", "\(ffn)"), ("shared", "\(shared)"),
            ("sharedFfn", "\(sharedFfn)"), ("firstDense", "\(firstDense)"), ("every", "\(every)"),
            ("imbalance", "\(imbalance)"), ("nodeLimit", nodeLimit.map(String.init)),
        ])
    }
}

extension Model.LatentAttention {
    var yaml: String {
        map([
            ("queryRank", "\(queryRank)"), ("kvRank", "\(kvRank)"), ("nopeSize", "\(nopeSize)"),
            ("ropeSize", "\(ropeSize)"), ("valueSize", "\(valueSize)"),
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
        let standard = Overlap()
        let overlaps = map([
            ("data", overlap.data == standard.data ? nil : "\(overlap.data)"),
            ("tensor", overlap.tensor == standard.tensor ? nil : "\(overlap.tensor)"),
            ("pipeline", overlap.pipeline == standard.pipeline ? nil : "\(overlap.pipeline)"),
            ("expert", overlap.expert == standard.expert ? nil : "\(overlap.expert)"),
        ])
        return map([
            ("data", degree(data)), ("tensor", degree(tensor)), ("pipeline", degree(pipeline)),
            ("virtualStages", "\(virtualStages)"), ("context", degree(context)), ("expert", degree(expert)),
            ("expertTensor", degree(expertTensor)), ("microbatch", degree(microbatch)),
            ("schedule", schedule.rawValue),
            ("recompute", recompute == .none ? nil : recompute.rawValue),
            ("recomputeLayers", recomputeLayers.map(String.init)),
            ("sharding", sharding == .none ? nil : sharding.rawValue), ("shardGroup", shardGroup.map(String.init)),
            ("sequenceParallel", sequenceParallel ? "true" : nil),
            ("flashAttention", flashAttention ? nil : "false"), ("gradients", gradients?.rawValue),
            ("overlap", overlap == standard ? nil : overlaps),
            ("layersPerStage", layersPerStage.map { "\($0)" }),
        ])
    }
}
