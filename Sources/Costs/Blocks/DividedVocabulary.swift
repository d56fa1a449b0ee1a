internal import Models
internal import Plans
package import Schedules

/// One rank's part of an output layer and of token lookups that all ranks of a pipeline divide (Yeung et al. 2024, arXiv
/// 2411.05288; github.com/sail-sg/VocabularyParallelism): times of S and T of one micro-batch, of the exchanges between them,
/// and what the first and the last stage keep to themselves.
///
/// A class, so that hardly any layout carries more than a reference.
package final class DividedVocabulary: Sendable {
    package let way: VocabularyParallel
    /// Pipeline ranks that divide the vocabulary.
    package let ranks: Int
    /// S with the lookups of a micro-batch, and T with the gradients of lookups, on every rank.
    package let passes: UnitTimes
    /// The part of the embedding that the first stage runs alone: adding positions.
    package let first: UnitTimes
    /// The part of the head that the last stage runs alone: the final norm.
    package let last: UnitTimes
    /// Bytes of a micro-batch that ranks exchange.
    let bytes: ExchangeBytes
    private let group: DeviceGroup

    /// Bytes of whole tensors of one micro-batch, as one tensor and context rank exchanges them with the other stages.
    struct ExchangeBytes: Sendable {
        /// The last stage's output in fp32, and a number of each row: the gradient of its loss.
        var output: Double
        /// Maximum, sum of exponentials and target logit of each row, in fp32.
        var sums: Double
        /// The gradient of the last stage's output, or a row of the embedding for each token.
        var rows: Double
    }

    /// - Parameters:
    ///   - host: seconds of host work of one pass.
    ///   - ranks: pipeline ranks.
    init(
        _ way: VocabularyParallel, model: Model, parts: ModelParts, rates: DeviceRates, device: DeviceShare,
        gradientBytes: Double, host: Double, ranks: Int
    ) {
        (self.way, self.ranks, group) = (way, ranks, device.pipelineGroup)
        var division = device.division(nil)
        division.vocabulary /= Double(ranks)
        let measure = BlockMeasure(
            division: division, activation: rates.elementBytes, operand: rates.operandBytes, dropout: device.dropout,
            gradient: gradientBytes)
        let rows = device.tokens * Double(model.hidden) / device.sequenceShare
        bytes = ExchangeBytes(
            output: 4 * (rows + device.tokens / device.sequenceShare), sums: 12 * device.tokens / device.sequenceShare,
            rows: rates.elementBytes * rows)

        let (embedding, head) = (parts.embedding, parts.head)
        var passes = UnitTimes()
        let (gathered, looked) = (
            device.collectives(head.messages, elementBytes: rates.elementBytes),
            device.collectives(embedding.messages, elementBytes: rates.elementBytes)
        )
        let logits = head.logits.map(measure.division.numbers) ?? 0
        for product in head.part.products {
            let (rows, inputs, outputs) = measure.shape(product)
            let gradient = rates.product(rows, inputs, outputs, high: true)
            passes.forward.compute += rates.product(rows, outputs, inputs, high: true)
            if way == .oneBarrier {
                passes.forward.compute += gradient
            } else {
                passes.backward.compute += gradient
            }
            passes.weightGradient +=
                rates.accumulate(inputs, outputs, rows, accumulatorBytes: gradientBytes, high: true)
        }
        passes.backward.compute += passes.weightGradient
        passes.forward.compute += rates.elementwise(CostConstants.lossForwardBytes * logits)
        passes.backward.compute += rates.elementwise(
            (CostConstants.lossBackwardBytes + CostConstants.softmaxCorrectionBytes) * logits)
        if way == .oneBarrier {
            // The softmax is narrowed in S, for the product with the table.
            passes.forward.compute += rates.elementwise(CostConstants.lossBackwardBytes * logits)
        }
        // With one barrier S scatters two gradients: that of the softmax and that of the targets.
        passes.forward.tensor = gathered.forward.seconds(device.tensorGroup, in: rates.framework)
        if way == .oneBarrier {
            passes.forward.tensor += 2 * gathered.backward.seconds(device.tensorGroup, in: rates.framework)
        } else {
            passes.backward.tensor = gathered.backward.seconds(device.tensorGroup, in: rates.framework)
        }
        let lookup = End.lookup(model)
        passes.forward.compute += rates.elementwise(measure.bytes(lookup.forward))
        passes.backward.compute += rates.elementwise(measure.bytes(lookup.backward))
        passes.forward.tensor += looked.forward.seconds(device.tensorGroup, in: rates.framework)
        passes.backward.tensor += looked.backward.seconds(device.tensorGroup, in: rates.framework)
        passes.forward.host = host
        passes.backward.host = host
        self.passes = passes

        var (first, last) = (UnitTimes(), UnitTimes())
        if embedding.part.forward.kernels != [lookup.forward] {
            // Positions are added to the rows that all ranks looked up.
            first.forward.compute = max(
                0,
                measure.seconds(embedding.part.forward, rates) - rates.elementwise(measure.bytes(lookup.forward)))
        }
        last.forward.compute = measure.seconds(head.part.forward, rates)
        last.backward.compute = measure.seconds(head.part.backward, rates)
        (self.first, self.last) = (first, last)
    }

    /// Times of S, T and the exchanges, for the simulator. An exchange runs beside compute; a ring that broadcasts in pieces
    /// moves as much as one that gathers.
    package var costs: ActionCosts.Vocabulary {
        let sums = group.allReduce(bytes: bytes.sums)
        let gradient = group.allReduce(bytes: bytes.rows)
        return ActionCosts.Vocabulary(
            softmax: passes.forward.total, gradient: passes.backward.total,
            broadcast: group.gather(bytes: bytes.output),
            firstBarrier: way == .oneBarrier ? sums + gradient : sums,
            secondBarrier: way == .oneBarrier ? 0 : gradient)
    }
}
