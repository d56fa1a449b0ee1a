internal import Costs
package import Inference
internal import Models
internal import Numbers
internal import Plans

/// The answer to a question about serving as one JSON document.
package struct ServingReport: Encodable {
    private struct Shape: Encodable {
        var parameters, activeParameters: Int
        var layers, hidden: Int
    }

    private struct Devices: Encodable {
        var name, device: String
        var devices: Int
    }

    private struct Format: Encodable {
        var name: String
        var bits: Double

        init(_ format: StoredFormat) { (name, bits) = (format.name, 8 * format.bytes) }
    }

    private struct Asked: Encodable {
        var batch, promptTokens, outputTokens, chunk: Int
        var weights, ends, cache: Format
        /// Of the embedding's table, where it is another than the head's.
        var embedding: Format?
        var overlap: Bool
    }

    private struct Memory: Encodable {
        var weightsGiB, cacheGiB, activationsGiB, reservedGiB, peakGiB, usableGiB, capacityGiB: Double
        var cacheBytesPerToken: Double
        var largestBatch, largestContext: Int?
    }

    private struct Prompts: Encodable {
        var seconds, tokensPerSecond: Double
        var parts: PassSeconds
    }

    private struct Token: Encodable {
        var firstSeconds, middleSeconds, lastSeconds, tokensPerSecond: Double
        var parts: PassSeconds
    }

    private struct Whole: Encodable {
        var seconds, outputTokensPerSecond, outputTokensPerSecondPerDevice: Double
    }

    private struct Money: Encodable {
        var perMillionInputTokens, perMillionOutputTokens: Double
        /// Its code.
        var currency: String
    }

    private let name: String
    private let model: Shape
    private let cluster: Devices
    private let asked: Asked
    private let layout: ServingLayout
    private let memory: Memory
    private let prompts: Prompts
    private let token: Token
    private let answer: Whole
    private let cost: Money?
    private let explanation: [Estimate.Explanation]?
    private let notes: [String]

    package init(_ estimate: ServingEstimate, name: String, notes: [String], explains: Bool) {
        let (work, counts) = (estimate.work, estimate.model.parameters())
        self.name = name
        model = Shape(
            parameters: counts.total, activeParameters: counts.active, layers: estimate.model.layers,
            hidden: estimate.model.hidden)
        cluster = Devices(
            name: estimate.cluster.name, device: estimate.cluster.device.name, devices: estimate.devices)
        asked = Asked(
            batch: work.batch, promptTokens: work.prompt, outputTokens: work.output, chunk: work.chunk,
            weights: Format(work.weights), ends: Format(work.ends), cache: Format(work.cache),
            embedding: work.table == work.ends || estimate.model.tiedEmbeddings ? nil : Format(work.table),
            overlap: work.overlaps)
        layout = estimate.layout
        let bytes = estimate.memory
        memory = Memory(
            weightsGiB: Figures.gib(bytes.weights), cacheGiB: Figures.gib(bytes.cache),
            activationsGiB: Figures.gib(bytes.activations), reservedGiB: Figures.gib(bytes.reserved),
            peakGiB: Figures.gib(bytes.total), usableGiB: Figures.gib(bytes.usable),
            capacityGiB: Figures.gib(bytes.capacity), cacheBytesPerToken: estimate.cacheBytesPerToken,
            largestBatch: estimate.largestBatch, largestContext: estimate.largestContext)
        prompts = Prompts(
            seconds: estimate.prefillSeconds, tokensPerSecond: estimate.promptTokensPerSecond, parts: estimate.prefill)
        let times = estimate.tokenSeconds
        token = Token(
            firstSeconds: times.first, middleSeconds: times.middle, lastSeconds: times.last,
            tokensPerSecond: estimate.decodeTokensPerSecond, parts: estimate.decode)
        answer = Whole(
            seconds: estimate.answerSeconds, outputTokensPerSecond: estimate.outputTokensPerSecond,
            outputTokensPerSecondPerDevice: estimate.outputTokensPerSecondPerDevice)
        if let input = estimate.pricePerMillionInput, let output = estimate.pricePerMillionOutput {
            cost = Money(
                perMillionInputTokens: input, perMillionOutputTokens: output,
                currency: (estimate.cluster.price?.currency ?? .usd).rawValue)
        } else {
            cost = nil
        }
        explanation = explains ? estimate.explanation : nil
        self.notes = notes
    }

    package func json() throws -> String { try JSONDocument.text(self) }
}
