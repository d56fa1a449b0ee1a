internal import Foundation
internal import Numbers

/// A scaling law of the literature: which size and tokens it holds best for a budget, and which loss it expects.
package struct PublishedLaw: Hashable, Sendable {
    /// The parameters that a law counts.
    package enum Counting: String, Hashable, Codable, Sendable {
        case all
        /// Without embeddings and head.
        case withoutEmbedding
    }

    /// The loss that the law expects of a run.
    package enum Loss: Hashable, Sendable {
        case sum(LossLaw)
        case kaplan(KaplanLaw)
        /// Nothing: it was never published.
        case none
    }

    /// How the law divides a budget.
    package enum Split: Hashable, Sendable {
        /// Where the loss is least.
        case leastLoss
        /// Parameters as a power law of FLOPs.
        case parameters(PowerLaw)
        /// Tokens as a power law of FLOPs.
        case tokens(PowerLaw)
    }

    /// The name that options and JSON take.
    package var name: String
    /// Authors, year and what of theirs.
    package var title: String
    package var source: String
    package var counting: Counting
    package var loss: Loss
    package var split: Split
    package var range: FittedRange
    /// Text and tokenizer of the runs. Losses of different texts and tokenizers cannot be compared.
    package var data: String
    /// What must be known to read the figures; empty: nothing.
    package var note = ""

    /// The size and tokens that the law holds best for a budget, of 6·N·D FLOPs.
    package func optimum(flops: Double) -> Allocation {
        let product = flops / Allocation.flopsPerParameterAndToken
        switch (split, loss) {
        case (.parameters(let law), _):
            let parameters = law(flops)
            return Allocation(parameters: parameters, tokens: product / parameters)
        case (.tokens(let law), _):
            let tokens = law(flops)
            return Allocation(parameters: product / tokens, tokens: tokens)
        case (.leastLoss, .sum(let law)):
            return law.optimum(flops: flops)
        case (.leastLoss, _):
            return Allocation(parameters: .nan, tokens: .nan)
        }
    }

    /// Loss in nats a token of the law's own text and tokenizer; nil where it says nothing of losses.
    package func loss(of run: Allocation) -> Double? {
        switch loss {
        case .sum(let law): law.loss(parameters: run.parameters, tokens: run.tokens)
        case .kaplan(let law): law.loss(parameters: run.parameters, tokens: run.tokens)
        case .none: nil
        }
    }

    /// The law as a sum of two powers; nil: it has another form.
    package var lossLaw: LossLaw? { if case .sum(let law) = loss { law } else { nil } }

    /// In which figures `run` lies beyond the runs that the law was fitted to, as words; nil: in none.
    package func excess(of run: Allocation) -> String? {
        func words(_ value: Double, _ range: ClosedRange<Double>?, _ unit: String, _ text: (Double) -> String)
            -> String?
        {
            guard let range, !range.contains(value) else { return nil }
            return "\(text(range.lowerBound)) to \(text(range.upperBound)) \(unit)"
        }
        let found = [
            words(run.flops, range.flops, "FLOPs") { Figures.general($0, 2) },
            words(run.parameters, range.parameters, "parameters", Figures.magnitude),
            words(run.tokens, range.tokens, "tokens", Figures.magnitude),
        ].compactMap(\.self)
        return found.isEmpty ? nil : found.joined(separator: ", ")
    }
}
