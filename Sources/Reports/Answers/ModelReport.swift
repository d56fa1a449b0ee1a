internal import Foundation
package import Models
internal import Numbers

/// Models with their parameters: a table of many, or the parts of each.
package struct ModelReport {
    /// One model and what is known of it.
    package struct Entry: Encodable {
        private struct Kind: Encodable {
            var count: Int
            var attention: Int
            var feedForward: Int
            var norms: Int
            /// Of a module of multi-token prediction.
            var projection: Int?
        }

        /// A vision tower beside a language model, and the layers between both.
        private struct Tower: Encodable {
            var key: String
            var modelType: String
            var layers: Int
            var hidden: Int
            var parameters: Int
            var projector: Int
            /// The counts as a phrase, for people.
            var words: String

            private enum CodingKeys: CodingKey { case key, modelType, layers, hidden, parameters, projector }
        }

        package var name: String
        private var source: String?
        private var modelType: String?
        private var parameters: Int
        private var activeParameters: Int
        private var layers: Int
        private var hidden: Int
        private var heads: Int
        private var kvHeads: Int
        private var vocab: Int
        private var sequence: Int
        private var longestSequence: Int?
        private var experts: Int?
        private var embedding: Int
        private var head: Int
        private var otherTensors: Int
        private var kinds: [Kind]
        private var storedParameters: Int?
        private var towers: [String]?
        private var visionTowers: [Tower]?
        private var ignoredKeys: [String]?
        private var notes: [String]?
        /// The shape as lines of a plan.
        private var plan: [String]

        package init(_ model: Model, name: String, source: String?) {
            let counts = model.parameters()
            self.name = name
            self.source = source
            parameters = counts.total
            activeParameters = counts.active
            (layers, hidden, heads, kvHeads) = (model.layers, model.hidden, model.heads, model.kvHeads)
            (vocab, sequence) = (model.vocab, model.sequence)
            experts = (model.kinds.map(\.shape) + [model.block]).compactMap { $0.moe?.experts }.max()
            (embedding, head) = (counts.embedding, counts.head)
            otherTensors = counts.positions + counts.finalNorm + counts.others
            kinds = counts.kinds.map {
                Kind(
                    count: $0.count, attention: $0.attention, feedForward: $0.feedForward, norms: $0.norms,
                    projection: $0.projection > 0 ? $0.projection : nil)
            }
            plan = model.yaml
        }

        package init(_ reading: HuggingFaceModel) {
            self.init(reading.model, name: reading.path, source: nil)
            modelType = reading.modelType
            longestSequence = reading.longest
            storedParameters = reading.stored
            towers = reading.towers
            visionTowers =
                reading.visionTowers.isEmpty
                ? nil
                : reading.visionTowers.map {
                    Tower(
                        key: $0.key, modelType: $0.modelType, layers: $0.model.layers, hidden: $0.model.hidden,
                        parameters: $0.parameters, projector: $0.projector, words: $0.words)
                }
            ignoredKeys = reading.ignored
            notes = reading.notes
        }

        fileprivate var row: [String] {
            [
                name, Figures.grouped(parameters),
                activeParameters == parameters ? "" : Figures.grouped(activeParameters),
                "\(layers)", Figures.grouped(hidden), "\(heads)", "\(kvHeads)", experts.map { "\($0)" } ?? "",
                vocab > 0 ? Figures.grouped(vocab) : "", Figures.grouped(sequence), source ?? "",
            ]
        }

        /// The parts of the model, line by line.
        fileprivate var lines: [String] {
            func line(_ name: String, _ count: Int, _ note: String = "") -> String {
                "  \(name.left(34))\(Figures.grouped(count).right(22))" + (note.isEmpty ? "" : "  \(note)")
            }
            var lines = [name + (modelType.map { " (\($0))" } ?? "")]
            lines.append(line("parameters", parameters))
            if activeParameters != parameters { lines.append(line("that a token passes through", activeParameters)) }
            lines.append(line("embedding", embedding, head == 0 && vocab > 0 ? "tied to the head" : ""))
            if head > 0 { lines.append(line("head", head)) }
            for kind in kinds {
                let one = kind.attention + kind.feedForward + kind.norms + (kind.projection ?? 0)
                let names = kind.projection == nil ? "blocks" : "modules of multi-token prediction"
                lines.append(line("\(kind.count) \(names) of \(Figures.grouped(one))", kind.count * one))
                if let projection = kind.projection { lines.append(line("  projection of one", projection)) }
                lines.append(line("  attention of one", kind.attention))
                lines.append(line("  feed-forward of one", kind.feedForward))
                lines.append(line("  norms and small tensors of one", kind.norms))
            }
            lines.append(line("other tensors", otherTensors, "positions, final norm and the like"))
            if let storedParameters { lines.append(line("in its safetensors files", storedParameters)) }
            if let source { lines.append("  source: \(source)") }
            if let towers, !towers.isEmpty {
                let words = towers.map { key in visionTowers?.first { $0.key == key }?.words ?? key }
                lines.append("  beside the language model: \(words.joined(separator: ", "))")
            }
            for note in notes ?? [] { lines.append("  note: \(note)") }
            if let ignoredKeys, !ignoredKeys.isEmpty {
                lines += Wrapped.lines(
                    "keys that change no shape: \(ignoredKeys.joined(separator: ", "))", width: 100, first: "  ",
                    rest: "    ")
            }
            lines.append("  as a plan:")
            return lines + ["    model:"] + plan.map { "      " + $0 }
        }
    }

    private let entries: [Entry]

    package init(_ entries: [Entry]) { self.entries = entries }

    /// The JSON document: `{"models": [{"name", "parameters", …}]}`.
    package func json() throws -> String { try JSONDocument.text(["models": entries]) }

    /// A table with a line for each model.
    package func table(width: Int?) -> [String] {
        Table(
            head: [
                "model", "parameters", "active", "layers", "hidden", "heads", "kv", "experts", "vocab", "sequence",
                "source",
            ], rows: entries.map(\.row), leftAligned: [0, 10]
        ).lines(fitting: width, dropping: ["source", "sequence", "vocab", "kv"])
    }

    /// The parts of each model.
    package var parts: [String] { Array(entries.map(\.lines).joined(separator: [""])) }
}
