import Foundation
import Models
import Plans
import TestSupport
import Testing
import Training

/// Weights files that somebody made up: refused in words, before any memory is taken for them.
@Suite struct CheckpointReadingTests {
    private func refusal(header: String, length: UInt64? = nil, data: Int = 64) throws -> String {
        let bytes = Data(header.utf8)
        let prefix = withUnsafeBytes(of: (length ?? UInt64(bytes.count)).littleEndian) { Data($0) }
        let folder = try TemporaryFolder()
        let path = try folder.write(prefix + bytes + Data(count: data), as: "weights.safetensors")
        return try #require(throws: TrainingError.self) { try WholeModel(weights: path) }.description
    }

    private func tensor(offsets: String, shape: String = "[4, 4]") -> String {
        "{\"wte.weight\": {\"dtype\": \"F32\", \"shape\": \(shape), \"data_offsets\": \(offsets)}}"
    }

    @Test(arguments: [
        "[0, 9223372036854775807]", "[9223372036854775806, 9223372036854775807]", "[-9223372036854775808, 64]",
        "[64, 0]", "[0, 65]", "[0]", "[]", "[0, 1e300]", "[0, 1.5]", "\"0\"", "null",
    ])
    func offsetsOutsideTheFile(_ offsets: String) throws {
        #expect(
            try refusal(header: tensor(offsets: offsets)).contains(
                "tensor wte.weight: its type, shape or place is broken or outside the file"))
    }

    @Test(arguments: [UInt64(0), 1, 100_000_001, .max, 1 << 63])
    func lengthsThatAreNone(_ length: UInt64) throws {
        #expect(try refusal(header: tensor(offsets: "[0, 64]"), length: length).contains("not a safetensors file"))
    }

    private func stored(_ model: String) throws -> String {
        let quoted = String(decoding: try JSONEncoder().encode(model), as: UTF8.self)
        return try refusal(header: "{\"__metadata__\": {\"trainyard.model\": \(quoted)}}")
    }

    @Test(arguments: [
        ("layers", 0), ("layers", -1), ("layers", Int.max), ("hidden", 0), ("heads", 0), ("kvHeads", 0),
        ("headSize", Int.min), ("ffn", Int.max), ("vocab", 0), ("vocab", Int.max), ("sequence", 0),
        ("sequence", Int.max),
    ])
    func storedSizesOutOfRange(_ key: String, _ value: Int) throws {
        let model = Model(family: .gpt, layers: 1, hidden: 8, heads: 2, vocab: 256, sequence: 8)
        let text = String(decoding: try JSONEncoder().encode(model), as: UTF8.self)
        let changed = text.replacing(try Regex("\"\(key)\":[0-9]+"), with: "\"\(key)\":\(value)")
        #expect(changed != text)
        #expect(try stored(changed).contains("the model shape in its metadata: \(key): must be a whole number from "))
    }

    /// A shape within the bounds whose tensors the file does not hold: not even their names are made.
    @Test func storedShapesThatTheFileDoesNotHold() throws {
        func text(_ model: Model) throws -> String { String(decoding: try JSONEncoder().encode(model), as: UTF8.self) }
        let many = Model(
            family: .llama, layers: 10_000, hidden: 8, heads: 2, ffn: 8, vocab: 256, sequence: 100_000_000,
            moe: Model.Mixture(experts: 16_384, topK: 1, ffn: 8))
        #expect(try stored(text(many)).contains("holds 0 tensors, its model of 10000 layers needs more than"))
        let latent = Model(
            family: .llama, layers: 1, hidden: 8, heads: 2, vocab: 256, sequence: 8,
            mla: Model.LatentAttention(queryRank: 0, kvRank: 4, nopeSize: 2, ropeSize: 2, valueSize: 2))
        #expect(try stored(text(latent)).contains("model.mla"))
        #expect(try stored("{}").contains("cannot be read"))
        #expect(try stored("[[[[[[").contains("cannot be read"))
    }
}
