internal import Costs
internal import Foundation
internal import Models
internal import Plans

/// Prices a pass of rows through blocks on one layout: for every operation the longest of its arithmetic, its memory traffic and
/// one launch, and messages.
struct PassPrice {
    /// Rates of the blocks' products, and of the head's.
    let rates: DeviceRates
    let ends: DeviceRates
    let work: Workload
    let layout: ServingLayout
    let served: ServedModel
    private let tensorGroup: DeviceGroup
    private let expertGroup: DeviceGroup
    private let transferGroup: DeviceGroup
    private let devicesPerNode: Double

    /// The rows of a pass on one copy of the blocks.
    enum Rows {
        /// Prompts of `tokens` tokens each, `rows` of them in this pass.
        case prompts(rows: Double, tokens: Double)
        /// One token of each of `sequences` sequences that have `tokens` tokens.
        case next(sequences: Double, tokens: Double)

        var count: Double {
            switch self {
            case .prompts(let rows, _): rows
            case .next(let sequences, _): sequences
            }
        }

        /// One of two halves of the rows.
        var half: Rows {
            switch self {
            case .prompts(let rows, let tokens): .prompts(rows: rows / 2, tokens: tokens)
            case .next(let sequences, let tokens): .next(sequences: sequences / 2, tokens: tokens)
            }
        }
    }

    init(_ served: ServedModel, _ cluster: Cluster, _ work: Workload, _ layout: ServingLayout) throws(ServingError) {
        func rates(_ format: StoredFormat) throws(ServingError) -> DeviceRates {
            do {
                return try DeviceRates(
                    device: cluster.device, precision: format.arithmetic(on: cluster.device),
                    framework: Framework(name: "serving"))
            } catch { throw .contradiction(error.description) }
        }
        (self.rates, ends) = (try rates(work.weights), try rates(work.ends))
        (self.served, self.work, self.layout) = (served, work, layout)
        tensorGroup = DeviceGroup(size: layout.tensor, stride: 1, cluster: cluster)
        expertGroup = DeviceGroup(size: layout.expert, stride: 1, cluster: cluster)
        transferGroup = DeviceGroup(
            size: layout.pipeline, stride: layout.tensor * layout.data, cluster: cluster)
        devicesPerNode = Double(cluster.devicesPerNode)
    }

    private var tensor: Double { Double(layout.tensor) }

    /// Seconds of the rows' way to the next stage.
    func transfer(_ rows: Rows) -> Double {
        transferGroup.transfer(bytes: rows.count * Double(served.model.hidden) * rates.elementBytes / tensor)
    }

    /// Seconds of a pass through blocks of each kind. Where rows travel behind compute, two halves of them take turns, and
    /// each reads all weights.
    func pass(_ rows: Rows, blocks counts: [Int]) -> PassSeconds {
        if work.overlaps, rows.count >= 2, layout.expert > 1 { return 2 * undivided(rows.half, blocks: counts) }
        return undivided(rows, blocks: counts)
    }

    private func undivided(_ rows: Rows, blocks counts: [Int]) -> PassSeconds {
        var sum = PassSeconds()
        for (count, block) in zip(counts, served.parts.blocks) where count > 0 {
            sum = sum + Double(count) * pass(rows, block)
        }
        return sum
    }

    /// Seconds of the look-up of tokens before the first block.
    func embedding(_ rows: Rows) -> PassSeconds {
        var sum = PassSeconds()
        let part = served.parts.embedding.part
        sum.kernels = kernels(part.forward, division(rows.count, nil))
        if layout.tensor > 1 { sum.messages = reduce(served.parts.embedding.messages, rows.count) }
        return sum
    }

    /// Seconds of the final norm and of the logits of `sequences` tokens.
    func head(sequences: Double) -> PassSeconds {
        var sum = PassSeconds()
        let part = served.parts.head.part
        let division = division(sequences, nil, vocabulary: served.model.paddedVocab(tensor: layout.tensor))
        sum.head = products(part.products, division, ends, work.ends) + kernels(part.forward, division)
        // Ranks gather the best of their logits: two numbers of a row.
        if layout.tensor > 1 { sum.messages = tensorGroup.gather(bytes: 8 * tensor * sequences) }
        return sum
    }

    private func division(_ rows: Double, _ mixture: Model.Mixture?, vocabulary: Int = 0) -> Division {
        Division(
            tokens: rows, tensor: tensor, sequence: 1, expertTensor: Double(layout.expertTensor), mixture: mixture,
            vocabulary: vocabulary)
    }

    private func products(
        _ products: [Product], _ division: Division, _ rates: DeviceRates, _ format: StoredFormat
    ) -> Double {
        products.reduce(0) { sum, product in
            sum
                + rates.product(
                    division.rows(product.rows), division.width(product.outputs, product.rows),
                    division.width(product.inputs, product.rows), weightBytes: format.bytes)
        }
    }

    private func kernels(_ work: Elementwise, _ division: Division) -> Double {
        work.kernels.reduce(0) { sum, kernel in
            sum
                + rates.memory(
                    kernel.reduce(0) { bytes, stored in
                        let number: Double =
                            switch stored.format {
                            case .single, .gradient: 4
                            case .activation, .operand: rates.elementBytes
                            case .mask: 0
                            }
                        return bytes + stored.times * number * division.numbers(stored.extent)
                    })
        }
    }

    private func pass(_ rows: Rows, _ block: Block) -> PassSeconds {
        var sum = PassSeconds()
        let division = division(rows.count, block.mixture)
        sum.products = products(block.products, division, rates, work.weights)
        sum.kernels = kernels(block.forward, division)
        sum.attention = attention(rows, block)
        if layout.tensor > 1 { sum.messages = reduce(block.messages(sequenceParallel: false), rows.count) }
        guard let mixture = block.mixture else { return sum }
        sum.experts = experts(block, mixture, division, rows: rows.count)
        let exchange = exchange(block, mixture, division, rows)
        sum.messages += work.overlaps ? exposed(exchange, behind: sum.computed, rows) : exchange
        return sum
    }

    /// Seconds that an exchange adds to the compute that hides it.
    ///
    /// Kernels that exchange rows of prompts take multiprocessors from the products: 20 of an H800's 132 (DeepSeek-AI 2024,
    /// DeepSeek-V3, section 3.2.2). Rows of answers are sent by the network cards alone (DeepEP, low-latency kernels).
    private func exposed(_ exchange: Double, behind compute: Double, _ rows: Rows) -> Double {
        guard case .prompts = rows else { return max(0, exchange - compute) }
        return max(Self.exchangeShare * exchange, exchange - compute)
    }

    /// Share of a device that exchanges rows of prompts while the rest computes.
    private static let exchangeShare = 20.0 / 132

    /// Seconds of the all-reduces of a block or an end.
    private func reduce(_ messages: JoinedMessages, _ rows: Double) -> Double {
        var seconds = 0.0
        for message in messages.results {
            seconds += tensorGroup.allReduce(bytes: rows * Double(message.width) * rates.elementBytes)
        }
        for numbers in messages.totals { seconds += tensorGroup.allReduce(bytes: rows * Double(numbers) * 4) }
        for columns in messages.columns where layout.tensor > columns.ranks {
            seconds += tensorGroup.gather(bytes: rows * Double(columns.width) * rates.elementBytes)
        }
        return seconds
    }

    private func attention(_ rows: Rows, _ block: Block) -> Double {
        let (core, cache) = (block.core, block.cache)
        switch rows {
        case .prompts(let rows, let tokens):
            let flops = 4 * rows * core.work(length: tokens) / tensor
            var seconds = flops > 0 ? rates.flash(flops: flops, length: core.kernelLength(tokens)) : 0
            if core.scan != nil { seconds += scan(block, rows: rows, length: tokens) }
            return seconds
        case .next(let sequences, let tokens):
            let bytes = cache.read(tokens: tokens, tensor: tensor) * work.cache.bytes
            // A recurrence reads its state and writes it.
            let state = 8 * cache.state(tensor: tensor)
            let flops = 2 * (cache.work(tokens: tokens) + core.scanWork(length: 1)) / tensor
            return rates.attend(flops: sequences * flops, bytes: sequences * (bytes + state))
        }
    }

    /// Seconds of the recurrence of a token mixer over prompts.
    private func scan(_ block: Block, rows: Double, length: Double) -> Double {
        let division = division(rows, nil)
        let bytes = (block.core.scan?.traffic ?? []).reduce(0) {
            $0 + $1.times * ($1.format == .single ? 4 : rates.elementBytes) * division.numbers($1.extent)
        }
        return rates.attend(flops: 2 * rows * block.core.scanWork(length: length) / tensor, bytes: bytes)
    }

    /// Seconds of the experts of the device that gets most rows, one kernel for each of their products. Weights are read of
    /// those experts that a row comes to.
    private func experts(_ block: Block, _ mixture: Model.Mixture, _ division: Division, rows: Double) -> Double {
        let touched = touchedExperts(mixture, rows: rows)
        guard touched > 0 else { return 0 }
        return block.expertProducts.reduce(0) { sum, product in
            sum
                + rates.product(
                    division.rows(product.rows) / touched, division.width(product.outputs, product.rows),
                    division.width(product.inputs, product.rows), count: touched, weightBytes: work.weights.bytes)
        }
    }

    /// Experts of a device.
    func heldExperts(_ mixture: Model.Mixture) -> Double {
        (Double(mixture.experts) / Double(layout.expert)).rounded(.up)
    }

    /// Expected number of a device's experts to which a row of the pass comes, if every token chooses each expert with the same
    /// chance: k of E.
    func touchedExperts(_ mixture: Model.Mixture, rows: Double) -> Double {
        let choosing = layout.expert == 1 ? rows : Double(layout.expert) * rows / tensor
        let chance = min(1, Double(mixture.topK) / Double(mixture.experts))
        return heldExperts(mixture) * (1 - pow(1 - chance, choosing))
    }

    /// Seconds of sending rows to their experts and results back: the rows in the format that experts compute in, the results as
    /// activations.
    private func exchange(_ block: Block, _ mixture: Model.Mixture, _ division: Division, _ rows: Rows) -> Double {
        guard layout.expert > 1 else { return 0 }
        let width = Double(mixture.latentSize ?? served.model.hidden)
        let bytes = width * (rates.operandBytes + rates.elementBytes)
        var traffic = ExpertTraffic(copies: division.chosen * bytes)
        // Rows of prompts are sent once to each node (DeepSeek-AI 2024, DeepSeek-V3, section 3.2.2).
        if case .prompts = rows, let limit = mixture.nodeLimit {
            let nodes = max(1, min(Double(limit), Double(layout.expert) / devicesPerNode))
            traffic = ExpertTraffic(copies: division.chosen * bytes, perNode: division.rows(.own) * nodes * bytes)
        }
        return expertGroup.allToAll(traffic, imbalance: mixture.imbalance, count: 2)
    }
}
