import Foundation
import Models
import Reading
import TestSupport
import Testing

/// The numbers in the safetensors files beside a configuration.
@Suite struct CheckpointCountTests {
    private static let configuration = """
        {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
         "intermediate_size": 128, "vocab_size": 100}
        """

    /// A file with this header, and nothing behind it.
    private static func file(_ header: String, length: UInt64? = nil) -> Data {
        let text = Data(header.utf8)
        return withUnsafeBytes(of: (length ?? UInt64(text.count)).littleEndian) { Data($0) } + text
    }

    /// - Parameter place: its number among the tensors of a file, which do not overlap.
    private static func tensor(_ name: String, _ shape: String, _ place: Int = 0) -> String {
        "\"\(name)\": {\"dtype\": \"BF16\", \"shape\": \(shape), \"data_offsets\": [\(8 * place), \(8 * place + 8)]}"
    }

    private func stored(_ files: [String: Data]) throws -> Int? {
        let folder = try TemporaryFolder()
        try folder.write(Self.configuration, as: "config.json")
        for (name, bytes) in files { try folder.write(bytes, as: name) }
        var read = ReadFiles()
        return try HuggingFaceModel.read(folder.path, library: Checkout.library, files: &read).stored
    }

    @Test func tensorsOfAllFilesAreAddedUp() throws {
        #expect(try stored([:]) == nil)
        #expect(
            try stored([
                "a.safetensors": Self.file(
                    "{\"__metadata__\": {\"format\": \"pt\"}, \(Self.tensor("x", "[3, 5]")), \(Self.tensor("y", "[]", 1))}"
                ),
                "b.safetensors": Self.file("{\(Self.tensor("z", "[7]"))}"), "c.bin": Data(count: 9),
            ]) == 23)
    }

    @Test(arguments: [
        Data(), Data(count: 8), Data("version https://git-lfs.github.com/spec/v1".utf8), file("{}", length: 3),
        file("{}", length: 100_000_001), file("[]"), file("{\"x\": 1}"), file("{\(tensor("x", "[1.5]"))}"),
        file("{\(tensor("x", "[4]")), \(tensor("y", "[4]"))}"),
    ])
    func aFileThatCannotBeReadCountsNothing(_ bytes: Data) throws {
        #expect(
            try stored(["a.safetensors": Self.file("{\(Self.tensor("z", "[7]"))}"), "b.safetensors": bytes]) == nil)
    }

    /// Sizes that no model has are no reason to stop.
    @Test func sumsPastSixtyFourBitsCountNothing() throws {
        let huge = "[9223372036854775807, 9223372036854775807]"
        let tensors = (0..<20_000).map { Self.tensor("t\($0)", huge, $0) }.joined(separator: ", ")
        #expect(try stored(["a.safetensors": Self.file("{\(tensors)}")]) == nil)
    }
}
