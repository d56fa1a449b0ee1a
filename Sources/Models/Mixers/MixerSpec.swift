/// A token mixer as lists: what one product computes from the residual stream, what runs between, and the product
/// that leads back. Parameters, products, bytes and formulas are sums over these lists.
package struct MixerSpec: Hashable, Sendable {
    /// The name in explanations.
    package var name: String
    /// Source of the tensors and of the recurrence.
    package var source: String
    /// Beginning of the tensors' names.
    var prefix: String
    /// The sizes that the formulas name.
    var sizes: [SizeSymbol]
    /// Columns that are computed from the residual stream. Tensor ranks cut each of them apart, so each is a tensor of its own,
    /// where a checkpoint may join several in one.
    var inputs: [Columns]
    var convolution: Convolution?
    /// Products between the first and the last.
    var inner: [Inner] = []
    var vectors: [Vector] = []
    /// Numbers of a row that the last product reads, cut by tensor ranks.
    var result: Sized
    var output = "out_proj"
    var hasOutputBias = false
    /// Numbers of a row that are kept for the backward in addition to results of products, cut by tensor ranks: in the
    /// activations' format, and in fp32.
    var kept: Sized
    var keptSingle = Sized.none
    /// Numbers of a row of inputs that are kept in addition, whole.
    var keptWhole = Sized.none
    /// Memory-bound kernels of each pass.
    var forward: [[Stored]] = []
    var backward: [[Stored]] = []
    package var scan: Scan

    /// Outputs of a product that reads the residual stream.
    struct Columns: Hashable, Sendable {
        var name: String
        var width: Sized
        /// Whether tensor ranks cut the outputs. If not, each computes all.
        var isCut = true
        var hasBias = false
        /// Whether the convolution reads them.
        var isConvolved = false
    }

    /// A convolution along the sequence, with weights of its own for every number of a row.
    struct Convolution: Hashable, Sendable {
        var name = "conv1d"
        var kernel: Sized
        var hasBias = false
    }

    /// A product inside the mixer.
    struct Inner: Hashable, Sendable {
        var name: String
        var inputs: Sized
        /// Ranks that cut the inputs add up their results; those that do not cut the inputs cut the outputs.
        var inputsAreCut = false
        /// Whether the matrix is block-diagonal, with as many inputs in all as outputs; `inputs` are those of a block.
        var isDiagonal = false
        var outputs: Sized
        var hasBias = false
        /// Whether its result is kept for the backward.
        var isKept = true
    }

    /// A tensor without a product.
    struct Vector: Hashable, Sendable {
        var name: String
        var length: Sized
        var isCut = true
        var start = TensorSpec.Start.zeros
    }
}

extension MixerSpec {
    /// Numbers of a row of the first product: those that ranks cut, and those that each computes.
    var cutInputs: Sized { inputs.filter(\.isCut).map(\.width).total }
    var wholeInputs: Sized { inputs.filter { !$0.isCut }.map(\.width).total }
    private func convolved(isCut: Bool) -> Sized {
        inputs.filter { $0.isConvolved && $0.isCut == isCut }.map(\.width).total
    }
    var cutConvolved: Sized { convolved(isCut: true) }
    var wholeConvolved: Sized { convolved(isCut: false) }

    /// Multiply-adds of a token in the convolution.
    var convolutionWork: Sized { (convolution?.kernel ?? .none) * (cutConvolved + wholeConvolved) }

    /// Numbers in rows of the micro-batch, cut by tensor ranks.
    static func rows(_ cut: Sized, whole: Sized = .none, times: Double = 1) -> Stored {
        Stored(Extent(.all, cut: cut.value, whole: whole.value), times: times)
    }
}

extension MixerSpec {
    /// Adds the kernels of the convolution, which reads and writes its rows, and whose backward also reads a gradient.
    /// - Parameter isRepeated: whether a backward computes the convolution again.
    mutating func addConvolution(isRepeated: Bool) {
        func traffic(_ times: Double) -> [Stored] { [Self.rows(cutConvolved, whole: wholeConvolved, times: times)] }
        forward.append(traffic(2))
        backward.append(traffic(isRepeated ? 5 : 3))
    }

    /// The token mixer of a block of `model`; nil: attention.
    package static func of(_ model: Model) -> MixerSpec? {
        guard let mixer = model.block.mixer, model.block.halves.hasAttention else { return nil }
        return switch mixer {
        case .mamba2(let sizes): mamba2(sizes)
        case .mamba(let sizes): mamba(sizes)
        case .gatedDeltaNet(let sizes): gatedDeltaNet(sizes)
        case .kimiDeltaAttention(let sizes): kimiDeltaAttention(sizes)
        case .lightningAttention(let sizes): lightningAttention(sizes)
        case .shortConvolution(let sizes): shortConvolution(sizes, hidden: model.hidden)
        case .rgLRU(let sizes): rgLRU(sizes)
        case .rwkv(let sizes): rwkv(sizes, hidden: model.hidden)
        case .mLSTM(let sizes): mLSTM(sizes)
        }
    }
}
