/// A token mixer without a softmax: a recurrence over the tokens, or a convolution.
package enum Mixer: Hashable, Codable, Sendable {
    case mamba2(Mamba2)
    case mamba(Mamba)
    case gatedDeltaNet(GatedDeltaNet)
    case kimiDeltaAttention(KimiDeltaAttention)
    case lightningAttention(LightningAttention)
    case shortConvolution(ShortConvolution)
    case rgLRU(RGLRU)
    case rwkv(RWKV)
    case mLSTM(MLSTM)

    /// The key of the mixer in a plan.
    package var key: String {
        switch self {
        case .mamba2: "mamba2"
        case .mamba: "mamba"
        case .gatedDeltaNet: "gatedDeltaNet"
        case .kimiDeltaAttention: "kimiDeltaAttention"
        case .lightningAttention: "lightningAttention"
        case .shortConvolution: "shortConvolution"
        case .rgLRU: "rgLRU"
        case .rwkv: "rwkv"
        case .mLSTM: "mLSTM"
        }
    }

    /// The sizes that tensor ranks cut between them, by their keys. A convolution over the hidden size cuts that size.
    var cutSizes: [(key: String, value: Int)] {
        switch self {
        case .mamba2(let mixer): [("heads", mixer.heads)] + (mixer.groups > 1 ? [("groups", mixer.groups)] : [])
        case .mamba(let mixer): [("inner", mixer.inner)]
        case .gatedDeltaNet(let mixer): [("keyHeads", mixer.keyHeads), ("valueHeads", mixer.valueHeads)]
        case .kimiDeltaAttention(let mixer): [("heads", mixer.heads)]
        case .lightningAttention(let mixer): [("heads", mixer.heads)]
        case .shortConvolution: []
        case .rgLRU(let mixer): [("blocks", mixer.blocks)]
        case .rwkv(let mixer): [("attentionSize", mixer.attentionSize)]
        case .mLSTM(let mixer): [("heads", mixer.heads)]
        }
    }
}

extension BlockShape {
    /// The token mixer; nil: attention.
    package var mixer: Mixer? { mixers.first }

    /// Whether the block has softmax attention.
    package var hasSoftmax: Bool { halves.hasAttention && (mixers.isEmpty || besideAttention) }

    /// The sizes of the mixer that `find` finds.
    private func found<Sizes>(_ find: (Mixer) -> Sizes?) -> Sizes? { mixers.lazy.compactMap(find).first }

    /// Replaces the mixer that has `key`.
    private mutating func replace(_ key: String, with mixer: Mixer?) {
        mixers.removeAll { $0.key == key }
        if let mixer { mixers.append(mixer) }
        mixers.sort { $0.key < $1.key }
    }

    package var mamba2: Mixer.Mamba2? {
        get { found { if case .mamba2(let sizes) = $0 { sizes } else { nil } } }
        set { replace("mamba2", with: newValue.map(Mixer.mamba2)) }
    }
    package var mamba: Mixer.Mamba? {
        get { found { if case .mamba(let sizes) = $0 { sizes } else { nil } } }
        set { replace("mamba", with: newValue.map(Mixer.mamba)) }
    }
    package var gatedDeltaNet: Mixer.GatedDeltaNet? {
        get { found { if case .gatedDeltaNet(let sizes) = $0 { sizes } else { nil } } }
        set { replace("gatedDeltaNet", with: newValue.map(Mixer.gatedDeltaNet)) }
    }
    package var kimiDeltaAttention: Mixer.KimiDeltaAttention? {
        get { found { if case .kimiDeltaAttention(let sizes) = $0 { sizes } else { nil } } }
        set { replace("kimiDeltaAttention", with: newValue.map(Mixer.kimiDeltaAttention)) }
    }
    package var lightningAttention: Mixer.LightningAttention? {
        get { found { if case .lightningAttention(let sizes) = $0 { sizes } else { nil } } }
        set { replace("lightningAttention", with: newValue.map(Mixer.lightningAttention)) }
    }
    package var shortConvolution: Mixer.ShortConvolution? {
        get { found { if case .shortConvolution(let sizes) = $0 { sizes } else { nil } } }
        set { replace("shortConvolution", with: newValue.map(Mixer.shortConvolution)) }
    }
    package var rgLRU: Mixer.RGLRU? {
        get { found { if case .rgLRU(let sizes) = $0 { sizes } else { nil } } }
        set { replace("rgLRU", with: newValue.map(Mixer.rgLRU)) }
    }
    package var rwkv: Mixer.RWKV? {
        get { found { if case .rwkv(let sizes) = $0 { sizes } else { nil } } }
        set { replace("rwkv", with: newValue.map(Mixer.rwkv)) }
    }
    package var mLSTM: Mixer.MLSTM? {
        get { found { if case .mLSTM(let sizes) = $0 { sizes } else { nil } } }
        set { replace("mLSTM", with: newValue.map(Mixer.mLSTM)) }
    }
}
