import Foundation
import Models
import Reading
import TestSupport

/// A small Hugging Face configuration with the parameters that transformers gives its model.
struct CountedConfiguration: Sendable {
    var name: String
    var parameters: Int
    var active: Int
    var value: JSONValue

    /// All of `huggingface_counts.jsonl`, whose first line says where they come from.
    static let all: [CountedConfiguration] = {
        let path = Checkout.root + "/Tests/Goldens/huggingface_counts.jsonl"
        let lines = (FileManager.default.contents(atPath: path) ?? Data()).split(separator: UInt8(ascii: "\n"))
        return lines.dropFirst().compactMap { line in
            guard let map = JSONValue(text: line)?.map, let name = map["name"]?.text,
                let parameters = map["parameters"]?.count, let active = map["active"]?.count,
                let value = map["configuration"]
            else { return nil }
            return CountedConfiguration(name: name, parameters: parameters, active: active, value: value)
        }
    }()

    /// The name of the configuration's type.
    var type: String { String(name.prefix(upTo: name.lastIndex(of: "-") ?? name.endIndex)) }

    static let table = Result { try TypeFactsTable(library: Checkout.library) }

    /// The model of a configuration.
    static func read(_ value: JSONValue) throws -> HuggingFaceModel {
        try HuggingFaceModel.read(
            value, file: "config.json", table: table.get(), collector: ProblemCollector(file: "config.json"))
    }
}

/// Numbers that look random and are the same in every run (Steele et al. 2014, SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
