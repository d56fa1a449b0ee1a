import Models
import Plans
import Schedules
import TestSupport
import Numbers

/// A vocabulary that all stages divide, counted from the authors' code (github.com/sail-sg/VocabularyParallelism): one
/// micro-batch on one device.
struct VocabularyByHand {
    private let rows: Double
    private let ownRows: Double
    private let hidden: Double
    private let w: Double
    private let layout: Layout
    private let model: Model

    init(_ model: Model, _ layout: Layout, elementBytes w: Double) {
        self.w = w
        self.model = model
        self.layout = layout
        rows = Double(layout.microbatch * model.sequence) / Double(layout.context)
        ownRows = layout.sequenceParallel ? rows / Double(layout.tensor) : rows
        hidden = Double(model.hidden)
    }

    /// Entries that all tensor ranks of all stages divide: padded to a multiple of `make_vocab_size_divisible_by` times the
    /// tensor degree, and that argument is a multiple of all these ranks (`arguments.py`; `_vocab_size_with_padding`).
    static func paddedEntries(_ model: Model, _ layout: Layout) -> Int {
        var multiple = 128
        while multiple % (layout.tensor * layout.pipeline) != 0 { multiple += 128 }
        var entries = model.vocab
        while entries % (multiple * layout.tensor) != 0 { entries += 1 }
        return entries
    }

    /// Bytes sent to tensor ranks: rows found by lookups, added up or scattered (and gathered back); input of the logits
    /// gathered and its gradient scattered, or that gradient added up; three fp32 numbers of each row added up. The fused
    /// pass exchanges the gradient in two tensors (`softmax_grad_input`, `ground_truth_grad_input`).
    func tensorBytes(_ way: VocabularyParallel) -> Double {
        let t = Double(layout.tensor)
        let once = w * rows * hidden * (t - 1) / t
        let gradient = layout.sequenceParallel ? once : 2 * once
        let input = layout.sequenceParallel ? once : 0
        let fused: Double = way == .oneBarrier ? 2 : 1
        return 2 * once + input + fused * gradient + 3 * 2 * 4 * rows * (t - 1) / t
    }

    /// Bytes sent to the other stages: the output in fp32 with a gradient of each row's loss broadcast, three fp32 numbers
    /// of each row and its gradient all-reduced, rows of the embedding all-reduced and their gradients broadcast.
    var pipelineBytes: Double {
        let p = Double(layout.pipeline)
        let broadcasts = 4 * ownRows * (hidden + 1) + w * ownRows * hidden
        let sums = 3 * 4 * ownRows + w * ownRows * hidden + w * ownRows * hidden
        return (broadcasts + 2 * sums) * (p - 1) / p
    }

    /// Bytes kept between passes: the input of the logits, gathered where the gradient is computed at once; on the last rank
    /// the inputs of the final norm of every micro-batch whose backward is to come.
    func kept(_ schedule: Schedule, rank: Int) -> Double {
        guard let way = schedule.vocabulary else { return 0 }
        var bytes = w * (way == .oneBarrier ? rows : ownRows) * hidden
        guard rank == schedule.ranks - 1, model.hasFinalNorm else { return bytes }
        var (held, most) = (0, 0)
        for action in schedule.actions[rank] {
            if action.kind == .forward { held += 1 }
            most = max(most, held)
            if action.kind == .backward { held -= 1 }
        }
        bytes += Double(most) * w * ownRows * hidden
        return bytes
    }

    /// Bytes of the fp32 softmax.
    var softmax: Double {
        4 * rows * Double(Self.paddedEntries(model, layout)) / Double(layout.tensor * layout.pipeline)
    }
}

/// Draws layouts whose stages divide the vocabulary, with numbers of its own.
struct RandomVocabulary {
    private var numbers: SplitMix64

    init(seed: UInt64) { numbers = SplitMix64(seed: SplitMix64.mixed(seed ^ 0x70ca)) }

    /// The plan with a divided vocabulary, where its schedule has one stage a rank.
    mutating func changed(_ plan: Plan) -> Plan? {
        guard var layout = plan.layout, layout.pipeline > 1, layout.virtualStages == 1, numbers.chance(0.6) else {
            return nil
        }
        layout.vocabularyParallel = numbers.pick(VocabularyParallel.allCases)
        var changed = plan
        layout.schedule = .oneForwardOneBackward
        if layout.sharding == .gradients || layout.sharding == .parameters {
            (layout.sharding, layout.outerSharding) = (.optimizer, .none)
        }
        changed.model.tiedEmbeddings = false
        changed.layout = layout
        return changed.isLegal ? changed : nil
    }
}
