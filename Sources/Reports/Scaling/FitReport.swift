internal import Numbers
package import ScalingLaws

/// A law fitted to runs, as text and as a JSON object.
package struct FitReport: Encodable, Sendable {
    struct Constant: Encodable {
        var value: Double
        var low: Double
        var high: Double

        init(_ fit: LawFit, _ figure: (LossLaw) -> Double) {
            let interval = fit.interval(of: figure)
            (value, low, high) = (figure(fit.law), interval.lowerBound, interval.upperBound)
        }
    }

    struct Run: Encodable {
        var name: String?
        var parameters: Double
        var tokens: Double
        var flops: Double
        var loss: Double
        var fitted: Double
        /// Measured over fitted, less one.
        var residual: Double

        init(_ point: LossPoint, law: LossLaw) {
            let fitted = law.loss(parameters: point.parameters, tokens: point.tokens)
            (name, parameters, tokens, flops) = (point.name, point.parameters, point.tokens, point.flops)
            (loss, self.fitted, residual) = (point.loss, fitted, point.loss / fitted - 1)
        }
    }

    struct Prediction: Encodable {
        var name: String?
        var parameters: Double
        var tokens: Double
        var flops: Double
        var loss: Double
        var low: Double
        var high: Double
        var lawLow: Double
        var lawHigh: Double
        /// Of a run that was held back; absent for one that is only asked about.
        var measured: Double?
        /// Measured over predicted, less one.
        var error: Double?
        var isInside: Bool?
        var isBeyondReach: Bool

        init(_ predicted: LossPrediction, measured point: LossPoint? = nil, reach: Reach) {
            (parameters, tokens, loss) = (predicted.parameters, predicted.tokens, predicted.loss)
            (low, high) = (predicted.interval.lowerBound, predicted.interval.upperBound)
            (lawLow, lawHigh) = (predicted.lawInterval.lowerBound, predicted.lawInterval.upperBound)
            flops = Allocation(parameters: parameters, tokens: tokens).flops
            isBeyondReach = flops > reach.flops
            guard let point else { return }
            (name, measured) = (point.name, point.loss)
            error = point.loss / loss - 1
            isInside = predicted.interval.contains(point.loss)
        }
    }

    struct Limit: Encodable {
        var flops: Double
        var timesLargestRun: Double
        var isByInterval: Bool
        var heldOutRuns: Int?
        var heldOutWorstError: Double?
        var heldOutMeanError: Double?

        init(_ reach: Reach) {
            (flops, timesLargestRun, isByInterval) = (reach.flops, reach.factor, reach.isByInterval)
            (heldOutRuns, heldOutWorstError) = (reach.heldOut?.runs, reach.heldOut?.worst)
            heldOutMeanError = reach.heldOut?.mean
        }
    }

    let constants: [String: Constant]
    let confidence: Double
    let resamples: Int
    let resampling: FitSettings.Resampling
    let seed: Int
    let objective: Double
    /// Root mean square of the residuals of the log losses.
    let spread: Double
    let runs: [Run]
    let reach: Limit
    let predictions: [Prediction]

    private enum CodingKeys: String, CodingKey {
        case constants, confidence, resamples, resampling, seed, objective, spread, runs, reach, predictions
    }

    let fit: LawFit
    private let limit: Reach

    /// - Parameters:
    ///   - held: runs that were not fitted and are compared with the law.
    ///   - asked: sizes and tokens whose loss is asked for.
    package init(_ fit: LawFit, held: [LossPoint] = [], asked: [Allocation] = []) {
        self.fit = fit
        let limit = fit.reach
        self.limit = limit
        constants = Dictionary(
            uniqueKeysWithValues: Self.figures.map { ($0.key, Constant(fit, $0.figure)) })
        (confidence, seed) = (fit.settings.confidence, fit.settings.seed)
        (resamples, resampling) = (fit.laws.count, fit.resampling)
        (objective, spread) = (fit.objective, fit.spread)
        runs = fit.points.map { Run($0, law: fit.law) }
        reach = Limit(limit)
        predictions =
            held.map {
                Prediction(
                    fit.prediction(parameters: $0.parameters, tokens: $0.tokens), measured: $0, reach: limit)
            }
            + asked.map {
                Prediction(fit.prediction(parameters: $0.parameters, tokens: $0.tokens), reach: limit)
            }
    }

    /// The figures with an interval: the name in text, the key in JSON.
    private static var figures: [(name: String, key: String, figure: (LossLaw) -> Double)] {
        [
            ("E", "E", \.floor), ("A", "A", \.parameterFactor), ("α", "alpha", \.parameterExponent),
            ("B", "B", \.tokenFactor), ("β", "beta", \.tokenExponent),
            ("N ∝ C^", "optimalExponent", \.optimalExponent),
        ]
    }

    package func json() throws -> String {
        struct Document: Encodable { var fit: FitReport }
        return try JSONDocument.text(Document(fit: self))
    }

    /// The fitted runs and the predicted ones, a line each.
    package func csv() -> String {
        let head = "role,name,parameters,tokens,flops,loss,fitted,residual,low,high"
        let fitted = runs.map { run in
            "fitted,\(Self.cell(run.name)),\(run.parameters),\(run.tokens),\(run.flops),\(run.loss),\(run.fitted),\(run.residual),,"
        }
        let predicted = predictions.map { run in
            "\(run.measured == nil ? "predicted" : "held"),\(Self.cell(run.name)),\(run.parameters),\(run.tokens),\(run.flops),"
                + "\(run.measured.map { "\($0)" } ?? ""),\(run.loss),\(run.error.map { "\($0)" } ?? ""),\(run.low),\(run.high)"
        }
        return ([head] + fitted + predicted).joined(separator: "\n") + "\n"
    }

    private static func cell(_ name: String?) -> String {
        guard let name else { return "" }
        return name.contains { ",\"\n".contains($0) } ? "\"\(name.replacing("\"", with: "\"\""))\"" : name
    }

    package func text(width: Int? = nil) -> String {
        let runsInAll = "\(Figures.grouped(runs.count)) runs"
        let percent = Figures.plain((confidence * 1000).rounded() / 10)
        var lines = ["L(N, D) = E + A/N^α + B/D^β fitted to \(runsInAll), nats a token", ""]
        let table = Table(
            head: ["", "fit", "\(percent) % from", "to"],
            rows: Self.figures.map { name, key, _ in
                let found = constants[key]
                return [name] + [found?.value, found?.low, found?.high].map { $0.map(Self.constant) ?? "" }
            })
        lines += table.lines()
        lines += [""]
        func add(_ label: String, _ text: String) {
            lines += Wrapped.lines(
                text, width: width, first: "  " + label.left(11), rest: String(repeating: " ", count: 13))
        }
        let range = fit.range
        func span(_ range: ClosedRange<Double>?) -> String {
            range.map { "\(Figures.magnitude($0.lowerBound)) to \(Figures.magnitude($0.upperBound))" } ?? Figures.none
        }
        add(
            "Runs",
            "\(span(range.parameters)) parameters, \(span(range.tokens)) tokens, "
                + (range.flops.map {
                    "\(Figures.general($0.lowerBound, 3)) to \(Figures.general($0.upperBound, 3)) FLOPs"
                } ?? ""))
        add(
            "Intervals",
            "\(Figures.grouped(resamples)) bootstraps of the \(resampling.rawValue), seed \(seed); Huber's loss of ln L, δ = "
                + Figures.plain(fit.settings.delta))
        if let worst = runs.max(by: { abs($0.residual) < abs($1.residual) }) {
            add(
                "Residuals",
                "\(Figures.fixed(100 * spread, 2)) % root mean square; largest \(Self.signed(worst.residual)) at "
                    + (worst.name ?? "\(Figures.magnitude(worst.parameters)) × \(Figures.magnitude(worst.tokens))"))
        }
        add("Reach", reachWords)
        if let held = limit.heldOut {
            add(
                "Test",
                "the \(held.runs) largest runs predicted from the others (up to \(Figures.general(held.fitted, 3)) FLOPs): "
                    + "off by \(Figures.fixed(100 * held.mean, 2)) % on average, \(Figures.fixed(100 * held.worst, 2)) % at most"
            )
        }
        guard !predictions.isEmpty else { return lines.joined(separator: "\n") }
        let hasMeasured = predictions.contains { $0.measured != nil }
        var head = ["", "parameters", "tokens", "FLOPs", "loss", "from", "to"]
        if hasMeasured { head += ["measured", "off", "inside"] }
        let rows = predictions.map { run -> [String] in
            var cells = [
                run.name ?? "", Figures.magnitude(run.parameters), Figures.magnitude(run.tokens),
                Figures.general(run.flops, 3) + (run.isBeyondReach ? "*" : ""), Figures.fixed(run.loss, 4),
                Figures.fixed(run.low, 4), Figures.fixed(run.high, 4),
            ]
            if hasMeasured {
                cells += [
                    run.measured.map { Figures.fixed($0, 4) } ?? "", run.error.map(Self.signed) ?? "",
                    run.isInside.map { $0 ? "yes" : "no" } ?? "",
                ]
            }
            return cells
        }
        lines += ["", "Predicted losses of single runs, \(percent) % of which lie between from and to"]
        lines += Table(head: head, rows: rows).lines(fitting: width, dropping: ["FLOPs", "inside"])
        if predictions.contains(where: \.isBeyondReach) {
            lines.append("  * beyond the reach of the fit")
        }
        return lines.joined(separator: "\n")
    }

    /// How far the law may be carried, as a sentence.
    private var reachWords: String {
        let most = Figures.general(limit.flops, 3)
        if limit.factor < 1.01 {
            return "the runs themselves, up to \(most) FLOPs: beyond them the law is not known to "
                + "\(Figures.wholePercent(Reach.tolerance))"
        }
        let times = "up to \(most) FLOPs, \(Figures.significant(limit.factor)) × the largest run"
        return limit.isByInterval
            ? "\(times): there the law's interval grows beyond ± \(Figures.wholePercent(Reach.tolerance)) of the loss"
            : "\(times): as many decades beyond the runs as lie between them"
    }

    /// Four digits; those of factors in the thousands without an exponent.
    private static func constant(_ value: Double) -> String {
        (1e4..<1e7).contains(value) ? Figures.grouped(value) : Figures.general(value, 4)
    }

    private static func signed(_ share: Double) -> String {
        (share > 0 ? "+" : "") + Figures.fixed(100 * share, 2) + " %"
    }
}
