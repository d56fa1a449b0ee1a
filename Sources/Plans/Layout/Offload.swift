internal import Numbers

extension Layout {
    /// Parts of a run that devices keep in the memory of their host.
    package struct Offload: Hashable, Codable, Sendable {
        /// The blocks whose activations are copied to the host.
        package enum Activations: Hashable, Codable, Sendable {
            case none
            case all
            /// The first blocks of every stage (Megatron-LM's `--cpu-offloading-num-layers`).
            case first(Int)
        }

        /// The parts of a layout that software may be able to offload.
        package enum Part: String, Hashable, Codable, Sendable, CaseIterable {
            case optimizer, gradients, parameters, activations
        }

        /// Share of the parameters whose optimizer state is in host memory and which the host steps (Megatron-LM's
        /// `--optimizer-cpu-offload` and `--optimizer-offload-fraction`; DeepSpeed's `offload_optimizer`).
        package var optimizer = 0.0
        /// Whether sharded gradients are added up in host memory (DeepSpeed's ZeRO-Offload).
        package var gradients = false
        /// Whether sharded parameters are in host memory (DeepSpeed's `offload_param`; PyTorch's `CPUOffloadPolicy`).
        package var parameters = false
        package var activations = Activations.none
        /// Whether gradients, steps and weights of different parameters are copied and computed at once (Megatron-LM's
        /// `--overlap-cpu-optimizer-d2h-h2d`).
        package var overlap = true

        package init() {}

        package init(
            optimizer: Double = 0, gradients: Bool = false, parameters: Bool = false,
            activations: Activations = .none, overlap: Bool = true
        ) {
            (self.optimizer, self.gradients, self.parameters) = (optimizer, gradients, parameters)
            (self.activations, self.overlap) = (activations, overlap)
        }

        package var isEmpty: Bool { parts.isEmpty }

        /// Whether the host keeps shards of gradients or parameters.
        package var needsShards: Bool { gradients || parameters }

        /// Whether parameters, gradients and the whole optimizer are offloaded together, or none of them.
        package var hasStateWhole: Bool { gradients == parameters && optimizer == (parameters ? 1 : 0) }

        /// The parts that are offloaded, in the order of the keys.
        package var parts: [Part] {
            var parts: [Part] = []
            if optimizer > 0 { parts.append(.optimizer) }
            if gradients { parts.append(.gradients) }
            if parameters { parts.append(.parameters) }
            if activations != .none { parts.append(.activations) }
            return parts
        }

        /// Keys and values, in the order of a file.
        package var fields: [(key: String, value: String)] {
            var fields: [(String, String)] = []
            if optimizer > 0 { fields.append(("optimizer", optimizer == 1 ? "true" : "\(optimizer)")) }
            if gradients != parameters { fields.append(("gradients", "\(gradients)")) }
            if parameters { fields.append(("parameters", "true")) }
            switch activations {
            case .none: break
            case .all: fields.append(("activations", "true"))
            case .first(let count): fields.append(("activations", "\(count)"))
            }
            if !overlap { fields.append(("overlap", "false")) }
            return fields
        }

        package var yaml: String { yaml(statesOverlap: false) }

        /// - Parameter statesOverlap: whether the default of `overlap` is written too.
        func yaml(statesOverlap: Bool) -> String {
            let stated = statesOverlap && overlap && optimizer > 0 ? [("overlap", "true")] : []
            return "{\((fields + stated).map { "\($0.0): \($0.1)" }.joined(separator: ", "))}"
        }

        /// The offloaded parts in words: `half of the optimizer, gradients, activations of 4 blocks a stage`.
        package var words: String {
            parts.map { part in
                switch part {
                case .optimizer:
                    optimizer == 1
                        ? "optimizer" : "\(Figures.plain((1000 * optimizer).rounded() / 10)) % of the optimizer"
                case .gradients, .parameters: part.rawValue
                case .activations:
                    if case .first(let count) = activations {
                        "activations of \(count) block\(count == 1 ? "" : "s") a stage"
                    } else {
                        "activations"
                    }
                }
            }.joined(separator: ", ") + (optimizer > 0 && !overlap ? ", one after the other" : "")
        }
    }

    /// Share of the optimizer's state that is in host memory.
    package var offloadedOptimizer: Double { offload?.optimizer ?? 0 }
    /// Whether sharded gradients are in host memory.
    package var offloadsGradients: Bool { offload?.gradients ?? false }
    /// Whether sharded parameters are in host memory.
    package var offloadsParameters: Bool { offload?.parameters ?? false }
    /// Whether the activations of all blocks are copied to the host.
    package var offloadsAllActivations: Bool { offload?.activations == .all }
    /// Blocks of every stage whose activations are copied to the host, if they are not all.
    package var offloadedBlocks: Int? {
        if case .first(let count) = offload?.activations { count } else { nil }
    }

    /// The blocks that are told apart from the others of their stage: those whose activations are offloaded, or those that
    /// are recomputed.
    package var marked: RecomputedBlocks { offloadedBlocks.map(RecomputedBlocks.first) ?? recomputed }
    /// Whether some blocks are told apart from the others because they keep other tensors.
    package var marksSome: Bool { offloadedBlocks != nil || recomputed.keepsSome }
}
