/// The modules of a block that a backward can compute again by themselves, by Megatron-Core's names (`--recompute-modules`,
/// transformer_config.py).
package struct RecomputeModules: OptionSet, Hashable, Codable, Sendable {
    /// One module.
    package enum Name: String, CaseIterable, Sendable {
        /// Scores, softmax and the weighted sum of the values.
        case coreAttention = "core_attn"
        /// The activation of the routed experts.
        case expertActivation = "moe_act"
        /// The norms before both halves.
        case norms = "layernorm"
        /// The products that make queries, keys and values of latent attention, and their rotary positions.
        case latentProjections = "mla_up_proj"
        /// A dense feed-forward network.
        case network = "mlp"
        /// Router, experts and shared experts, with the exchanges of rows.
        case mixture = "moe"
        /// The networks beside the routed experts.
        case sharedExperts = "shared_experts"

        package var module: RecomputeModules {
            switch self {
            case .coreAttention: .coreAttention
            case .expertActivation: .expertActivation
            case .norms: .norms
            case .latentProjections: .latentProjections
            case .network: .network
            case .mixture: .mixture
            case .sharedExperts: .sharedExperts
            }
        }

        /// The part of a block without which the module does not exist.
        package var subject: String {
            switch self {
            case .coreAttention: "softmax attention"
            case .expertActivation, .mixture: "experts"
            case .norms: "norms before its halves"
            case .latentProjections: "latent attention"
            case .network: "dense feed-forward network"
            case .sharedExperts: "shared experts"
            }
        }
    }

    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let coreAttention = RecomputeModules(rawValue: 1)
    package static let expertActivation = RecomputeModules(rawValue: 2)
    package static let norms = RecomputeModules(rawValue: 4)
    package static let latentProjections = RecomputeModules(rawValue: 8)
    package static let network = RecomputeModules(rawValue: 16)
    package static let mixture = RecomputeModules(rawValue: 32)
    package static let sharedExperts = RecomputeModules(rawValue: 64)
    /// Norms that one product alone reads, which some software computes inside that product. With `norms` they are all norms
    /// before halves.
    package static let fusibleNorms = RecomputeModules(rawValue: 128)

    /// Modules whose products run again with them, and keep their inputs as a forward does.
    package static let withProducts: RecomputeModules = [.network, .mixture, .sharedExperts]

    /// No module. A name, because a search asks for it often and an empty literal of a set is slow.
    package static let nothing: RecomputeModules = []

    package init(_ names: [Name]) { self = names.reduce(into: []) { $0.formUnion($1.module) } }

    /// The modules that software recomputes: without norms inside products if it has such.
    package func recomputed(fusesNorms: Bool) -> RecomputeModules {
        guard self != .nothing else { return self }
        return contains(.norms) && !fusesNorms ? union(.fusibleNorms) : self
    }

    /// Whether one of these modules has the name.
    package func has(_ name: Name) -> Bool {
        !isDisjoint(with: name == .norms ? [.norms, .fusibleNorms] : name.module)
    }

    /// The modules, in the order of `Name`.
    package var names: [Name] { Name.allCases.filter { contains($0.module) } }

    /// The modules' names with commas between them.
    package var words: String { names.map(\.rawValue).joined(separator: ", ") }

    /// The modules as a plan states them: `[core_attn, mlp]`.
    package var written: String { "[\(words)]" }
}

/// The work of a backward that computes one module of a part again, and the words of its formulas.
package struct Recomputation: Hashable, Sendable {
    package var module: RecomputeModules
    /// Products that every row passes through again.
    package var products: [Product] = []
    /// Products of adapters that every row passes through again.
    package var adapters: [Product] = []
    /// The part of `products` whose weights are stored in few bits.
    package var quantized: [Product] = []
    /// Widths of the adapters' results that tensor ranks add up again.
    package var narrow: [Int] = []
    /// Whether the products of the routed experts run again, and rows travel to them and back again.
    package var repeatsExperts = false
    /// Memory-bound kernels that run again.
    package var work = Elementwise()
    /// Exchanges among tensor ranks that happen again, in the direction of a forward.
    package var messages = TensorMessages()
    /// Formula of a row's bytes that are not kept; nil: none.
    package var freed: String?
    /// Formulas of the weights that a token is multiplied by again.
    package var weights: [String] = []

    init(
        _ module: RecomputeModules, products: [Product] = [], repeatsExperts: Bool = false, work: Elementwise,
        messages: TensorMessages = TensorMessages(), freed: String?, weights: [String] = []
    ) {
        self.module = module
        self.products = products
        self.repeatsExperts = repeatsExperts
        self.work = work
        self.messages = messages
        self.freed = freed
        self.weights = weights
    }
}
