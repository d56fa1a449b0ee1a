internal import Models
internal import Numbers
internal import Reading

/// The stages of a pipeline as Megatron-LM writes them (`--pipeline-model-parallel-layout`,
/// megatron/core/transformer/pipeline_parallel_layer_layout.py).
///
/// `E` is the embedding, `t` a block, `m` a layer of multi-token prediction, `L` the final norm, the head and the loss. `|`
/// ends a stage, and nothing between two bars is a stage without layers. `x*n` repeats a character, `(…)*n` a group; groups
/// hold no groups. Commas and spaces mean nothing.
struct PipelineLayoutText: Hashable, Sendable {
    /// A mistake in the text.
    struct Mistake: Error, Hashable {
        /// Characters before the place of the mistake.
        var offset: Int
        var rule: String
        var fix: String
        /// Whether the text is well formed and does not fit the other values.
        var isMisfit = false
    }

    /// One stage: the offsets of its letters in the text.
    struct Stage: Hashable {
        /// Characters before the bar that begins the stage; 0 for the first stage.
        var offset: Int
        var layers: [Layer] = []

        var blocks: Int { layers.count { $0.letter == "t" } }
    }

    struct Layer: Hashable {
        var letter: Character
        var offset: Int
    }

    let text: String
    let stages: [Stage]

    /// Letters and bars that a text may stand for.
    static let most = 40_000

    init(_ text: String) throws(Mistake) {
        self.text = text
        var parser = Parser(text)
        let letters = try parser.letters()
        var stages = [Stage(offset: 0)]
        for letter in letters {
            if letter.letter == "|" {
                stages.append(Stage(offset: letter.offset))
            } else {
                stages[stages.count - 1].layers.append(letter)
            }
        }
        self.stages = stages
    }

    /// Stages of each rank; nil: the ranks do not divide the stages.
    func virtualStages(pipeline: Int) -> Int? { stages.count % pipeline == 0 ? stages.count / pipeline : nil }

    /// Blocks of each stage.
    var sizes: [Int] { stages.map(\.blocks) }

    /// The rules that the layout breaks for a model and its pipeline.
    /// - Parameters:
    ///   - layers: the model's layers; nil: they are not known.
    ///   - predictors: the model's layers of multi-token prediction; nil: they are not known.
    ///   - expected: stages of the pipeline.
    func mistakes(layers: Int?, predictors: Int?, expected: Int, pipeline: Int, virtualStages: Int) -> [Mistake] {
        var found: [Mistake] = []
        let all = stages.flatMap(\.layers)
        func report(_ offset: Int, _ rule: String, _ fix: String) {
            found.append(Mistake(offset: offset, rule: rule, fix: fix, isMisfit: true))
        }
        if stages.count != expected {
            let product =
                expected == Int.product(pipeline, virtualStages)
                ? "pipeline \(pipeline) · virtualStages \(virtualStages)" : "pipeline \(pipeline)"
            report(
                stages.count > expected ? stages[expected].offset : text.count,
                "must name \(expected) stages (\(product)), it names \(stages.count)",
                stages.count > expected
                    ? "remove \(Self.counted(stages.count - expected, "bar"))"
                    : "add \(Self.counted(expected - stages.count, "bar"))")
        }
        ends(all, "E", "the embedding", place: "first", stage: 0, &found)
        ends(all, "L", "the loss", place: "last", stage: stages.count - 1, &found)
        let predicting = all.filter { $0.letter == "m" }
        if predictors == 0, let extra = predicting.first {
            report(
                extra.offset, "the model has no layers of multi-token prediction for m", "remove m, or state model.mtp")
        } else if let predictors, predicting.count != predictors {
            report(
                predicting.first?.offset ?? all.last?.offset ?? text.count,
                "must name the model's \(predictors) layers of multi-token prediction with m, it names \(predicting.count)",
                predicting.count > predictors
                    ? "remove \(predicting.count - predictors) of them"
                    : "add \(predictors - predicting.count) before L")
        } else if let early = predicting.first(where: { $0.offset < (stages.last?.offset ?? 0) }) {
            report(early.offset, "m, multi-token prediction, must stand on the last stage", "move it there")
        }
        let blocks = all.count { $0.letter == "t" }
        if let layers, blocks != layers {
            report(
                all.first { $0.letter == "t" }?.offset ?? 0,
                "must name the model's \(layers) layers with t, it names \(blocks)",
                blocks > layers ? "remove \(blocks - layers) of them" : "add \(layers - blocks)")
        }
        return found
    }

    /// Adds what is wrong with the letter of one end.
    private func ends(
        _ all: [Layer], _ letter: Character, _ meaning: String, place: String, stage: Int, _ found: inout [Mistake]
    ) {
        let own = all.filter { $0.letter == letter }
        let isFirst = stage == 0 && letter == "E"
        guard let only = own.first else {
            found.append(
                Mistake(
                    offset: isFirst ? 0 : text.count, rule: "has no \(letter), \(meaning)",
                    fix: isFirst ? "begin with \(letter)" : "end with \(letter)"))
            return
        }
        if own.count > 1 {
            found.append(
                Mistake(
                    offset: own[1].offset, rule: "names \(letter), \(meaning), \(own.count) times", fix: "keep one"))
        }
        let end = isFirst ? stages[stage].layers.first : stages[stage].layers.last
        guard end?.letter != letter else { return }
        found.append(
            Mistake(
                offset: only.offset,
                rule: "\(letter), \(meaning), must stand at the \(isFirst ? "beginning" : "end") of the \(place) stage",
                fix: "move it there"))
    }

    private static func counted(_ count: Int, _ word: String) -> String {
        count == 1 ? "one \(word)" : "\(count) \(word)s"
    }
}

/// Repeats what a layout's text repeats.
private struct Parser {
    private let characters: [(letter: Character, offset: Int)]
    private var next = 0

    init(_ text: String) {
        characters = text.enumerated().filter { $1 != "," && $1 != " " }.map { ($1, $0) }
    }

    private func fail(_ offset: Int, _ rule: String, _ fix: String) -> PipelineLayoutText.Mistake {
        PipelineLayoutText.Mistake(offset: offset, rule: rule, fix: fix)
    }

    /// All letters and bars, groups and repeated letters written out.
    mutating func letters() throws(PipelineLayoutText.Mistake) -> [PipelineLayoutText.Layer] {
        var found: [PipelineLayoutText.Layer] = []
        while next < characters.count {
            if characters[next].letter == "(" {
                found += try group(room: PipelineLayoutText.most - found.count)
            } else {
                found += try letter(room: PipelineLayoutText.most - found.count)
            }
        }
        return found
    }

    private mutating func group(room: Int) throws(PipelineLayoutText.Mistake) -> [PipelineLayoutText.Layer] {
        let start = characters[next].offset
        next += 1
        var inner: [PipelineLayoutText.Layer] = []
        while true {
            guard next < characters.count else { throw fail(start, "this bracket is not closed", "add )*n") }
            let (letter, offset) = characters[next]
            if letter == "(" { throw fail(offset, "a group holds no other group", "write it out") }
            if letter == ")" { break }
            inner += try self.letter(room: room - inner.count)
        }
        let end = characters[next].offset
        guard characters[next - 1].letter != "(" else { throw fail(start, "this group is empty", "remove it") }
        next += 1
        guard let times = try times() else {
            throw fail(end, "a group needs a number of times, as in (t|)*30", "add *n")
        }
        return try repeated(inner, times, room: room, at: start)
    }

    private mutating func letter(room: Int) throws(PipelineLayoutText.Mistake) -> [PipelineLayoutText.Layer] {
        let (letter, offset) = characters[next]
        guard "EtmL|".contains(letter) else {
            throw fail(
                offset, "'\(letter)' has no meaning there",
                "E is the embedding, t a layer, L the loss, | ends a stage, *n and (…)*n repeat")
        }
        next += 1
        let times = try times() ?? 1
        return try repeated([PipelineLayoutText.Layer(letter: letter, offset: offset)], times, room: room, at: offset)
    }

    /// The number behind a `*`; nil: there is no `*`.
    private mutating func times() throws(PipelineLayoutText.Mistake) -> Int? {
        guard next < characters.count, characters[next].letter == "*" else { return nil }
        let star = characters[next].offset
        next += 1
        var digits = ""
        while next < characters.count, "0123456789".contains(characters[next].letter) {
            digits.append(characters[next].letter)
            next += 1
        }
        guard !digits.isEmpty else { throw fail(star, "* needs a number of times behind it", "write *2") }
        return Int(digits) ?? .max
    }

    private func repeated(
        _ letters: [PipelineLayoutText.Layer], _ times: Int, room: Int, at offset: Int
    ) throws(PipelineLayoutText.Mistake) -> [PipelineLayoutText.Layer] {
        guard !letters.isEmpty, times > 0 else { return [] }
        guard let count = Int.product(letters.count, times), count <= room else {
            throw fail(
                offset,
                "names more than \(Figures.grouped(PipelineLayoutText.most)) layers and stages, beyond any machine",
                "lower a number of times")
        }
        return Array([[PipelineLayoutText.Layer]](repeating: letters, count: times).joined())
    }
}
