import Models
import Plans

/// The tensors that the backward of norms in eager PyTorch reads, operation by operation (Hugging Face, `LlamaRMSNorm`): the fp32 copy of
/// the rows, for the square and for the product with the inverse root, and the normalised rows in the activations' format, for
/// the gradient of the scale. The rows themselves are read by the cast alone, which keeps nothing. LayerNorm is one kernel.
struct CountedNorms {
    private let w: Double
    private let h: Double
    private let scalesAreTrained: Bool

    /// Shipped software whose norms are not one kernel each.
    static let software: Set = ["torch-ddp", "torch-fsdp", "aleph-alpha-eager"]

    /// nil for software whose norms are one kernel each.
    init?(_ plan: Plan, _ layout: Layout, elementBytes w: Double, scalesAreTrained: Bool = true) {
        guard Self.software.contains(plan.framework(for: layout).name) else { return nil }
        (self.w, h) = (w, Double(plan.model.hidden))
        guard (plan.model.norm ?? (plan.model.family == .gpt ? .layerNorm : .rmsNorm)) == .rmsNorm else { return nil }
        self.scalesAreTrained = scalesAreTrained
    }

    /// Whether rows are cast before norms read them.
    var casts: Bool { w < 4 }

    /// Bytes of `norms` norms of `rows` rows beyond those of norms in one kernel.
    /// - Parameter inputs: tensors that they read.
    func more(_ norms: Double, inputs: Double, rows: Double) -> Double {
        let copies = casts ? 4 * norms - w * inputs : 0
        return rows * h * (copies + (scalesAreTrained ? w * norms : 0))
    }

    /// Bytes of a block beyond those of a block whose norms are one kernel each.
    /// - Parameters:
    ///   - rows: rows of the residual stream.
    ///   - again: whether the norms before halves are computed again by themselves, from the rows that they read.
    func more(_ shape: BlockShape, isModule: Bool, rows: Double, again: Bool) -> Double {
        let halves: Double = shape.halves == .both ? 2 : 1
        var sum = isModule ? more(3, inputs: 3, rows: rows) : 0
        if shape.norms != .post, !again {
            let norms = shape.isJoined && shape.readsOneNorm ? 1 : halves
            sum += more(norms, inputs: shape.isJoined ? 1 : halves, rows: rows)
        }
        if shape.norms != .pre { sum += more(halves, inputs: halves, rows: rows) }
        return sum
    }

    /// Bytes of one norm that is computed again, with its result.
    func ofOne(rows: Double) -> Double { rows * h * w + more(1, inputs: 0, rows: rows) }
}

/// Tensors that the backward of a gated network in eager PyTorch reads in addition (Hugging Face, `LlamaMLP`): the activation is one
/// operation and the product with the gate another, whose two operands are kept. One of them is the activation's result, which
/// is neither an input of the network's activation nor the input of its last matrix.
enum CountedGates {
    /// Shipped software whose gates are not one kernel.
    static let software: Set = [
        "torch-ddp", "torch-fsdp", "llm-foundry", "nanotron", "aleph-alpha", "aleph-alpha-eager",
    ]

    /// Elements of a dense network of this width.
    static func more(_ plan: Plan, _ layout: Layout, _ shape: BlockShape, width: Double, rows: Double) -> Double {
        software.contains(plan.framework(for: layout).name) && shape.ways == 2 ? rows * width : 0
    }
}
