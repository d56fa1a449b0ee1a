internal import Models
internal import Plans

/// The optimizer state of matrices and the seconds of their update, where an optimizer treats matrices in a way of their
/// own.
///
/// Muon keeps one moment of the matrices of blocks, and orthogonalises the update of a whole matrix. With a sharded
/// optimizer each rank steps some whole matrices; all other parameters are sharded evenly (Megatron-Core's
/// `LayerWiseDistributedOptimizer`). Adafactor keeps a number for each row and each column of every tensor with two
/// dimensions or more.
///
/// A class, so that works share it; most works have none.
final class MatrixUpdate: Sendable {
    /// Equal matrices of one block on one device.
    struct Matrix: Sendable {
        /// Rows and columns of the whole matrix.
        var rows: Double
        var columns: Double
        /// Ranks that cut the matrix between them, and whether they cut its rows.
        var ranks = 1.0
        var cutsRows = false
        /// Number of such matrices of one block.
        var count: Int
        var isOfExperts = false

        /// Parameters of a rank's slice.
        var held: Double { rows * columns / ranks }

        /// Numbers that Adafactor keeps of a rank's slice.
        var factors: Double { (cutsRows ? rows / ranks + columns : rows + columns / ranks) }
    }

    private let optimizer: Optimizer
    private let state: StateBytes
    /// Matrices of a block of each kind.
    private let blocks: [[Matrix]]
    /// Adafactor's numbers of a block of each kind on one device, and of each end without its table.
    private let factors: [Double]
    private let ends: (embedding: Double, head: Double)

    init(_ layout: Layout, _ optimizer: Optimizer, _ parts: ModelParts, _ state: StateBytes) {
        self.optimizer = optimizer
        self.state = state
        let isMuon = optimizer.name == .muon
        let (tensor, expertTensor) = (Double(layout.tensor), Double(layout.expertTensor))
        // Frozen tensors have neither state nor update; those of adapters have both.
        func tensors(_ block: Block) -> [TensorSpec] {
            let own = [block.norms, block.attention.part, block.feedForward.part, block.prediction].flatMap(\.tensors)
            return block.tuned?.changed(own) ?? own
        }
        func experts(_ block: Block) -> (tensors: [TensorSpec], count: Int) {
            guard let experts = block.feedForward.experts else { return ([], 0) }
            return (
                block.tuned?.changedOfExpert(experts.tensors) ?? experts.tensors,
                max(1, experts.mixture.experts / max(1, layout.expert))
            )
        }
        blocks =
            isMuon
            ? parts.blocks.map { block in
                let routed = experts(block)
                return Self.matrices(tensors(block), ranks: tensor)
                    + Self.matrices(routed.tensors, ranks: expertTensor, copies: routed.count, isOfExperts: true)
            } : parts.blocks.map { _ in [] }
        func factors(_ tensors: [TensorSpec], _ ranks: Double) -> Double {
            tensors.reduce(0) { $0 + Self.factors($1, ranks: ranks) }
        }
        self.factors =
            isMuon
            ? []
            : parts.blocks.map { block in
                let routed = experts(block)
                return factors(tensors(block), tensor)
                    + Double(routed.count) * factors(routed.tensors, expertTensor)
            }
        func whole(_ end: End) -> Double {
            guard end.tuned?.changesOthers ?? true else { return 0 }
            return factors(end.part.tensors.filter { $0.split == .whole }, 1)
        }
        ends = (whole(parts.embedding), whole(parts.head))
    }

    /// The matrices among `tensors`: those with two dimensions that are no norm. Queries, keys and values in one tensor
    /// are matrices of their own (Megatron-Core's `muon_split_qkv`).
    private static func matrices(
        _ tensors: [TensorSpec], ranks: Double, copies: Int = 1, isOfExperts: Bool = false
    ) -> [Matrix] {
        tensors.filter { $0.isMatrix }.map { tensor in
            var matrix = Matrix(
                rows: Double(tensor.shape[0]), columns: Double(tensor.shape[1]), count: copies,
                isOfExperts: isOfExperts)
            switch tensor.split {
            case .whole: break
            case .rows: (matrix.ranks, matrix.cutsRows) = (ranks, true)
            case .groupedRows(let groups):
                (matrix.ranks, matrix.cutsRows) = (ranks, true)
                matrix.rows /= Double(groups)
                matrix.count *= groups
            case .columns(let groups):
                matrix.ranks = ranks
                matrix.columns /= Double(groups)
                matrix.count *= groups
            }
            return matrix
        }
    }

    /// Numbers of a tensor's second moment on one rank: of the last two dimensions one for each row and each column
    /// (torch.optim.Adafactor); of a vector all.
    private static func factors(_ tensor: TensorSpec, ranks: Double) -> Double {
        guard tensor.isTrainable else { return 0 }
        var shape = tensor.shape.map(Double.init)
        switch tensor.split {
        case .whole: break
        case .rows, .groupedRows: shape[0] /= ranks
        case .columns: shape[shape.count - 1] /= ranks
        }
        guard shape.count > 1 else { return shape.first ?? 0 }
        let above = shape.dropLast(2).reduce(1, *)
        return above * (shape[shape.count - 2] + shape[shape.count - 1])
    }

    // MARK: Memory

    /// Parameters of matrices on one device of a rank with this `share`, experts' and others.
    private func held(_ share: PipelineShares.Rank) -> (others: Double, experts: Double) {
        var (others, experts) = (0.0, 0.0)
        for (kind, matrices) in blocks.enumerated() {
            for matrix in matrices {
                let parameters = Double(share.blocks[kind] * matrix.count) * matrix.held
                if matrix.isOfExperts { experts += parameters } else { others += parameters }
            }
        }
        return (others, experts)
    }

    /// Parameters of matrices whose state a rank has: on the mean of the ranks that share them out, and on the fullest.
    func owned(_ share: PipelineShares.Rank, _ work: LayoutWork) -> (mean: Double, fullest: Double) {
        let held = held(share)
        guard work.layout.sharding != .none else {
            return (held.others + held.experts, held.others + held.experts)
        }
        let ranks = Self.ranks(work)
        return (
            held.others / Double(ranks.others) + held.experts / Double(ranks.experts),
            fullest(share, ranks: ranks) { $0.held }
        )
    }

    private static func ranks(_ work: LayoutWork) -> (others: Int, experts: Int) {
        (work.layout.shardRanks, work.device.expertShardGroup.size)
    }

    /// The most of `figure` that a rank has if whole matrices are handed out, the largest first, always to the rank
    /// with least.
    private func fullest(
        _ share: PipelineShares.Rank, ranks: (others: Int, experts: Int), _ figure: (Matrix) -> Double
    ) -> Double {
        func pieces(_ isOfExperts: Bool) -> [(size: Double, count: Int)] {
            blocks.enumerated().flatMap { kind, matrices in
                matrices.filter { $0.isOfExperts == isOfExperts }.map {
                    (figure($0), share.blocks[kind] * $0.count)
                }
            }
        }
        return LargestFirst.fullest(pieces(false), ranks: ranks.others)
            + LargestFirst.fullest(pieces(true), ranks: ranks.experts)
    }

    /// Numbers of Adafactor's factored second moments on a device of a rank with this `share`.
    func factors(of share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        guard optimizer.name == .adafactor else { return 0 }
        var numbers = 0.0
        for kind in factors.indices { numbers += Double(share.blocks[kind]) * factors[kind] }
        let table = Double(work.vocabulary) / work.device.tensor + Double(work.model.tableWidth)
        if share.holdsEmbedding { numbers += ends.embedding + (work.model.changesTable ? table : 0) }
        if share.holdsHead {
            let hasTable =
                work.model.hasHeadTable(holdsEmbedding: share.holdsEmbedding) && work.model.changesHeadTable
            numbers += ends.head + (hasTable ? table : 0)
        }
        return numbers
    }

    /// Bytes of optimizer state in addition to those of `StateBytes.optimizer` for every parameter.
    func optimizerBytes(of share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        guard optimizer.name == .muon else { return 4 * factors(of: share, work) }
        let owned = owned(share, work)
        return state.leastOptimizer * owned.fullest - state.optimizer * owned.mean
    }

    /// Bytes of the whole model's optimizer state in addition to those of `StateBytes.optimizer` for every parameter.
    func wholeBytes(_ work: LayoutWork) -> Double {
        let (parts, model) = (work.parts, work.model)
        var share = PipelineShares.Rank()
        share.blocks = parts.kinds.counts
        let whole = MatrixUpdate(Layout(), optimizer, parts, state)
        guard optimizer.name == .muon else {
            let table = Double(model.vocab + model.tableWidth)
            let blocks = zip(whole.factors, share.blocks).reduce(0) { $0 + $1.0 * Double($1.1) }
            let tables =
                (model.changesTable ? 1.0 : 0) + (!model.tiedEmbeddings && model.changesHeadTable ? 1 : 0)
            return 4 * (blocks + whole.ends.embedding + whole.ends.head + tables * table)
        }
        let held = whole.held(share)
        return (state.leastOptimizer - state.optimizer) * (held.others + held.experts)
    }

    // MARK: Time

    /// Bytes that the update of one rank moves in addition to those that it would move if matrices were as all other
    /// parameters.
    func movedBytes(of share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        guard optimizer.name == .muon else { return 0 }
        let owned = owned(share, work)
        let one = state.gradient + state.moved + state.writtenCopy
        return (one - StateBytes.moved(optimizer.secondMoment)) * owned.fullest - one * owned.mean
    }

    /// Seconds in which one rank orthogonalises the updates of its matrices, with the messages for it.
    func seconds(of share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        guard optimizer.name == .muon else { return 0 }
        let seconds = { (matrix: Matrix) in self.seconds(matrix, work) }
        return fullest(share, ranks: work.layout.sharding == .none ? (1, 1) : Self.ranks(work), seconds)
    }

    /// Seconds of one matrix. A step of the iteration on an m × n matrix X, m ≤ n, is A = XXᵀ, B = bA + cA², X ← aX +
    /// BX: 4m²n + 2m³ FLOPs, in bf16 (Jordan et al. 2024, `zeropower_via_newtonschulz5`).
    private func seconds(_ matrix: Matrix, _ work: LayoutWork) -> Double {
        let rates = work.rates
        let group = matrix.isOfExperts ? work.device.expertTensorGroup : work.device.tensorGroup
        let steps = Double(optimizer.newtonSchulzSteps)
        func products(_ m: Double, _ n: Double) -> Double {
            rates.product(m, m, n, high: true) + rates.product(m, m, m, high: true)
                + rates.product(m, n, m, high: true)
        }
        guard matrix.ranks > 1 else {
            return steps * products(min(matrix.rows, matrix.columns), max(matrix.rows, matrix.columns))
        }
        let (own, other) =
            matrix.cutsRows
            ? (matrix.rows / matrix.ranks, matrix.columns) : (matrix.columns / matrix.ranks, matrix.rows)
        switch optimizer.tensorMode {
        case .blockwise: return steps * products(min(own, other), max(own, other))
        case .duplicated:
            // The fp32 moment is gathered (emerging_optimizers, `newton_schulz_tp`).
            return group.gather(bytes: 4 * matrix.rows * matrix.columns)
                + steps * products(min(matrix.rows, matrix.columns), max(matrix.rows, matrix.columns))
        case .distributed:
            // Each rank's XXᵀ is a part of the sum over the side that ranks cut.
            return steps * (products(other, own) + group.allReduce(bytes: 4 * other * other))
        }
    }

    /// FLOPs in which one rank orthogonalises the updates of its matrices.
    func flops(of share: PipelineShares.Rank, _ work: LayoutWork) -> Double {
        let steps = Double(optimizer.newtonSchulzSteps)
        return fullest(share, ranks: work.layout.sharding == .none ? (1, 1) : Self.ranks(work)) { matrix in
            var (m, n) = (min(matrix.rows, matrix.columns), max(matrix.rows, matrix.columns))
            if matrix.ranks > 1, self.optimizer.tensorMode != .duplicated {
                let (own, other) =
                    matrix.cutsRows
                    ? (matrix.rows / matrix.ranks, matrix.columns) : (matrix.columns / matrix.ranks, matrix.rows)
                (m, n) =
                    self.optimizer.tensorMode == .distributed ? (other, own) : (min(own, other), max(own, other))
            }
            return steps * (4 * m * m * n + 2 * m * m * m)
        }
    }
}

/// The distribution of pieces over ranks by size: the largest first, always to the rank with least.
enum LargestFirst {
    /// Ranks with equal loads.
    private struct Run {
        var load: Double
        var ranks: Int
    }

    /// The load of the fullest of `ranks` ranks.
    static func fullest(_ pieces: [(size: Double, count: Int)], ranks: Int) -> Double {
        guard ranks > 1 else { return pieces.reduce(0) { $0 + $1.size * Double($1.count) } }
        // Ascending loads.
        var runs = [Run(load: 0, ranks: ranks)]
        for piece in pieces.sorted(by: { $0.size > $1.size }) where piece.size > 0 && piece.count > 0 {
            var left = piece.count
            while left > 0 {
                let span = (runs.last?.load ?? 0) - runs[0].load
                if left >= ranks, span <= piece.size {
                    // Every rank gets as many, as long as no rank is fuller than another by more than a piece.
                    let each = left / ranks
                    for index in runs.indices { runs[index].load += Double(each) * piece.size }
                    left -= each * ranks
                    continue
                }
                let taken = min(left, runs[0].ranks)
                let fuller = Run(load: runs[0].load + piece.size, ranks: taken)
                if taken == runs[0].ranks { runs.removeFirst() } else { runs[0].ranks -= taken }
                let place = runs.firstIndex { $0.load >= fuller.load } ?? runs.count
                if place < runs.count, runs[place].load == fuller.load {
                    runs[place].ranks += taken
                } else {
                    runs.insert(fuller, at: place)
                }
                left -= taken
            }
        }
        return runs.last?.load ?? 0
    }
}
