internal import Foundation
internal import Models
internal import Numbers
package import Reading
internal import Schedules

extension Plan {
    /// The text of a plan file that `Plan.read` reads back to the same answer in any folder. Models, clusters and
    /// frameworks stay names if `library` holds them unchanged; else they are written out.
    package func yaml(library: Library) -> String {
        var lines = ["name: \(Self.quoted(name))"] + modelLines(library)
        if let tokens { lines.append("tokens: \(Quantity.written(tokens, as: .count))") }
        lines +=
            clusterLines(library) + [
                "devices: \(devices)", "batch: \(batch)",
                "precision: \(statedRecipe == recipe ? recipe?.yaml ?? precision.rawValue : precision.rawValue)",
            ] + choiceLines + trainingLines
        if let layout {
            lines.append("framework: \(frameworkReference(layout))")
            lines += ["layout:"] + layout.yaml(leavingOut: openDefaults).map { "  " + $0 }
        } else {
            if let named = frameworks.named { lines.append("framework: \(reference(to: named))") }
            lines.append("layout: auto")
        }
        if let shares = run.yaml { lines.append("run: \(shares)") }
        if let start { lines.append("start: \(start)") }
        if let stated = money.currency { lines.append("currency: \(stated.rawValue)") }
        if let rates = money.rates.yaml { lines.append("exchangeRates: \(rates)") }
        if !money.costs.isEmpty { lines += ["costs:"] + money.costs.lines(currency).map { "  " + $0 } }
        lines += measuredLines
        if let train { lines += ["train:"] + train.yaml.map { "  " + $0 } }
        if let hyperparameters { lines += ["hyperparameters:"] + hyperparameters.yaml.map { "  " + $0 } }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The measured steps. Those that differ from the plan as it is written state their whole layout.
    private var measuredLines: [String] {
        func holds(_ step: Measurement) -> Bool {
            step.isOwn && step.layout == layout && step.devices == devices && step.batch == batch
        }
        // A step of the plan itself, whose layout was open, is of no layout that is written.
        let isNowhere = layout != nil && train == nil && !measurements.contains(where: \.isOwn)
        let others = measurements.filter { !holds($0) }
        let own = isNowhere || others.contains(where: \.isOwn) ? nil : measured?.yaml
        guard !others.isEmpty else { return own.map { ["measured:"] + $0.map { "  " + $0 } } ?? [] }
        return ["measured:"] + (own.map { ["  - {\($0.joined(separator: ", "))}"] } ?? [])
            + others.map { step in
                let layout = step.layout.yaml(leavingOut: []).joined(separator: ", ")
                let fields = step.isOwn ? measured?.yaml ?? [] : ["seconds: \(Figures.plain(step.seconds))"]
                return "  - {\(fields.joined(separator: ", ")), devices: \(step.devices), batch: \(step.batch), "
                    + "layout: {\(layout)}}"
            }
    }

    /// The optimizer, and the gradients' format where the layout is open.
    private var choiceLines: [String] {
        var lines: [String] = []
        if optimizer != Optimizer() {
            let fields = optimizer.fields.map { "\($0.key): \($0.value)" }
            lines.append("optimizer: {\(fields.joined(separator: ", "))}")
        }
        if loss != LossComputation() { lines.append("loss: \(loss.yaml)") }
        if let gradients, layout == nil { lines.append("gradients: \(gradients.rawValue)") }
        if layout == nil, let offload {
            lines.append("offload: \(offload.yaml(statesOverlap: !openDefaults.contains(.offloadOverlap)))")
        }
        if layout == nil, offloadsIfNeeded { lines.append("offload: auto") }
        return lines
    }

    private func modelLines(_ library: Library) -> [String] {
        if let name = model.name, let known = try? Model.read(name, library: library) {
            var sized = known
            (sized.sequence, sized.vocab) = (model.sequence, model.vocab)
            sized.tiedEmbeddings = model.tiedEmbeddings
            (sized.tuning, sized.documents) = (model.tuning, model.documents)
            if sized == model, !model.hasPicture || known == model {
                var keys = ["name: \(Self.quoted(name))"]
                if known.sequence != model.sequence { keys.append("sequence: \(model.sequence)") }
                if known.vocab != model.vocab { keys.append("vocab: \(model.vocab)") }
                if known.tiedEmbeddings != model.tiedEmbeddings {
                    keys.append("tiedEmbeddings: \(model.tiedEmbeddings)")
                }
                return ["model: {\(keys.joined(separator: ", "))}"]
            }
        }
        // A name that the library gives to another shape would fill in keys that are left out.
        let name = model.name.flatMap { library.modelFile($0) == nil ? $0 : nil }
        return ["model:"] + (name.map { ["  name: \(Self.quoted($0))"] } ?? []) + model.yaml.map { "  " + $0 }
    }

    private func clusterLines(_ library: Library) -> [String] {
        if let known = try? Cluster.read(cluster.name, library: library) {
            if known == cluster { return ["cluster: \(Self.quoted(cluster.name))"] }
            if let keys = Self.changes(cluster, to: known) {
                return ["cluster: {\(keys.joined(separator: ", "))}"]
            }
        }
        let text = cluster.yaml { group in
            guard let known = try? Cluster.read(group.name, library: library) else { return nil }
            return known == group ? ["extends: \(Self.quoted(group.name))"] : Self.changes(group, to: known)
        }.split(separator: "\n")
        return ["cluster:"] + text.map { "  " + $0 }
    }

    /// The keys that state `cluster` by the file of its name, `known`; nil if it differs in more than its money, its
    /// emissions and its failures.
    private static func changes(_ cluster: Cluster, to known: Cluster) -> [String]? {
        var changed = known
        changed.price = cluster.price ?? known.price
        changed.gridFactor = cluster.gridFactor ?? known.gridFactor
        changed.failures = cluster.failures.map { $0.over(known.failures ?? Failures()) } ?? known.failures
        guard changed == cluster, cluster.groups == nil else { return nil }
        let name = quoted(cluster.name)
        var keys = ["extends: \(name)", "name: \(name)"]
        if let price = cluster.price, price != known.price { keys.append("price: \(price.yaml)") }
        if let factor = cluster.gridFactor, factor != known.gridFactor {
            keys.append("gridFactor: \(Quantity.written(factor, as: .gridFactor))")
        }
        if let failures = cluster.failures, failures != known.failures {
            keys.append("failures: {\(failures.lines.joined(separator: ", "))}")
        }
        return keys
    }

    /// The software that the layout runs on, stated so that another version reads the file to the same answer.
    /// Software that is assumed stays so.
    private func frameworkReference(_ layout: Layout) -> String {
        let name = framework(for: layout).name
        guard frameworks.known[name] != nil else { return "auto" }
        return frameworks.named == nil ? "{assumed: \(Self.quoted(name))}" : reference(to: name)
    }

    private func reference(to name: String) -> String {
        guard name == frameworks.named else { return Self.quoted(name) }
        if !frameworks.changes.isEmpty {
            let base = frameworks.path.map(RunFolder.absolute) ?? frameworks.product?.text ?? name
            // Numbers, units and words are written as they stand.
            let changes = frameworks.changes.map { change in
                let isPlain = change.value.allSatisfy {
                    $0.isASCII && ($0.isLetter || $0.isNumber || ".- ".contains($0))
                }
                return "\(change.key): \(isPlain ? change.value : Self.quoted(change.value))"
            }
            return "{extends: \(Self.quoted(base)), \(changes.joined(separator: ", "))}"
        }
        if let product = frameworks.product { return Self.quoted(product.text) }
        guard let path = frameworks.path else { return Self.quoted(name) }
        return Self.quoted(RunFolder.absolute(path))
    }

    package static func quoted(_ text: String) -> String {
        let isPlain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-./_".contains($0)) }
        if isPlain, text.lowercased() != "null", text.first?.isLetter == true || text.first == "/", !text.hasSuffix(".")
        {
            return text
        }
        return "'" + text.replacing("'", with: "''") + "'"
    }
}

extension Layout {
    /// The layout's keys and values as lines of a plan.
    /// - Parameter open: keys that are left to their default, and are not written where they have it.
    fileprivate func yaml(leavingOut open: Set<Default>) -> [String] {
        var lines = ["data: \(data)", "tensor: \(tensor)", "pipeline: \(pipeline)"]
        let usual = schedule == .usual(virtualStages: 1) && virtualStages == 1
        if !(open.contains(.schedule) && usual) { lines.append("virtualStages: \(virtualStages)") }
        lines += ["context: \(context)", "expert: \(expert)", "expertTensor: \(expertTensor)"]
        if !(open.contains(.microbatch) && microbatch == 1) { lines.append("microbatch: \(microbatch)") }
        if !(open.contains(.schedule) && usual) { lines.append("schedule: \(schedule.rawValue)") }
        if !(open.contains(.recompute) && recompute == .none) { lines.append("recompute: \(recompute.rawValue)") }
        if contextExchange != .ring { lines.append("contextExchange: \(contextExchange.rawValue)") }
        if let vocabularyParallel { lines.append("vocabularyParallel: \(vocabularyParallel.rawValue)") }
        if let contextHeads { lines.append("contextHeads: \(contextHeads)") }
        if let dispatcher { lines.append("dispatcher: \(dispatcher.rawValue)") }
        if !recomputeModules.isEmpty {
            lines.append("recomputeModules: \(recomputeModules.written)")
        }
        switch recomputed {
        case .all: break
        case .first(let count): lines.append("recomputeLayers: \(count)")
        case .firstOfStage(let counts):
            lines.append("recomputeLayers: [\(counts.map(String.init).joined(separator: ", "))]")
        case .every(let step): lines.append("recomputeEvery: \(step)")
        case .runs(let length): lines += ["recomputeMethod: uniform", "recomputeLayers: \(length)"]
        }
        if !(open.contains(.sharding) && sharding == .none) { lines.append("sharding: \(sharding.rawValue)") }
        if let shardGroup { lines.append("shardGroup: \(shardGroup)") }
        if outerSharding != .none { lines.append("outerSharding: \(outerSharding.rawValue)") }
        if !(open.contains(.sequenceParallel) && !sequenceParallel) {
            lines.append("sequenceParallel: \(sequenceParallel)")
        }
        lines.append("flashAttention: \(flashAttention)")
        if let gradients { lines.append("gradients: \(gradients.rawValue)") }
        var hidden = ["data: \(overlap.data)"]
        if !open.contains(.tensorOverlap) { hidden.append("tensor: \(overlap.tensor)") }
        hidden.append("pipeline: \(overlap.pipeline)")
        if !open.contains(.expertOverlap) { hidden.append("expert: \(overlap.expert)") }
        if overlap.sharedExperts { hidden.append("sharedExperts: true") }
        lines.append("overlap: {\(hidden.joined(separator: ", "))}")
        if let offload {
            lines.append("offload: \(offload.yaml(statesOverlap: !open.contains(.offloadOverlap)))")
        }
        if let layersPerStage, !open.contains(.layersPerStage) {
            lines.append("layersPerStage: [\(layersPerStage.map(String.init).joined(separator: ", "))]")
        }
        return lines
    }
}

extension Plan.Measured {
    fileprivate var yaml: [String] {
        var lines = ["seconds: \(Figures.plain(seconds))"]
        if let memoryBytes {
            lines += ["memory: \(Quantity.written(memoryBytes, as: .bytes))", "memoryKind: \(memoryKind.rawValue)"]
        }
        if let source { lines.append("source: \(Plan.quoted(source))") }
        return lines
    }
}

extension TrainSettings {
    /// The lines of the `train:` section. Paths of existing files are absolute, so that they hold in any folder.
    fileprivate var yaml: [String] {
        func path(_ path: String) -> String {
            Plan.quoted(CorpusFile.exists(at: path) ? RunFolder.absolute(path) : path)
        }
        func list(_ files: [CorpusFile]) -> String {
            "[\(files.map { "{path: \(path($0.path)), weight: \(Figures.plain($0.weight))}" }.joined(separator: ", "))]"
        }
        var lines = [
            "data: \(corpus.map(list) ?? path(data))", "steps: \(steps)",
            "tokenizer: \(tokenizer == "bytes" ? tokenizer : path(tokenizer))", "order: \(order.rawValue)",
            "learningRate: \(learningRate)", "minLearningRate: \(minLearningRate)", "warmup: \(warmup)",
            "schedule: \(schedule.rawValue)", "betas: [\(betas.map(\.description).joined(separator: ", "))]",
            "eps: \(epsilon)", "weightDecay: \(weightDecay)", "clip: \(clip.map(\.description) ?? "none")",
            "auxiliaryLoss: \(auxiliaryLoss)", "seed: \(seed)",
        ]
        if let mup { lines += ["mup:", "  baseWidth: \(mup.baseWidth)"] }
        if let momentum { lines.append("momentum: \(momentum)") }
        if let documents {
            lines.append("documents: \(documents.rawValue)")
            if documents != .joined, let endOfDocument { lines.append("endOfDocument: \(endOfDocument)") }
        }
        if let validation {
            lines.append("validation:")
            if let share = validation.share { lines.append("  share: \(Figures.plain(share))") }
            if let files = validation.files { lines.append("  data: \(list(files))") }
            lines += ["  every: \(validation.every)", "  batches: \(validation.batches)"]
        }
        if let folder { lines.append("folder: \(Plan.quoted(folder))") }
        if resume != .never { lines.append("resume: \(resume.rawValue)") }
        if let stateCheck {
            lines += stateCheck == 0 ? ["stateCheck: off"] : ["stateCheck:", "  every: \(stateCheck)"]
        }
        if let maxSkippedSteps { lines.append("maxSkippedSteps: \(maxSkippedSteps)") }
        if let initialWeights { lines.append("init: \(path(initialWeights))") }
        if let checkpoint {
            lines += [
                "checkpoint:", "  every: \(checkpoint.every.map(\.description) ?? "auto")",
                "  keep: \(checkpoint.keep)",
            ]
            if checkpoint.isAsynchronous { lines.append("  asynchronous: true") }
            if let path = checkpoint.path { lines.append("  path: \(Plan.quoted(path))") }
        }
        return lines
    }
}
