import Foundation
import TestSupport
import Testing
import Training

/// A Python that has transformers: that of `TRAINYARD_PYTHON`, or `python3`.
enum Transformers {
    static let python: String? = {
        let named = ProcessInfo.processInfo.environment["TRAINYARD_PYTHON"] ?? "python3"
        return run([named, "-c", "import transformers, torch"]) == nil ? nil : named
    }()

    /// The standard output of a program; nil where it fails.
    static func run(_ command: [String]) -> Data? {
        guard let folder = try? TemporaryFolder(), FileManager.default.createFile(atPath: folder["out"], contents: nil),
            let output = FileHandle(forWritingAtPath: folder["out"])
        else { return nil }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        process.waitUntilExit()
        return process.terminationStatus == 0 ? FileManager.default.contents(atPath: folder["out"]) : nil
    }
}

/// What is exported, opened by transformers itself.
@Suite(.enabled(if: Transformers.python != nil, "no Python with transformers; TRAINYARD_PYTHON names one"), .serialized)
struct TransformersTests {
    @Test(arguments: HuggingFaceGolden.names) func exportsComputeAlike(_ name: String) throws {
        let golden = try HuggingFaceGolden()
        let folder = try TemporaryFolder()
        try golden.model(name).write(to: folder, scale: golden.scale)
        _ = try HuggingFaceExport.write(folder.path, to: folder["out"])
        let tokens = golden.tokens
        let script = Checkout.root + "/bench/pytorch/huggingface_golden.py"
        let python = try #require(Transformers.python)
        let printed = try #require(Transformers.run([python, script, folder["out"]] + tokens.map(String.init)))
        let theirs = try #require(JSONSerialization.jsonObject(with: printed) as? [[NSNumber]]).map {
            $0.map(\.floatValue)
        }
        let ours = try WholeModel(weights: folder["out"]).logits(of: [tokens])[0]
        #expect(theirs.count == tokens.count)
        #expect(HuggingFaceGolden.distance(ours, theirs) < 1e-4)
    }

    /// The tokenizer gives every byte its number, and every text back. For Qwen 2 `AutoTokenizer` takes that model's own class,
    /// which composes characters first, whatever a folder says.
    @Test(arguments: [
        ("qwen3", "AutoTokenizer"), ("llama-linear", "AutoTokenizer"), ("qwen2", "PreTrainedTokenizerFast"),
    ])
    func tokenizerIsOfBytes(_ name: String, _ reader: String) throws {
        let golden = try HuggingFaceGolden()
        let folder = try TemporaryFolder()
        try golden.model(name).write(to: folder, scale: golden.scale, ["vocab_size": 256]) { tensors in
            tensors.map { tensor in
                let isTable = ["model.embed_tokens.weight", "lm_head.weight"].contains(tensor.name)
                return isTable ? (tensor.name, [256, tensor.shape[1]]) : tensor
            }
        }
        _ = try HuggingFaceExport.write(folder.path, to: folder["out"])
        let program = """
            import sys, transformers
            tokenizer = getattr(transformers, sys.argv[2]).from_pretrained(sys.argv[1])
            text = "".join(chr(c) for c in range(0x800) if not 0xd800 <= c < 0xe000) + " \\n\\n  Ünïcödé 漢字 🙂 <s></s>"
            ids = tokenizer(text)["input_ids"]
            assert ids == list(text.encode()), ids[:40]
            assert tokenizer.decode(ids) == text
            print("good")
            """
        let python = try #require(Transformers.python)
        let printed = Transformers.run([python, "-c", program, folder["out"], reader])
        #expect(printed.map { String(decoding: $0, as: UTF8.self) } == "good\n")
    }
}
