/// One part of a model (an attention, a feed-forward network, the norms of a block, an embedding, a head), described
/// before ranks divide it. Each kind of part has one file; parameters, FLOPs, bytes and seconds are sums over parts.
package struct Part: Hashable, Sendable {
    /// Weights, in their order in memory.
    package var tensors: [TensorSpec] = []
    /// Matrix products that every row passes through.
    package var products: [Product] = []
    /// Tensors that a forward keeps for its backward.
    package var kept: [Kept] = []
    /// Kept tensors, or parts of them, that only products read. They are kept in 8 or 4 bits if these products are in
    /// such a format and a recipe says so.
    package var inputs: [ProductInput] = []
    /// Tensors that are kept between the two halves of a split backward: inputs of products and gradients of their
    /// outputs.
    package var operands: [Stored] = []
    /// Memory-bound kernels of each pass.
    package var forward = Elementwise()
    package var backward = Elementwise()
    /// Exchanges among the ranks that cut the part's matrices.
    package var messages = TensorMessages()
    /// The modules that a backward can compute again by themselves.
    package var recomputations: [Recomputation] = []
    /// Number of kernels of a backward other than its products and the core attention.
    package var otherKernels = 0

    package init() {}
}

/// A matrix product: rows of `inputs` numbers times a matrix give rows of `outputs` numbers.
package struct Product: Hashable, Sendable {
    package var rows: Rows
    package var inputs: Width
    package var outputs: Width

    package init(_ rows: Rows = .all, inputs: Width, outputs: Width) {
        self.rows = rows
        self.inputs = inputs
        self.outputs = outputs
    }

    /// Weights of the whole matrix, which is the number of multiply-adds of one row.
    package var weights: Double { Double(inputs.total) * Double(outputs.total) }

    /// The product's result. Ranks that cut the inputs of a product add up their results; with sequence parallelism
    /// each gets a part of the sum.
    package var result: Extent {
        guard inputs.cut > 0 else { return Extent(rows, outputs) }
        let scattered: Rows =
            switch rows {
            case .all: .scattered
            case .image: .scatteredImage
            case .text: .scatteredText
            default: rows
            }
        return Extent(scattered, outputs)
    }
}

extension Array where Element == Product {
    /// Weights of all products: the multiply-adds of one row.
    package var weights: Double { reduce(0) { $0 + $1.weights } }

    /// Multiply-adds of one token in all products. Those of a sample or of its text are divided among its tokens.
    package func work(_ shares: RowShares) -> Double { reduce(0) { $0 + $1.weights * shares.share($1.rows) } }
}

/// A tensor that the forward keeps for the backward.
package struct Kept: Hashable, Sendable {
    /// Roles of kept tensors that software may treat differently.
    package enum Role: Hashable, Sendable {
        /// The result of a norm, or of the activation of a dense network: cheap to recompute.
        case normResult, activationResult
        /// Rows that the activation of a network reads.
        case activationInput
        /// The activation of a dense network's gate before it is multiplied, which software keeps that runs the two as
        /// kernels of their own.
        case gate
        /// The result of the core attention.
        case attended
        /// Results of experts before the router's weights multiply them.
        case combined
        /// Rows that only the product behind them reads, for the gradient of its weights.
        case productInput
        /// The results of a head, which only the loss reads.
        case logits
        /// Sines and cosines of rows' positions, which software keeps that looks them up for every row.
        case rotary
        /// Rows that a norm reads, in the activations' format. Software that casts them first keeps the cast copy instead.
        case normInput
        /// Rows that a norm reads, cast to fp32.
        case castNormInput
        /// Rows of an RMS norm before its scale, which a norm of several kernels keeps for the gradient of the scale.
        case normalised
        case other
    }

    package var stored: Stored
    package var role: Role
    /// The modules that make the tensor: it is not kept if one of them is recomputed.
    package var madeBy: RecomputeModules
    /// The modules that begin with it. One that is recomputed keeps it in the activations' format, as its input.
    package var readBy: RecomputeModules

    package init(
        _ extent: Extent, _ format: Stored.Format = .activation, times: Double = 1, role: Role = .other,
        madeBy: RecomputeModules = [], readBy: RecomputeModules = []
    ) {
        stored = Stored(extent, format, times: times)
        self.role = role
        self.madeBy = madeBy
        self.readBy = readBy
    }
}

/// A kept tensor, or a part of one, that only products read.
package struct ProductInput: Hashable, Sendable {
    package var extent: Extent
    /// Formula of its numbers in a row.
    package var words: String
    /// The modules that make it: it is not kept if one of them is recomputed.
    package var madeBy: RecomputeModules
    /// The modules that begin with it. One that is recomputed keeps it in the activations' format, as its input.
    package var readBy: RecomputeModules
    /// Whether a backward reads it for gradients of its products' own weights. Adapters read rows in the activations'
    /// format.
    package var isReadBack: Bool

    package init(
        _ extent: Extent, words: String, madeBy: RecomputeModules = [], readBy: RecomputeModules = [],
        isReadBack: Bool
    ) {
        self.extent = extent
        self.words = words
        self.madeBy = madeBy
        self.readBy = readBy
        self.isReadBack = isReadBack
    }

    /// Whether it is kept in the format of its products while `modules` are recomputed by themselves.
    package func isKept(without modules: RecomputeModules) -> Bool {
        isReadBack && madeBy.isDisjoint(with: modules) && readBy.isDisjoint(with: modules)
    }
}

/// The memory-bound work of a pass.
package struct Elementwise: Hashable, Sendable {
    /// Kernels, each as the list of tensors that it reads and writes.
    package var kernels: [[Stored]] = []
    /// Casts to 8 bits, each as the list of tensors that it casts. Only products in 8 bits need them.
    package var casts: [[Extent]] = []

    package init(_ kernels: [[Stored]] = [], casts: [[Extent]] = []) {
        self.kernels = kernels
        self.casts = casts
    }

    /// The work of several parts together.
    init(joining works: [Elementwise]) {
        self.init(works.flatMap(\.kernels), casts: works.flatMap(\.casts))
    }
}

/// An exchange of rows among tensor ranks.
package struct Message: Hashable, Sendable {
    /// Numbers of a row.
    package var width: Int
    package var rows: Rows

    package init(_ width: Int, _ rows: Rows = .all) {
        self.width = width
        self.rows = rows
    }
}

/// Exchanges of rows among the ranks that cut matrices of a part, by the width of a row.
package struct TensorMessages: Hashable, Sendable {
    /// Inputs of the first products. With sequence parallelism they are gathered, and gathered again for the gradients
    /// of weights.
    package var inputs: [Message] = []
    /// Inputs of products that stay whole once they are gathered.
    package var keptInputs: [Message] = []
    /// Tensors that, with sequence parallelism, are gathered for the forward only.
    package var gatheredOnce: [Message] = []
    /// Results, added up on every rank, or scattered with sequence parallelism.
    package var results: [Message] = []
    /// Inputs that every rank has whole, with and without sequence parallelism. A backward adds up their gradients.
    package var wholeInputs: [Message] = []
    /// Numbers in fp32 that a forward adds up on every rank, with and without sequence parallelism.
    package var totals: [Int] = []
    /// Results whose columns ranks gather, with and without sequence parallelism.
    package var columns: [GatheredColumns] = []
    /// Whether rows that sequence parallelism has scattered stay scattered in this part.
    package var staysScattered = false

    /// Exchanges of all rows of the micro-batch.
    package init(
        inputs: [Int] = [], keptInputs: [Int] = [], gatheredOnce: [Int] = [], results: [Int] = [], totals: [Int] = [],
        columns: [GatheredColumns] = [], staysScattered: Bool = false
    ) {
        func all(_ widths: [Int]) -> [Message] { widths.map { Message($0) } }
        self.inputs = all(inputs)
        self.keptInputs = all(keptInputs)
        self.gatheredOnce = all(gatheredOnce)
        self.results = all(results)
        self.columns = columns
        self.totals = totals
        self.staysScattered = staysScattered
    }

    /// Adds the exchanges of another part.
    mutating func add(_ other: TensorMessages) {
        inputs += other.inputs
        keptInputs += other.keptInputs
        gatheredOnce += other.gatheredOnce
        results += other.results
        wholeInputs += other.wholeInputs
        totals += other.totals
        columns += other.columns
    }
}

/// Columns of a product's result, cut among tensor ranks, that every rank gathers.
package struct GatheredColumns: Hashable, Sendable {
    /// Columns of all ranks.
    package var width: Int
    /// Only layouts with more tensor ranks than this gather them.
    package var ranks = 1
    /// Whether ranks add up the gradients of the columns, each for its own. If not, every rank has the gradients of its
    /// rows, and with sequence parallelism the ranks gather them.
    package var areSummedBack = true
}

/// The exchanges of several parts together.
///
/// A class, because a search asks for them many thousand times and passing them on must not copy their lists.
package final class JoinedMessages: Sendable {
    package let inputs: [Message]
    package let keptInputs: [Message]
    package let gatheredOnce: [Message]
    package let results: [Message]
    package let wholeInputs: [Message]
    package let totals: [Int]
    package let columns: [GatheredColumns]
    /// Widths of adapters' results that are added up in a forward, and of their gradients in a backward. With sequence
    /// parallelism the sum of a forward is scattered, and its gradient gathered.
    package let narrow: (forward: [Message], backward: [Message])

    init(_ messages: [TensorMessages], narrow: (forward: [Int], backward: [Int]) = ([], [])) {
        func all(_ widths: [Int]) -> [Message] { widths.map { Message($0) } }
        self.narrow = (all(narrow.forward), all(narrow.backward))
        inputs = messages.flatMap(\.inputs)
        keptInputs = messages.flatMap(\.keptInputs)
        gatheredOnce = messages.flatMap(\.gatheredOnce)
        results = messages.flatMap(\.results)
        wholeInputs = messages.flatMap(\.wholeInputs)
        totals = messages.flatMap(\.totals)
        columns = messages.flatMap(\.columns)
    }
}
