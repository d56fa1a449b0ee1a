import Models
import Plans
import Reading
import Schedules
import TestSupport
import Testing

/// Rules of the exchanges among context ranks, of dispatchers and of hybrid sharding; networks of cluster files.
@Suite struct LayoutExchangeTests {
    @Test func contextExchanges() {
        let model = Model(
            family: .llama, layers: 4, hidden: 4096, heads: 32, kvHeads: 8, ffn: 14336, vocab: 32000,
            sequence: 8192)
        func fields(_ change: (inout Layout) -> Void) -> [String] {
            var layout = Layout(context: 8)
            change(&layout)
            return layout.problems(for: model, batch: 8, devices: layout.devices).map { "\($0.field): \($0.rule)" }
        }
        #expect(fields { $0.contextExchange = .heads }.isEmpty)
        #expect(fields { ($0.context, $0.contextExchange) = (16, .heads) }.isEmpty)
        #expect(
            fields { ($0.tensor, $0.contextExchange) = (8, .heads) }.first?.contains("must divide model.heads 32")
                == true)
        #expect(fields { $0.contextExchange = .headsAndRing }.first?.contains("needs contextHeads") == true)
        #expect(
            fields { ($0.contextExchange, $0.contextHeads) = (.headsAndRing, 3) }.first?.contains("must divide") == true
        )
        #expect(fields { $0.contextHeads = 2 }.first?.contains("belongs to contextExchange") == true)
        #expect(
            fields { ($0.context, $0.contextExchange) = (1, .gather) }.first?.contains("needs context above 1") == true)
    }

    private func problems(
        experts: Bool = true, shared: Int = 1, _ change: (inout Layout) -> Void
    ) -> [String] {
        var model = Model(
            family: .llama, layers: 4, hidden: 1024, heads: 16, ffn: 4096, vocab: 32000, sequence: 4096)
        if experts { model.moe = Model.Mixture(experts: 16, topK: 2, ffn: 512, shared: shared) }
        var layout = Layout(data: 16)
        change(&layout)
        return layout.problems(for: model, batch: 16, devices: layout.devices).map(\.rule)
    }

    /// All ranks of a pipeline divide the vocabulary of a model with an output projection of its own.
    @Test func dividedVocabularies() {
        func rules(_ change: (inout Layout) -> Void) -> [String] {
            problems {
                ($0.pipeline, $0.data, $0.vocabularyParallel) = (4, 4, .oneBarrier)
                change(&$0)
            }
        }
        #expect(rules { _ in } == [])
        #expect(rules { $0.vocabularyParallel = .twoBarriers } == [])
        #expect(rules { $0.sharding = .optimizer } == [])
        #expect(
            rules { $0.sharding = .gradients } == ["is not priced together with sharding gradients"])
        #expect(
            rules { ($0.pipeline, $0.data) = (1, 16) } == ["needs pipeline above 1: the stages divide the vocabulary"])
        #expect(
            rules { $0.schedule = .zeroBubbleH1 }
                == ["zb-h1 has no lists with vocab-2, which divides the vocabulary; 1f1b has"])
    }

    /// A real run has the whole output layer on its last stage, and says so in one line.
    @Test func noRunDividesAVocabulary() {
        let model = Model(family: .llama, layers: 4, hidden: 1024, heads: 16, ffn: 4096, vocab: 32000, sequence: 4096)
        var layout = Layout(data: 4, pipeline: 4)
        #expect(layout.problemsOfARun(model, batch: 16) == [])
        layout.vocabularyParallel = .oneBarrier
        let problems = layout.problemsOfARun(model, batch: 16)
        #expect(problems.map(\.field) == ["layout.vocabularyParallel"])
        #expect(problems.first?.rule.hasPrefix("must be left out in a real run") == true)
    }

    @Test func dispatchers() {
        #expect(problems { $0.dispatcher = .deepep }.isEmpty)
        #expect(problems(experts: false) { $0.dispatcher = .deepep } == ["the model has no experts to send rows to"])
        #expect(problems { $0.overlap.sharedExperts = true }.isEmpty)
        #expect(problems(shared: 0) { $0.overlap.sharedExperts = true }.count == 1)
        #expect(problems { ($0.overlap.sharedExperts, $0.overlap.expert) = (true, true) }.count == 1)
    }

    /// Each shard group holds all experts, however they are cut.
    @Test func shardGroupsOfExperts() {
        func shards(_ group: Int, expert: Int, slices: Int = 1, tensor: Int = 1) -> [String] {
            problems {
                ($0.tensor, $0.data, $0.sharding, $0.shardGroup) = (tensor, 16 / tensor, .parameters, group)
                ($0.expert, $0.expertTensor) = (expert, slices)
            }
        }
        #expect(shards(8, expert: 8).isEmpty && shards(8, expert: 4).isEmpty && shards(4, expert: 4, tensor: 2).isEmpty)
        #expect(shards(4, expert: 8, tensor: 2).isEmpty && shards(4, expert: 4, slices: 2, tensor: 2).isEmpty)
        #expect(shards(4, expert: 8).count == 1 && shards(8, expert: 8, slices: 2).count == 1)
        #expect(shards(16, expert: 16).isEmpty)
    }

    @Test func outerSharding() {
        #expect(problems { ($0.sharding, $0.shardGroup, $0.outerSharding) = (.parameters, 8, .optimizer) }.isEmpty)
        for sharding in Layout.Sharding.allCases {
            #expect(problems { ($0.sharding, $0.outerSharding) = (sharding, .optimizer) }.count == 1)
        }
        #expect(problems { ($0.sharding, $0.shardGroup, $0.outerSharding) = (.optimizer, 8, .optimizer) }.count == 1)
    }

    private static let base = """
        name: mine
        device:
          {name: A, memory: 80 GiB, bandwidth: 2 TB/s, peak: {bf16: 300 TFLOP/s}, matmulEfficiency: {1G: 0.5},
           multiprocessors: 108}
        devicesPerNode: 8
        networks:
          - {name: nvlink, bandwidth: 300 GB/s, latency: 5 us, efficiency: 0.8}
          - {name: leaf, devices: 64, bandwidth: 25 GB/s, latency: 5 us, efficiency: 0.8, oversubscription: 3}
          - {name: spine, bandwidth: 25 GB/s, latency: 5 us, efficiency: 0.8, railOnly: true}

        """

    private func read(_ text: String) throws -> Cluster {
        try Cluster.read(text: text, path: "mine.yaml", library: Checkout.library)
    }

    @Test func networksAreReadAsTheyAreWritten() throws {
        let cluster = try read(Self.base)
        #expect(cluster.networks.map(\.oversubscription) == [1, 3, 1])
        #expect(cluster.networks.map(\.railOnly) == [false, false, true])
        #expect(cluster.device.multiprocessors == 108)
        #expect(try read(cluster.yaml()) == cluster)
    }

    @Test(arguments: [
        ("oversubscription: 3", "oversubscription: 0.5", "networks[1].oversubscription: must be at least 1"),
        ("railOnly: true", "oversubscription: 2", "networks[2].oversubscription: nothing is above the last level"),
        ("railOnly: true", "railOnly: 1", "networks[2].railOnly: must be true or false"),
        ("efficiency: 0.8}", "efficiency: 0.8, railOnly: true}", "networks[0].railOnly: rails join nodes"),
        ("multiprocessors: 108", "multiprocessors: 0", "device.multiprocessors: must be at least 1"),
    ])
    func mistakes(_ old: String, _ new: String, _ message: String) throws {
        let text = Self.base.replacing(old, with: new, maxReplacements: 1)
        #expect {
            _ = try read(text)
        } throws: { error in
            "\(error)".contains(message)
        }
    }
}
