package import ScalingLaws

/// What a ladder has found: losses of its runs, the law, what it predicts, and what became of that.
package struct LadderOutcome: Hashable, Codable, Sendable {
    /// A run that is done.
    package struct Point: Hashable, Codable, Sendable {
        package var name: String
        package var width: Int
        package var parameters: Int
        package var tokens: Int
        package var learningRate: Double
        package var mup: Bool
        /// Nats a token on the held-out text.
        package var loss: Double
        /// Wall-clock seconds of its steps.
        package var seconds: Double

        package init(
            _ run: LadderRun, of ladder: Ladder, parameters: Int, loss: Double, seconds: Double
        ) {
            (name, width, learningRate, mup) = (run.name, run.width, run.learningRate, run.isMup)
            tokens = ladder.tokens(of: run)
            (self.parameters, self.loss, self.seconds) = (parameters, loss, seconds)
        }
    }

    /// The prediction for the next run, written before that is trained.
    package struct Prediction: Hashable, Codable, Sendable {
        package var parameters: Int
        package var tokens: Int
        package var loss: Double
        /// Where the run's loss lies with `confidence`: the spread of the law and what runs stray from it.
        package var low: Double
        package var high: Double
        package var confidence: Double
        /// The law's constants: L = E + A/N^α + B/D^β.
        package var law: LossLaw
        /// Ranges of the constants with the same confidence.
        package var lawLow: LossLaw
        package var lawHigh: LossLaw
        /// Root of the mean square of ln(measured) − ln(fitted).
        package var spread: Double
        /// Points that the law is fitted to.
        package var points: Int
    }

    package var name: String
    /// The text's entropy: the smallest loss that any model can have on the held-out text.
    package var entropy: Double
    package var learningRate: Double
    package var rates: [Point]
    package var rungs: [Point]
    package var prediction: Prediction?
    package var next: Point?

    package init(name: String, entropy: Double, learningRate: Double, rates: [Point], rungs: [Point]) {
        (self.name, self.entropy, self.learningRate) = (name, entropy, learningRate)
        (self.rates, self.rungs) = (rates, rungs)
    }

    /// The next run's loss over the predicted one, less 1.
    package var error: Double? {
        guard let prediction, let next else { return nil }
        return next.loss / prediction.loss - 1
    }

    /// Whether the next run's loss lies in the predicted interval.
    package var isInside: Bool? {
        guard let prediction, let next else { return nil }
        return (prediction.low...prediction.high).contains(next.loss)
    }

    /// The rate with the smallest loss of a width in a parametrization; nil: it was not tried.
    package func best(width: Int, mup: Bool) -> Point? {
        rates.filter { $0.width == width && $0.mup == mup && $0.loss.isFinite }.min { $0.loss < $1.loss }
    }

    /// Fits the law to the rungs.
    /// - Throws: why they say too little.
    package func fitted(parameters: Int, tokens: Int) throws(FitRefusal) -> Prediction {
        let settings = FitSettings()
        let fit = try LawFit(
            rungs.map {
                LossPoint(
                    parameters: Double($0.parameters), tokens: Double($0.tokens), loss: $0.loss, name: $0.name)
            }, settings: settings)
        let predicted = fit.prediction(parameters: Double(parameters), tokens: Double(tokens))
        func bound(_ end: (ClosedRange<Double>) -> Double) -> LossLaw {
            func constant(_ figure: (LossLaw) -> Double) -> Double { end(fit.interval(of: figure)) }
            return LossLaw(
                floor: constant(\.floor), parameterFactor: constant(\.parameterFactor),
                parameterExponent: constant(\.parameterExponent), tokenFactor: constant(\.tokenFactor),
                tokenExponent: constant(\.tokenExponent))
        }
        return Prediction(
            parameters: parameters, tokens: tokens, loss: predicted.loss, low: predicted.interval.lowerBound,
            high: predicted.interval.upperBound, confidence: settings.confidence, law: fit.law,
            lawLow: bound(\.lowerBound), lawHigh: bound(\.upperBound), spread: fit.spread, points: rungs.count)
    }
}
