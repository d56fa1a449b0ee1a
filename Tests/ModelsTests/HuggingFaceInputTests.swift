import Foundation
import Models
import Reading
import TestSupport
import Testing

/// A Hugging Face configuration with a mistake: the line in place of that of the same key, and what is said.
struct BrokenConfiguration: Sendable, CustomTestStringConvertible {
    var key: String
    /// The JSON value; nil: the line is left out.
    var value: String?
    /// The whole message behind the path of the file.
    var message: String

    var testDescription: String { "\(key): \(value ?? "left out")" }

    static let all = [
        BrokenConfiguration(
            key: "hidden_size", value: "null",
            message: ":3:18: hidden_size: is missing; a llama configuration needs it"),
        BrokenConfiguration(
            key: "hidden_size", value: "\"64\"",
            message: ":3:18: hidden_size: must be a whole number from 1 to 100,000,000 (found '64')"),
        BrokenConfiguration(
            key: "hidden_size", value: "-64",
            message: ":3:18: hidden_size: must be a whole number from 1 to 100,000,000 (found -64)"),
        BrokenConfiguration(
            key: "num_hidden_layers", value: "100000000000000000000000",
            message: ":4:24: num_hidden_layers: must be a whole number from 1 to 100,000,000 (found 1e+23)"),
        BrokenConfiguration(
            key: "num_hidden_layers", value: "20000",
            message: ":4:24: num_hidden_layers: must be a whole number from 1 to 10000 (found 20000)"),
        BrokenConfiguration(
            key: "intermediate_size", value: "[128]",
            message: ":7:24: intermediate_size: must be a whole number from 1 to 100,000,000 (found a list)"),
        BrokenConfiguration(
            key: "intermediate_size", value: "1.5",
            message: ":7:24: intermediate_size: must be a whole number from 1 to 100,000,000 (found 1.5)"),
        BrokenConfiguration(
            key: "attention_bias", value: "\"yes\"",
            message: ":9:21: attention_bias: must be true or false (found 'yes')"),
        BrokenConfiguration(
            key: "model_type", value: nil,
            message: ":1:1: model_type: is missing; it names the architecture, e.g. \"llama\""),
        BrokenConfiguration(
            key: "frobnication_size", value: "12",
            message: ":10:24: frobnication_size: is not known, and its name is that of a size; "
                + "remove it if it changes no shape"),
        BrokenConfiguration(
            key: "num_key_value_heads", value: "3",
            message:
                ":6:26: num_key_value_heads: must divide heads 4 (found 3); every key/value head serves the same number of "
                + "heads"
        ),
    ]
}

@Suite struct HuggingFaceInputTests {
    private static func text(_ broken: BrokenConfiguration?) -> String {
        var lines = [
            ("model_type", "\"llama\""), ("hidden_size", "64"), ("num_hidden_layers", "2"),
            ("num_attention_heads", "4"),
            ("num_key_value_heads", "2"), ("intermediate_size", "128"), ("vocab_size", "100"),
            ("attention_bias", "false"),
        ]
        if let broken {
            if let place = lines.firstIndex(where: { $0.0 == broken.key }) {
                if let value = broken.value { lines[place].1 = value } else { lines.remove(at: place) }
            } else {
                lines.append((broken.key, broken.value ?? "null"))
            }
        }
        return "{\n" + lines.map { "  \"\($0.0)\": \($0.1)" }.joined(separator: ",\n") + "\n}\n"
    }

    private static func message(_ path: String) -> String {
        var files = ReadFiles()
        do {
            _ = try HuggingFaceModel.read(path, library: Checkout.library, files: &files)
            return "read"
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: BrokenConfiguration.all) func mistakesAreNamedWithTheirPlaces(_ broken: BrokenConfiguration) throws
    {
        let folder = try TemporaryFolder()
        let path = try folder.write(Self.text(broken), as: "config.json")
        #expect(Self.message(path) == path + broken.message)
    }

    @Test func theConfigurationWithoutMistakesIsRead() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Self.text(nil), as: "config.json")
        #expect(Self.message(path) == "read")
        #expect(Self.message(folder.path) == "read")
    }

    @Test func aFileThatIsCutOffHasOneProblem() throws {
        let folder = try TemporaryFolder()
        let text = Self.text(nil)
        for length in [0, 1, 20, 60, text.count - 3] {
            let path = try folder.write(String(text.prefix(length)), as: "cut.json")
            let message = Self.message(path)
            #expect(message.hasPrefix(path) && !message.contains("\n"), "\(length): \(message)")
        }
    }

    @Test func listsShorterThanTheLayersAreReported() throws {
        let folder = try TemporaryFolder()
        let text = """
            {"model_type": "gemma3_text", "hidden_size": 64, "num_hidden_layers": 6, "num_attention_heads": 4,
             "layer_types": ["full_attention"]}
            """
        let path = try folder.write(text, as: "config.json")
        #expect(
            Self.message(path)
                == path + ":2:17: layer_types: must have an entry for each of the 6 layers (found 1 entries); "
                + "or correct num_hidden_layers")
    }

    @Test func aPlaceWithoutAConfigurationIsNamed() throws {
        let folder = try TemporaryFolder()
        #expect(
            Self.message(folder.path)
                == "no Hugging Face configuration there (found '\(folder.path)'); "
                + "name a config.json, a directory with one, or a model in the local cache of the Hub")
    }

    /// Escaped pairs of surrogates and slashes are JSON.
    @Test func jsonThatIsNoYAMLIsRead() throws {
        let folder = try TemporaryFolder()
        let text = Self.text(nil).replacing("\n}", with: ",\n\"note\": \"\\ud83d\\ude00\", \"slash\": \"\\/\"\n}")
        #expect(Self.message(try folder.write(text, as: "config.json")) == "read")
    }
}
