internal import Reading

extension Framework {
    /// Properties of a generation of software, in the field's words. A file or a plan that extends another and changes one of
    /// them changes the constants that it stands for, unless it states these itself.
    package struct Properties: Hashable, Codable, Sendable {
        /// Whether norms are one kernel each.
        package var fusedNorms = true
        /// Whether the activation of a gate and its product with the other half are one kernel.
        package var fusedActivations = true
        /// Whether a compiler fuses elementwise work (torch.compile, XLA).
        package var compiled = false
        /// Whether kernels are launched from captured graphs, so that the host does not launch them one by one.
        package var cudaGraphs = false
        package var expertKernels = ExpertKernels.grouped

        package init() {}
    }

    /// Products of the experts of a rank.
    package enum ExpertKernels: String, Hashable, Codable, CaseIterable, Sendable {
        /// One kernel for all experts.
        case grouped
        /// One product after another.
        case sequential
    }

    /// Kernels of attention that keep no scores.
    package enum AttentionKernel: String, Hashable, Codable, CaseIterable, Sendable {
        case first = "flash-1"
        case second = "flash-2"
        case third = "flash-3"
        case cudnn

        /// Rate as a multiple of the device's curve. FlashAttention-1 is about half as fast as its successor (Dao 2023);
        /// FlashAttention-2's is that of PyTorch software whose runs are published (`frameworks/torch-fsdp.yaml`).
        var rate: Double {
            switch self {
            case .first: 0.6
            case .second: 0.7
            case .third, .cudnn: 1
            }
        }

        /// Whether it is written for no device in particular.
        var isPortable: Bool { self == .first || self == .second }
    }
}

extension Framework {
    /// Whether a norm is several kernels, each of which keeps what its own backward reads. A compiler fuses them, and norms
    /// inside products are one kernel with these.
    package var runsNormsInSteps: Bool { !properties.fusedNorms && !properties.compiled && !fusesNorms }

    /// Whether a gate is activated in one kernel and multiplied in another, whose backward reads the activation's result.
    package var runsGatesInSteps: Bool { !properties.fusedActivations && !properties.compiled }
}

extension Framework.Properties {
    /// Elementwise traffic with norms in eager PyTorch over that with one kernel a norm: layouts of one model on one machine
    /// with both (Hagemann et al. 2023; `frameworks/aleph-alpha-eager.yaml` over `frameworks/aleph-alpha.yaml`).
    static let unfusedNorms = 1.35
    /// Elementwise traffic of compiled PyTorch over that of eager PyTorch: torchtitan over torch-fsdp.
    static let compiledTraffic = 0.66
    /// Rate of products one after another over that of grouped ones: the published mixtures of `frameworks/mindspeed.yaml`.
    static let sequentialExperts = 0.59
    /// Seconds in which the host launches a block's forward and backward, and its work around a micro-batch, without graphs:
    /// those of `frameworks/megatron-core.yaml`.
    static let launches = (forward: 0.6e-3, backward: 0.3e-3, microbatch: 0.5e-3)
    /// Seconds in which the host launches the graphs of a micro-batch: that of `frameworks/megatron-core-graphs.yaml`.
    static let graphLaunches = (forward: 0.0, backward: 0.0, microbatch: 0.1e-3)
}

extension FieldReader {
    /// Reads yes or no, which properties are asked by, or true or false.
    fileprivate func answer(_ key: String) -> Bool? {
        word(ifAmong: ["yes", "no"], key).map { $0 == "yes" } ?? flag(key)
    }
}

extension Framework {
    /// Reads the properties, and changes the constants that they stand for where the file does not state these.
    /// - Parameter extends: whether the file extends another, whose constants these are.
    mutating func readProperties(_ reader: FieldReader, stated: Set<Constant>, extends: Bool) {
        let base = properties
        properties.fusedNorms = reader.answer("fusedNorms") ?? properties.fusedNorms
        properties.fusedActivations = reader.answer("fusedActivations") ?? properties.fusedActivations
        properties.compiled = reader.answer("compiled") ?? properties.compiled
        properties.cudaGraphs = reader.answer("cudaGraphs") ?? properties.cudaGraphs
        properties.expertKernels =
            reader.choice("expertKernels", of: ExpertKernels.self) ?? properties.expertKernels
        if let usesBuffers = reader.answer("userBuffers") {
            abilities.tensorOverlap = usesBuffers ? .userBuffers : .chunks
        }
        if let isFused = reader.answer("fusedLoss"), !stated.contains(.logitBytes) {
            set(.logitBytes, isFused ? 6 : 10)
        }
        guard extends else { return }
        // Traffic is counted at its minimum: what is fused already, another way of fusing does not lower.
        func change(_ constant: Constant, by factor: Double) {
            guard !stated.contains(constant) else { return }
            set(constant, constant == .elementwise ? max(1, self[constant] * factor) : self[constant] * factor)
        }
        if properties.fusedNorms != base.fusedNorms {
            change(.elementwise, by: base.fusedNorms ? Properties.unfusedNorms : 1 / Properties.unfusedNorms)
        }
        if properties.compiled != base.compiled {
            change(.elementwise, by: base.compiled ? 1 / Properties.compiledTraffic : Properties.compiledTraffic)
        }
        if properties.expertKernels != base.expertKernels {
            let isSlower = properties.expertKernels == .sequential
            change(.experts, by: isSlower ? Properties.sequentialExperts : 1 / Properties.sequentialExperts)
        }
        if properties.cudaGraphs != base.cudaGraphs {
            let launches = properties.cudaGraphs ? Properties.graphLaunches : Properties.launches
            for (constant, seconds) in [
                (Constant.hostForward, launches.forward), (.hostBackward, launches.backward),
                (.hostMicrobatch, launches.microbatch),
            ] where !stated.contains(constant) { set(constant, seconds) }
        }
    }

    /// Reads a kernel's name under `attention`.
    /// - Returns: whether there is a word, rather than the kernel's rate as a number.
    mutating func readAttentionKernel(_ reader: FieldReader) -> Bool {
        guard let text = reader.scalar("attention"), text.first?.isLetter == true else { return false }
        if let kernel = reader.choice("attention", of: AttentionKernel.self) {
            portableAttention = kernel.isPortable
            set(.attention, kernel.rate)
        }
        return true
    }

    /// States `constant`, which then is not inherited.
    private mutating func set(_ constant: Constant, _ value: Double) {
        self[constant] = min(max(value, constant.range.lowerBound), constant.range.upperBound)
        own.insert(constant)
    }
}
