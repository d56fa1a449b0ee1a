import Interchange
import Reading
import Testing

/// Keys that a file has twice are told with both places, beside its other mistakes, in every format.
@Suite struct RepeatedKeyTests {
    private static let nanotron = """
        model:
          model_config: {hidden_size: 64, intermediate_size: 128, is_llama_config: true, num_attention_heads: 4,
            num_hidden_layers: 2, num_key_value_heads: 4, vocab_size: 128}
        parallelism:
          dp: 4
          tp: 2
          pp: 1
          tp: 4
          pp_engine: zigzag
        tokens: {batch_accumulation_per_replica: 2, micro_batch_size: 1, sequence_length: 64, train_steps: 10}
        """

    @Test func ofYAML() {
        let found = ForeignFile(format: .nanotron, text: Self.nanotron).problems()
        #expect(
            found.contains(
                "run.yaml:8:3: parallelism.tp: is given twice, first in line 6, column 3; keep one of them"), "\(found)"
        )
        #expect(found.contains { $0.contains("parallelism.pp_engine: must be 1f1b or afab") }, "\(found)")
    }

    @Test func ofYAMLThreeTimes() {
        let text = Self.nanotron.replacing("  pp: 1", with: "  tp: 2\n  pp: 1")
        let found = ForeignFile(format: .nanotron, text: text).problems().filter { $0.contains("given twice") }
        #expect(found.count == 2 && found.allSatisfy { $0.contains("first in line 6, column 3") }, "\(found)")
        #expect(found.first?.hasPrefix("run.yaml:7:3:") == true && found.last?.hasPrefix("run.yaml:9:3:") == true)
    }

    /// A whole section counts as one key, and its first contents are not mixed with the last.
    @Test(arguments: ["ds.json", "run.conf"]) func ofJSON(name: String) {
        let text = """
            {
              "train_batch_size": 8,
              "zero_optimization": {"stage": 1, "overlap_comm": true},
              "optimizer": {"type": "LAMB"},
              "zero_optimization": {"stage": 3}
            }
            """
        #expect(ImportFormat.detect(text: text, name: name) == .deepspeed)
        let found = Imported.problems(text, .deepspeed, devices: 8, model: "llama3-8b", path: name)
        #expect(
            found.contains(
                "\(name):5:3: zero_optimization: is given twice, first in line 3, column 3; keep one of them"),
            "\(found)")
        #expect(found.contains { $0.contains("optimizer.type: must be") } && found.count == 2, "\(found)")
    }

    @Test(arguments: [
        (
            ImportFormat.gptNeoX, "num_layers: 2\nhidden_size: 64\nnum_layers: 4\npipe_parallel_size: 1\n",
            "num_layers", "3:1", 1
        ),
        (.maxText, "base_emb_dim: 64\nsteps: 10\nsteps: 12\n", "steps", "3:1", 2),
        (.nemo, "trainer: {devices: 8}\nmodel:\n  num_layers: 4\n  num_layers: 5\n", "model.num_layers", "4:3", 3),
        (
            .megatronBridge, "train: {train_iters: 1}\nmodel:\n  num_layers: 4\n  num_layers: 5\n", "model.num_layers",
            "4:3", 3
        ),
        (.accelerate, "distributed_type: NO\nnum_processes: 1\nnum_processes: 2\n", "num_processes", "3:1", 2),
        (.transformers, "output_dir: o\nbf16: true\nbf16: true\n", "bf16", "3:1", 2),
    ]) func ofOtherTools(_ format: ImportFormat, _ text: String, _ key: String, _ place: String, _ first: Int) {
        let found = Imported.problems(text, format, devices: 8, model: "llama3-8b")
        #expect(
            found.contains { $0.hasPrefix("run.conf:\(place): \(key): is given twice, first in line \(first), ") },
            "\(found)")
        #expect(found.allSatisfy { line in line.unicodeScalars.allSatisfy { $0.value < 0xF0000 } })
    }

    @Test func ofTOML() {
        let text = TorchtitanImportTests.dense.replacing("steps = 1000", with: "seq_len = 4096\nstepps = 1000")
        let found = Imported.problems(text, .torchtitan, devices: 64)
        #expect(
            found.contains(
                "run.conf:15:1: training.seq_len: is given twice, first in line 13, column 1; keep one of them"),
            "\(found)")
        #expect(found.contains { $0.contains("did you mean 'steps'?") } && found.count == 2, "\(found)")
    }

    @Test func tablesOfTOML() {
        let text = TorchtitanImportTests.dense + "\n[training]\nsteps = 20\ngc_freq = 1\n"
        let found = Imported.problems(text, .torchtitan, devices: 64)
        #expect(found.count == 2, "\(found)")
        #expect(found.contains { $0.contains("run.conf:28:1: training: is given twice, first in line 11, column 1") })
        #expect(
            found.contains { $0.contains("run.conf:29:1: training.steps: is given twice, first in line 15, column 1") })
    }

    /// Tables of a list have the same keys, and strings of several lines hold none.
    @Test func whatTOMLMayRepeat() throws {
        let text = """
            a = 1
            text = \"\"\"
            a = 2
            [t]
            \"\"\"
            [t]
            b.c = 1
            b.d = 2
            [[list]]
            x = 1
            [list.more]
            y = 1
            [[list]]
            x = 2
            [list.more]
            y = 2
            """
        let settings = try TOMLSettings.read(text: text, name: "a.toml")
        #expect(settings.allSatisfy { $0.earlier == nil } && settings.contains { $0.name == "t.b.d" })
    }

    @Test func besideAMistakeOfTheSyntax() {
        let text = TorchtitanImportTests.dense.replacing("steps = 1000", with: "seq_len = 4096\nsteps = [")
        let found = Imported.problems(text, .torchtitan, devices: 64)
        #expect(found.contains { $0.contains("training.seq_len: is given twice") }, "\(found)")
        #expect(found.contains { $0.contains("is no TOML") }, "\(found)")
    }
}
