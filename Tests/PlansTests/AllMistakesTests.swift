import Plans
import Reading
import TestSupport
import Testing

/// Mistakes in different parts of one plan, all named in one answer.
struct AllMistakesTests {
    private func places(_ text: String) -> [String] {
        do {
            _ = try Plan.read(text: text, path: "p.yaml", library: Checkout.library)
            return []
        } catch {
            return error.problems.map { "\($0.line ?? 0):\($0.column ?? 0) \($0.field)" }
        }
    }

    @Test(
        "A wrong window, pattern, adapter, recipe, sharding, micro-batch, layout string and device count are named together"
    )
    func everySection() {
        #expect(
            places(
                """
                model:
                  family: llama
                  layers: 8
                  hidden: 512
                  heads: 8
                  ffn: 1024
                  vocab: 1000
                  sequence: 256
                  kinds:
                    a: {}
                    m: {mamba2: {heads: 8, headSize: 64, stateSize: 16, groups: 1}, window: 64}
                  pattern: a m a
                cluster: h100-80g-sxm
                devices: 8
                batch: 8
                lora: {rank: 8, targetModules: [q_prj]}
                optimizer: adafactor
                precision: {recipe: mxfp8}
                layout: {tensor: 1, pipeline: 2, data: 3, sharding: parameters, pipelineLayout: "Et*4|t*3|tL"}
                """) == [
                    "11:77 model.kinds.m.window", "12:12 model.pattern", "14:10 devices",
                    "16:32 lora.targetModules", "18:12 precision", "19:9 layout.microbatch",
                    "19:53 layout.sharding", "19:90 layout.pipelineLayout",
                ])
    }

    @Test("A wrong key of what is offloaded, and of adapters, leaves the rules of the other keys of its map")
    func mapsOfSeveralKeys() {
        func found(_ offload: String) -> [String] {
            places(
                """
                model: llama3-8b
                cluster: h100-80g-sxm
                devices: 16
                batch: 16
                lora: {rank: 8, targetModules: [q_prj]}
                precision: {recipe: delayed, parameterGather: true}
                layout: {data: 16, sharding: none, offload: {\(offload)}}
                """)
        }
        /// Whether all of these are among the mistakes that are named, beside those of the adapters and of the recipe.
        func names(_ keys: [String], _ offload: String) -> Bool {
            let found = found(offload)
            return Set(keys + ["5:32 lora.targetModules", "6:47 precision.parameterGather"]).isSubset(of: found)
        }
        // Parameters need shards, and 99 blocks are more than the model has.
        #expect(
            names(
                ["7:58 layout.offload.parameters", "7:77 layout.offload.activations", "7:90 layout.offload.overlap"],
                "parameters: true, activations: 99, overlap: maybe"))
        #expect(
            names(
                ["7:58 layout.offload.parameters", "7:64 layout.offload.optimizr"], "parameters: true, optimizr: true"))
        #expect(
            names(
                ["7:59 layout.offload.activations", "7:74 layout.offload.parameters"],
                "activations: x, parameters: true, optimizer: true"))
    }

    @Test("A model that is not known leaves the rules of optimizer and sharding")
    func unknownModel() {
        #expect(
            places(
                """
                model: no-such-model
                cluster: no-such-cluster
                devices: 8
                batch: 8
                optimizer: adafactor
                layout: {data: 8, sharding: parameters}
                """) == ["1:8 model", "2:10 cluster", "6:29 layout.sharding"])
    }

    @Test("A wrong cluster and framework leave the rules between model and layout")
    func wrongCluster() {
        #expect(
            places(
                """
                model: {name: gpt3-175b}
                cluster: no-such-cluster
                framework: no-such-framework
                devices: 14
                batch: 8
                layout: {tensor: 7, data: 2, pipeline: 1}
                """) == ["2:10 cluster", "3:12 framework", "6:18 layout.tensor", "6:18 layout.tensor"])
    }

    private let plain = """
        cluster: h100-80g-sxm
        devices: 16
        batch: 16
        """

    @Test(
        "A configuration that is missing, no JSON or contradictory leaves the rules of the other keys",
        arguments: [
            "/no/such/config.json", "BROKEN", "CONTRADICTORY",
        ])
    func brokenConfiguration(_ kind: String) throws {
        let folder = try TemporaryFolder()
        var path = kind
        if kind == "BROKEN" { path = try folder.write("{\"model_type\": ", as: "config.json") }
        if kind == "CONTRADICTORY" {
            path = try folder.write(
                """
                {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
                "num_key_value_heads": 3, "intermediate_size": 128, "vocab_size": 100}
                """, as: "config.json")
        }
        let found = places(
            """
            model: {hf: \(path)}
            \(plain)
            lora: {rank: 0}
            frozen: [embedding]
            optimizer: {name: muon, nesterov: yes}
            layout: {data: 4, pipeline: 4, pipelineLayout: "Et|t|L", sharding: parameters, offload: {parameters: true}}
            """)
        for key in [
            "lora.rank", "6:9 frozen", "7:25 optimizer.nesterov", "layout.pipelineLayout", "layout.sharding",
            "layout.offload",
        ] {
            #expect(found.contains { $0.contains(key) }, "\(key) of \(found)")
        }
    }

    @Test("A target that the contradictory model does not have is named")
    func targetsOfAContradictoryModel() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            """
            {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
            "num_key_value_heads": 3, "intermediate_size": 128, "vocab_size": 100}
            """, as: "config.json")
        let found = places("model: {hf: \(path)}\n\(plain)\nlora: {rank: 4, targetModules: [q_prj]}")
        #expect(found.contains { $0.hasSuffix("lora.targetModules") } && found.count == 2, "\(found)")
    }

    @Test("Rules of a layout that read no wrong key are asked")
    func insideALayout() {
        #expect(
            places(
                """
                model: {name: gpt3-175b}
                \(plain)
                layout: {data: many, tensor: 7, microbatch: 3, context: 3, sequenceParallel: true, layersPerStage: [1], schedule: zbv}
                """) == [
                    "5:9 layout.virtualStages", "5:16 layout.data", "5:30 layout.tensor", "5:30 layout.tensor",
                    "5:57 layout.context", "5:78 layout.sequenceParallel", "5:100 layout.layersPerStage",
                    "5:100 layout.layersPerStage",
                ])
    }

    @Test("A batch that does not divide leaves the rules of the schedule")
    func batchThatDoesNotDivide() {
        let found = places(
            """
            model: {name: gpt3-175b}
            cluster: a100-80g-sxm
            devices: 12
            batch: 7
            layout: {data: 4, pipeline: 3, schedule: dualpipe}
            """)
        #expect(found == ["5:16 layout.microbatch", "5:42 layout.schedule"] || found.count == 2, "\(found)")
        #expect(found.contains { $0.hasSuffix("layout.schedule") }, "\(found)")
    }

    @Test("Pairs that are not priced together are named beside a wrong model and a mistake in the optimizer")
    func pairs() {
        let found = places(
            """
            model: {name: gpt3-175b, heads: 7}
            \(plain)
            lora: {rank: 4}
            precision: {recipe: mxfp8, parameterGather: true}
            optimizer: {name: muon, nesterov: yes}
            layout: auto
            """)
        for key in ["model.heads", "optimizer.nesterov", "precision.parameterGather"] {
            #expect(found.contains { $0.hasSuffix(" \(key)") }, "\(key) of \(found)")
        }
    }

    @Test(
        "A missing size leaves the rules that do not read it",
        arguments: ["ffn", "heads", "hidden", "layers", "vocab", "sequence", "family"])
    func missingSize(_ key: String) {
        let sizes = [
            "family: llama", "layers: 8", "hidden: 512", "heads: 8", "ffn: 1024", "vocab: 1000", "sequence: 256",
        ].filter { !$0.hasPrefix("\(key):") }
        let found = places(
            """
            model: {\(sizes.joined(separator: ", ")), window: 8, chunk: 8}
            \(plain)
            optimizer: adafactor
            layout: {data: 16, shardGroup: 3, sharding: parameters}
            """)
        #expect(found.first == "1:8 model.\(key)", "\(found)")
        for key in ["model.chunk", "layout.shardGroup", "layout.sharding"] {
            #expect(found.contains { $0.hasSuffix(" \(key)") }, "\(key) of \(found)")
        }
        #expect(found.count == 4, "\(found)")
    }

    @Test("A wrong batch is not followed by what a batch in its place would break")
    func wrongBatch() {
        #expect(
            places(
                """
                model: {name: gpt3-175b}
                cluster: a100-80g-sxm
                devices: 3
                batch: many
                layout: {data: 3}
                """) == ["4:8 batch"])
    }
}
