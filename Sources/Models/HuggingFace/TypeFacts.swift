internal import Foundation
package import Reading

/// The facts of a model type in `huggingface/types.json`: the values that count where a configuration leaves a key out, and
/// other spellings of its keys.
struct TypeFacts: Sendable {
    /// Declared values by key.
    var defaults: [String: JSONValue] = [:]
    /// Keys by their other spellings.
    var renames: [String: String] = [:]
    /// Keys that are read though the type does not declare them.
    var reads: Set<String> = []
    /// The key of the language model's configuration in a type of several towers, and the model type that it has if it
    /// names none.
    var text: (key: String, type: String?)?
    /// Whether embedding and head are tied if a configuration does not say so; nil: `defaults` has it.
    var isTied: Bool?
    /// Whether they are never tied, whatever the configuration says.
    var isNeverTied = false
    /// Which configuration of a model of several parts says whether they are tied.
    var tiesBy = TieRule.nearest
    /// Values that count where the language model's configuration leaves a key out, before those of its own type.
    var textDefaults: [String: JSONValue] = [:]

    /// The configuration that says whether the embedding and the head of a model of several parts are tied.
    enum TieRule: String {
        /// The language model's if it says so, else that of the whole model.
        case nearest
        /// That of the whole model, or its type: the language model exists as a part alone.
        case whole
        /// The language model's, or its type: the whole model has no say.
        case text
        /// None: they never are.
        case never
    }

    /// Whether a configuration of this type may have `key`.
    func knows(_ key: String) -> Bool { defaults[key] != nil || reads.contains(key) }

    fileprivate init(_ json: [String: JSONValue]) {
        defaults = json["defaults"]?.map ?? [:]
        renames = json["renames"]?.map?.compactMapValues(\.text) ?? [:]
        reads = Set(json["reads"]?.list?.compactMap(\.text) ?? [])
        isTied = json["tied"]?.flag
        isNeverTied = json["neverTied"]?.flag ?? false
        tiesBy = json["tiesBy"]?.text.flatMap(TieRule.init) ?? .nearest
        textDefaults = json["textDefaults"]?.map ?? [:]
        if let key = json["text"]?.text { text = (key, json["textType"]?.text) }
    }

    init(reads: Set<String> = [], isTied: Bool? = nil) {
        self.reads = reads
        self.isTied = isTied
    }
}

/// The facts of all types. The table has a line for each type, and only the lines that are asked for are read.
package struct TypeFactsTable {
    private let text: Data
    private let lines: [String: Data]

    /// The names of all types.
    package var types: Set<String> { Set(lines.keys).union(ModelTypes.all.keys).union(ModelTypes.factsOf.keys) }

    /// Reads the table.
    /// - Throws: that the file is missing or broken.
    package init(library: Library) throws(PlanProblems) {
        let name = "huggingface/types.json"
        guard let path = library.existing(name) else {
            throw PlanProblems([
                PlanProblem(
                    field: "", rule: "\(name) is not found",
                    fix: "set TRAINYARD_HOME to the folder that holds cluster/ and huggingface/")
            ])
        }
        text = FileManager.default.contents(atPath: path) ?? Data()
        var lines: [String: Data] = [:]
        let quote = UInt8(ascii: "\"")
        for line in text.split(separator: UInt8(ascii: "\n")) where line.first == quote {
            guard let end = line.dropFirst().firstIndex(of: quote) else { continue }
            lines[String(decoding: line[(line.startIndex + 1)..<end], as: UTF8.self)] = line
        }
        guard lines["llama"] != nil else {
            throw PlanProblems([PlanProblem(file: path, field: "", rule: "is not the table of model types")])
        }
        self.lines = lines
    }

    /// The facts of a type; nil if the table has none.
    subscript(_ type: String) -> TypeFacts? {
        guard var line = lines[type] else { return nil }
        if line.last == UInt8(ascii: ",") { line = line.dropLast() }
        return JSONValue(text: Data("{".utf8) + line + Data("}".utf8))?.map?[type]?.map.map(TypeFacts.init)
    }

    /// Names of all types.
    package var names: [String] { lines.keys.sorted() }

    /// Whether some type has `key`, so that its meaning is known and the types that do not ask for it do without.
    func isKnown(_ key: String) -> Bool { text.range(of: Data("\"\(key)\"".utf8)) != nil }
}
