/// The optimizer of a training run, and the formats of the values that it keeps for every parameter.
///
/// The standard is AdamW with two fp32 moments, and fp32 master weights beside 16-bit ones (Micikevicius et al. 2018).
package struct Optimizer: Hashable, Codable, Sendable {
    package enum Name: String, Hashable, Codable, Sendable, CaseIterable {
        /// Two moments (Loshchilov and Hutter 2019).
        case adamw
        /// One moment of the blocks' matrices, whose update is orthogonalised; AdamW for all other parameters (Jordan et
        /// al. 2024; Liu et al. 2025, Moonlight, section 2.2).
        case muon
        /// A second moment of one number for each row and each column of a matrix (Shazeer and Stern 2018).
        case adafactor
        /// One moment, of which the update takes the sign (Chen et al. 2023).
        case lion
        /// One moment with momentum, none without.
        case sgd
    }

    /// Number format of a moment.
    package enum Moment: String, Hashable, Codable, Sendable, CaseIterable {
        case fp32, fp16, bf16
        /// 8 bits with one scale for each tensor (Transformer Engine's FusedAdam).
        case fp8
        /// 8 bits with an fp32 scale for each block of 256 numbers (Dettmers et al. 2022; bitsandbytes, torchao).
        case eightBit = "8bit"

        /// Bytes of a number, with its part of a scale.
        package var bytes: Double {
            switch self {
            case .fp32: 4
            case .fp16, .bf16: 2
            case .fp8: 1
            case .eightBit: 1 + 4.0 / 256
            }
        }
    }

    /// The values that the optimizer steps, beside the weights that products read.
    package enum Master: String, Hashable, Codable, Sendable, CaseIterable {
        case fp32
        /// fp16 with one scale for each tensor (Transformer Engine's `master_weight_dtype`).
        case fp16
        /// The low 16 bits of fp32 weights whose high 16 bits are the bf16 weights (`store_param_remainders`).
        case remainders
        /// The weights themselves are stepped.
        case none

        /// Bytes of a number.
        package var bytes: Double {
            switch self {
            case .fp32: 4
            case .fp16, .remainders: 2
            case .none: 0
            }
        }
    }

    /// The way in which tensor ranks orthogonalise a matrix that they cut between them (Megatron-Core's
    /// `--muon-tp-mode`).
    package enum TensorMode: String, Hashable, Codable, Sendable, CaseIterable {
        /// Each rank orthogonalises its own slice, which is another update than that of the whole matrix.
        case blockwise
        /// Every rank gathers the matrix and orthogonalises all of it.
        case duplicated
        /// Ranks add up the products of their slices in every step.
        case distributed
    }

    package var name = Name.adamw
    package var firstMoment = Moment.fp32
    package var secondMoment = Moment.fp32
    package var master = Master.fp32
    /// Whether SGD or Adafactor keep a first moment; the others always do.
    package var momentum = true
    /// Steps of Muon's Newton–Schulz iteration.
    package var newtonSchulzSteps = 5
    package var tensorMode = TensorMode.duplicated

    package init(_ name: Name = .adamw) {
        self.name = name
        momentum = name != .adafactor
    }

    /// Whether every parameter, or every one outside the blocks' matrices, has a moment of the first and of the second
    /// kind of its own.
    package var keepsFirst: Bool { momentum }
    package var keepsSecond: Bool { name == .adamw || name == .muon }

    /// Whether parameters of matrices have other bytes than all others.
    package var isOfMatrices: Bool { name == .muon || name == .adafactor }
}

extension Optimizer {
    /// The kinds of sharding that can hold the optimizer's state.
    ///
    /// Muon steps whole matrices. A sharded optimizer gives each rank some of them (Megatron-Core's layer-wise
    /// distributed optimizer), while sharded gradients and parameters leave no rank a whole one; Megatron-Core refuses
    /// Muon with FSDP. Adafactor takes means over rows and columns, which no shard of a flat buffer has.
    package var sharding: [Layout.Sharding] {
        switch name {
        case .adamw, .lion, .sgd: Layout.Sharding.allCases
        case .muon: [.none, .optimizer]
        case .adafactor: [.none]
        }
    }
}
