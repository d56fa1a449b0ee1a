extension BlockTuning {
    /// Whether the weights of a module stay as they are. Names are relative to the block.
    package func freezes(_ module: String) -> Bool { isFrozen || frozen.contains { Self.part($0, holds: module) } }

    /// Whether a module has an adapter.
    package func adapts(_ module: String) -> Bool {
        lora?.targetModules.contains { LoRA.names($0, module) } ?? false
    }

    /// Whether training changes the weights of a module, or an adapter beside them, so that a backward needs the
    /// module's inputs.
    package func learns(_ module: String) -> Bool { !freezes(module) || adapts(module) }

    private static func part(_ part: FrozenPart, holds tensor: String) -> Bool {
        let module = tensor.hasSuffix(".bias") ? String(tensor.dropLast(5)) : tensor
        let last = module.split(separator: ".").last ?? ""
        let isNorm = last.contains("norm") || last.hasPrefix("ln_")
        let isFeedForward = module.hasPrefix("mlp.")
        return switch part {
        case .norms: isNorm || module == "extra"
        case .attention: !isFeedForward && module.contains(".")
        case .feedForward: isFeedForward
        case .router: module.hasPrefix("mlp.gate") && !module.hasPrefix("mlp.gate_")
        case .experts: module.hasPrefix("mlp.experts.")
        case .embedding, .head, .layers: false
        }
    }
}

extension BlockShape {
    /// Whether a backward needs the inputs of any of these modules.
    package func learns(_ modules: String...) -> Bool { tuning.map { modules.contains(where: $0.learns) } ?? true }

    /// Whether training changes the own weights of a module.
    func changes(_ module: String) -> Bool { tuning.map { !$0.freezes(module) } ?? true }
}

extension LoRA {
    /// Megatron-LM's names of products, each with the endings of the checkpoint's names of its matrices.
    static let fused: [(name: String, modules: [String])] = [
        ("linear_qkv", ["q_proj", "k_proj", "v_proj", "g_proj", "c_attn"]),
        ("linear_proj", ["o_proj", "attn.c_proj"]),
        ("linear_fc1", ["gate_proj", "up_proj", "c_fc"]),
        ("linear_fc2", ["down_proj", "mlp.c_proj"]),
    ]

    /// Whether `target` names one product of Megatron-LM, whose matrices have one A together.
    static func isFused(_ target: String) -> Bool { fused.contains { $0.name == target } }

    /// Whether `target` names a module: by the end of its name, as PEFT matches, or by Megatron-LM's name.
    package static func names(_ target: String, _ module: String) -> Bool {
        if target == allLinear { return true }
        if let fused = fused.first(where: { $0.name == target }) { return fused.modules.contains { ends(module, $0) } }
        return ends(module, target)
    }

    /// A matrix that this project cuts into several (`in_proj.x`) counts as the one of the checkpoint.
    private static func ends(_ module: String, _ name: String) -> Bool {
        module == name || module.hasSuffix("." + name) || module.contains("." + name + ".")
    }

    /// The targets that name some of these modules: ends of their names, then Megatron-LM's names.
    package static func names(of modules: [String]) -> [String] {
        var seen: Set<String> = []
        let ends = modules.map { String($0.split(separator: ".").last ?? "") }.filter { seen.insert($0).inserted }
        return ends + fused.map(\.name).filter { name in modules.contains { names(name, $0) } } + [allLinear]
    }

    /// The adapters of a product.
    /// - Parameters:
    ///   - tensors: the product's matrices; none: it has no adapter.
    ///   - prefix: beginning of the matrices' names where these are relative to an expert.
    func adapters(of product: Product, _ tensors: [TensorSpec], prefix: String = "") -> [Adapter] {
        var taken: Set<String> = []
        return targetModules.flatMap { target -> [Adapter] in
            let named = tensors.filter { Self.names(target, prefix + $0.module) && taken.insert($0.module).inserted }
            guard named.count > 1, Self.isFused(target) else {
                return named.map { Adapter(name: $0.module, product: product, tensors: [$0], rank: rank) }
            }
            let path = named[0].module.split(separator: ".").dropLast().map { $0 + "." }.joined()
            return [Adapter(name: path + target, product: product, tensors: named, rank: rank)]
        }
    }
}
