import Foundation
import Models
import Reading
import TestSupport
import Testing

@Suite struct HuggingFaceTests {
    @Test func thereAreConfigurationsOfManyTypes() {
        #expect(CountedConfiguration.all.count > 880)
        #expect(Set(CountedConfiguration.all.map(\.type)).count > 220)
    }

    @Test func countsAreThoseOfTransformers() throws {
        for one in CountedConfiguration.all {
            do {
                let counts = try CountedConfiguration.read(one.value).model.parameters()
                #expect(counts.total == one.parameters, "\(one.name)")
                #expect(counts.active == one.active, "\(one.name)")
            } catch let problems as PlanProblems {
                Issue.record("\(one.name): \(problems)")
            }
        }
    }

    /// Mutants of each configuration.
    static let mutants = 5

    /// A configuration with a value that no one expects ends in a model or in problems of one line each.
    @Test(arguments: 0..<8) func mutantsAreReadOrRefused(_ part: Int) throws {
        var numbers = SeededNumbers(state: UInt64(part) &* 1_000_003)
        for (place, one) in CountedConfiguration.all.enumerated() where place % 8 == part {
            for _ in 0..<Self.mutants {
                let mutant = one.value.mutated(&numbers)
                do {
                    let counts = try CountedConfiguration.read(mutant).model.parameters()
                    #expect(counts.total > 0, "\(one.name): \(mutant)")
                } catch let problems as PlanProblems {
                    let lines = problems.problems.map(\.description)
                    #expect(!lines.isEmpty && lines.allSatisfy { !$0.contains("\n") }, "\(one.name)")
                }
            }
        }
    }

    @Test func textPartsSayWhetherHeadsAreTied() throws {
        func total(_ inner: String) throws -> Int {
            let text = """
                {"model_type": "gemma3", "tie_word_embeddings": false, "text_config":
                 {\(inner) "vocab_size": 100, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
                 "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8}}
                """
            return try CountedConfiguration.read(#require(JSONValue(text: Data(text.utf8)))).model.parameters().total
        }
        let untied = try total("")
        #expect(try total("\"tie_word_embeddings\": true,") == untied - 1600)
        #expect(try total("\"tie_word_embeddings\": false,") == untied)
    }

    @Test func typesOfTheTableThatNoEntryDescribesAreRefused() throws {
        for type in ["inkling_text", "zamba2", "jetmoe", "reformer"] {
            let value = JSONValue.map(["model_type": .text(type), "hidden_size": .count(64)])
            let problems = #expect(throws: PlanProblems.self) { try CountedConfiguration.read(value) }
            #expect(
                problems?.description
                    == "config.json: model_type: is not described (found '\(type)'); state its sizes in a plan under model:"
            )
        }
    }

    @Test(arguments: [
        ("bert", "an encoder"), ("t5", "an encoder and a decoder"), ("xlm-roberta", "an encoder"),
        ("siglip_vision_model", "a model of images and text"), ("wav2vec2", "a model of sound"),
    ])
    func modelsThatAreNoDecodersAreRefused(_ type: String, _ kind: String) throws {
        let problems = #expect(throws: PlanProblems.self) {
            try CountedConfiguration.read(.map(["model_type": .text(type), "hidden_size": .count(64)]))
        }
        #expect(
            problems?.description
                == "config.json: model_type: is \(kind), and decoders of text are planned (found '\(type)')")
    }

    @Test func classesAndFlagsTellEncoders() throws {
        for key in ["architectures", "is_encoder_decoder"] {
            let value = JSONValue.map([
                "model_type": .text("somebody's"),
                key: key == "architectures" ? .list([.text("NewForMaskedLM")]) : .flag(true),
            ])
            let problems = #expect(throws: PlanProblems.self) { try CountedConfiguration.read(value) }
            #expect(problems?.description.contains("and decoders of text are planned") == true)
        }
    }

    /// Published totals of models whose code is not in transformers.
    @Test func publishedTotals() throws {
        let qwen = """
            {"model_type": "qwen", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
             "intermediate_size": 22016, "vocab_size": 151936, "kv_channels": 128, "tie_word_embeddings": false}
            """
        let glm = """
            {"model_type": "chatglm", "hidden_size": 4096, "num_layers": 28, "num_attention_heads": 32, "ffn_hidden_size": 13696,
             "padded_vocab_size": 65024, "kv_channels": 128, "multi_query_attention": true, "multi_query_group_num": 2,
             "add_qkv_bias": true, "add_bias_linear": false, "rmsnorm": true, "post_layer_norm": true}
            """
        for (text, total) in [(qwen, 7_721_324_544), (glm, 6_243_584_000)] {
            let value = try #require(JSONValue(text: Data(text.utf8)))
            #expect(try CountedConfiguration.read(value).model.parameters().total == total)
        }
    }

    @Test func unknownTypesAreReadByTheirKeysWithANote() throws {
        let text = """
            {"model_type": "brand_new", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
             "intermediate_size": 128, "vocab_size": 100, "head_dim": 16}
            """
        let value = try #require(JSONValue(text: Data(text.utf8)))
        let reading = try CountedConfiguration.read(value)
        #expect(reading.notes.contains { $0.contains("'brand_new' is not known") })
        #expect(reading.model.parameters().total == 2 * (4 * 64 * 64 + 3 * 64 * 128 + 2 * 64) + 64 + 2 * 100 * 64)
    }
}

extension JSONValue {
    /// The value with one change: a key dropped, a value replaced by any other, or a list cut.
    fileprivate func mutated(_ numbers: inout SeededNumbers) -> JSONValue {
        guard case .map(var map) = self, let key = map.keys.sorted().randomElement(using: &numbers) else { return self }
        if case .map? = map[key], numbers.next() % 8 != 0 {
            map[key] = map[key]?.mutated(&numbers)
            return .map(map)
        }
        let others: [JSONValue?] = [
            nil, .null, .flag(true), .flag(false), .count(0), .count(1), .count(-1), .count(7), .count(100_000_000),
            .count(.max), .count(.min), .number(0.5), .number(-1e300), .number(.infinity), .number(.nan), .text(""),
            .text("full_attention"), .text("9"), .list([]), .list([.count(3)]), .list([.text("dense"), .null]),
            .list([.count(-5), .count(.max)]), .map([:]), .map(["0": .map(["num_attention_heads": .count(0)])]),
        ]
        if case .list(let list)? = map[key], numbers.next() % 2 == 0 {
            map[key] = .list(Array(list.prefix(Int(numbers.next() % UInt64(list.count + 1)))))
        } else {
            map[key] = others[Int(numbers.next() % UInt64(others.count))]
        }
        return .map(map)
    }
}
