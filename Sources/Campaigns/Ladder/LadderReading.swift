internal import Experiments
internal import Numbers
internal import Plans
package import Reading
internal import Yams

extension Ladder {
    /// Reads and checks the file of a ladder.
    /// - Throws: every problem of the file at once, with line and column.
    package static func read(path: String, files: inout ReadFiles) throws(PlanProblems) -> Ladder {
        try read(text: YAMLFile.text(path: path, files: &files), path: path)
    }

    /// Reads a ladder from `text`. Problems name the file `path`.
    package static func read(text: String, path: String) throws(PlanProblems) -> Ladder {
        let root = try YAMLFile.compose(text: text, name: path)
        let collector = ProblemCollector(file: path)
        let reader = FieldReader(root, path: "", collector: collector)
        guard case .mapping = root else { throw collector.all }
        let ladder = LadderReading(reader: reader).ladder(fileName: Library.stem(path))
        guard let ladder, collector.isEmpty else { throw collector.all }
        return ladder
    }
}

/// The reading of one file of a ladder.
private struct LadderReading {
    let reader: FieldReader

    /// Widths and tokens of tiny models; a ladder trains dozens of them on the machine at hand.
    private static let widthBounds = 4...4096
    private static let tokenBounds = 1...10_000_000_000
    private static let mostRuns = 1000

    func ladder(fileName: String) -> Ladder? {
        let name = reader.text("name") ?? fileName
        let text = self.text()
        let layers = required("layers", in: 1...100, "e.g. layers: 2")
        let headSize = required("headSize", in: 2...512, "columns of a head, e.g. headSize: 8")
        let sequence = required("sequence", in: 8...8192, "tokens of a line, e.g. sequence: 64")
        let batch = required("batch", in: 1...65_536, "sequences of a step, e.g. batch: 16")
        let widths = ascending("widths", in: Self.widthBounds, "hidden sizes, e.g. widths: [16, 24, 32]")
        let tokens = ascending("tokens", in: Self.tokenBounds, "e.g. tokens: [500K, 1M, 2M]")
        let baseWidth = required(
            "baseWidth", in: Self.widthBounds, "the width that learning rates are meant for, e.g. baseWidth: 64")
        let heldOut = reader.count("heldOut", in: Self.tokenBounds)
        let seed = reader.count("seed", in: 0...Int(1) << 53)
        let rates = self.rates()
        let next = self.next()
        reader.reportUnknownKeys()
        guard let text, let layers, let headSize, let sequence, let batch, let widths, let tokens, let baseWidth,
            let rates, let next
        else { return nil }
        let ladder = Ladder(
            name: name, text: text, layers: layers, headSize: headSize, sequence: sequence, batch: batch,
            widths: widths, tokens: tokens, baseWidth: baseWidth, heldOut: heldOut ?? 131_072, seed: seed ?? 1,
            rates: rates, next: next)
        check(ladder)
        return ladder
    }

    private func text() -> WordText? {
        guard let map = reader.map("text") else {
            reader.reportMissing("text", fix: "the rule of the text, e.g. text: {words: 20000, successors: 4}")
            return nil
        }
        let words = map.count("words", in: WordText.wordBounds)
        let successors = map.count("successors", in: WordText.successorBounds)
        let follows = map.number("follows", .plain, in: 0...1)
        let seed = map.count("seed", in: 0...Int(1) << 53)
        map.reportMissing("words", fix: "words of the dictionary, e.g. words: 20000")
        map.reportUnknownKeys()
        guard let words else { return nil }
        return WordText(
            words: words, successors: successors ?? 4, follows: follows ?? 0.4, seed: UInt64(seed ?? 1))
    }

    private func rates() -> Ladder.Rates? {
        guard let map = reader.map("rates") else {
            reader.reportMissing(
                "rates", fix: "the search for the learning rate, e.g. rates: {widths: [16, 32], tokens: 500K, tried: …}"
            )
            return nil
        }
        let widths = ascending("widths", in: Self.widthBounds, "e.g. widths: [16, 32]", of: map)
        let tokens = required("tokens", in: Self.tokenBounds, "tokens of each run, e.g. tokens: 500K", of: map)
        let tried = map.numbers("tried", in: .leastNonzeroMagnitude...1e3)
        map.reportMissing("tried", fix: "learning rates, e.g. tried: [0.002, 0.004, 0.008]")
        map.reportUnknownKeys()
        if let tried, zip(tried, tried.dropFirst()).contains(where: { $0 >= $1 }) || tried.isEmpty {
            map.report("tried", rule: "must be a list of different rates, the smallest first")
            return nil
        }
        guard let widths, let tokens, let tried else { return nil }
        return Ladder.Rates(widths: widths, tokens: tokens, rates: tried)
    }

    private func next() -> Ladder.Next? {
        guard let map = reader.map("next") else {
            reader.reportMissing("next", fix: "the model that is predicted, e.g. next: {width: 144, tokens: 4M}")
            return nil
        }
        let width = required("width", in: Self.widthBounds, "its hidden size, e.g. width: 144", of: map)
        let tokens = required("tokens", in: Self.tokenBounds, "its tokens, e.g. tokens: 4M", of: map)
        let processes = map.count("processes", in: 1...64)
        map.reportUnknownKeys()
        guard let width, let tokens, processes != nil || !map.contains("processes") else { return nil }
        return Ladder.Next(width: width, tokens: tokens, processes: processes ?? 1)
    }

    private func required(
        _ key: String, in range: ClosedRange<Int>, _ fix: String, of map: FieldReader? = nil
    ) -> Int? {
        let map = map ?? reader
        let value = map.count(key, in: range)
        map.reportMissing(key, fix: fix)
        return value
    }

    private func ascending(
        _ key: String, in range: ClosedRange<Int>, _ fix: String, of map: FieldReader? = nil
    ) -> [Int]? {
        let map = map ?? reader
        let values = map.counts(key, in: range)
        map.reportMissing(key, fix: fix)
        guard let values else { return nil }
        guard !values.isEmpty, !zip(values, values.dropFirst()).contains(where: { $0 >= $1 }) else {
            map.report(key, rule: "must be a list of different numbers, the smallest first", fix: fix)
            return nil
        }
        return values
    }

    /// Reports what several keys together make wrong.
    private func check(_ ladder: Ladder) {
        // A power and a constant take three values.
        for (key, values) in [("widths", ladder.widths), ("tokens", ladder.tokens)]
        where values.count < 3 || values[values.count - 1] < 2 * values[0] {
            reader.report(
                key, value: "[\(values.map(String.init).joined(separator: ", "))]",
                rule: "cannot fix a law: at least three are needed, the last at least twice the first")
        }
        let names = Set(ladder.tokens.map { Figures.magnitude(Double($0)) })
        if names.count < ladder.tokens.count {
            reader.report("tokens", rule: "are so close that runs would have one name", fix: "space them further")
        }
        for (key, widths) in [
            ("widths", ladder.widths), ("rates.widths", ladder.rates.widths), ("next.width", [ladder.next.width]),
        ] {
            if let odd = widths.first(where: { !$0.isMultiple(of: ladder.headSize) }) {
                reader.report(
                    key, value: "\(odd)", rule: "must be a multiple of headSize \(ladder.headSize)",
                    fix: "e.g. \(max(1, odd / ladder.headSize) * ladder.headSize)")
            }
        }
        if let largest = ladder.widths.last, ladder.next.width <= largest {
            reader.report(
                "next.width", value: "\(ladder.next.width)", rule: "must be above the widths that are fitted",
                fix: "e.g. \(largest * 3 / 2 / ladder.headSize * ladder.headSize)")
        }
        for (key, tokens) in [("tokens", ladder.tokens), ("rates.tokens", [ladder.rates.tokens])] {
            if let few = tokens.first(where: { $0 < ladder.stepTokens }) {
                reader.report(
                    key, value: "\(few)", rule: "is less than a step of \(ladder.stepTokens) tokens (batch × sequence)")
            }
        }
        if ladder.next.tokens < ladder.stepTokens {
            reader.report("next.tokens", rule: "is less than a step of \(ladder.stepTokens) tokens (batch × sequence)")
        }
        if !ladder.batch.isMultiple(of: ladder.next.processes) {
            reader.report(
                "next.processes", value: "\(ladder.next.processes)", rule: "must divide the batch of \(ladder.batch)")
        }
        let runs = ladder.rateRuns.count + ladder.widths.count * ladder.tokens.count + 1
        if runs > Self.mostRuns {
            reader.report("widths", rule: "make \(runs) runs with tokens and rates; at most \(Self.mostRuns)")
        }
    }
}
