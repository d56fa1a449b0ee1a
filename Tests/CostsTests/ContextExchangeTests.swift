import Costs
import Models
import Plans
import PricingSupport
import Testing

/// How the ranks of a sequence bring queries and keys together.
@Suite struct ContextExchangeTests {
    private func work(
        _ exchange: Layout.ContextExchange, context: Int = 8, heads ranks: Int? = nil, tensor: Int = 1,
        kvHeads: Int = 32,
        sequence: Int = 65536, recompute: Layout.Recompute = .none, cluster: Cluster = TestCluster.h100()
    ) throws -> LayoutWork {
        let model = Model(
            family: .llama, layers: 4, hidden: 4096, heads: 32, kvHeads: kvHeads, ffn: 14336, vocab: 32000,
            sequence: sequence)
        var layout = Layout(tensor: tensor, context: context, recompute: recompute)
        (layout.contextExchange, layout.contextHeads) = (exchange, ranks)
        #expect(layout.problems(for: model, batch: 1, devices: layout.devices).isEmpty)
        let plan = Plan(
            name: "", model: model, tokens: nil, cluster: cluster, devices: layout.devices, batch: 1, precision: .bf16,
            layout: layout, frameworks: Frameworks([Framework(name: "test")], named: "test"))
        return try Pricer(plan: plan).work(layout)
    }

    private func sent(_ work: LayoutWork) -> Double {
        let traffic = Traffic(work, rank: 0)
        return traffic.context + traffic.headExchanges.reduce(0, +)
    }

    /// Jacobs et al. 2023, section 3.2: over P ranks the all-to-alls of queries, keys, values and results of N tokens send
    /// 4·N·h/P numbers of each rank, forward and backward; all but the own part leave.
    @Test(arguments: [2, 4, 8, 16]) func headsSendAsUlyssesDoes(ranks: Int) throws {
        let numbers = 4 * 65536.0 * 4096 / Double(ranks)
        let expected = 4 * 2 * 2 * numbers * Double(ranks - 1) / Double(ranks)
        #expect(abs(try sent(work(.heads, context: ranks)) / expected - 1) < 1e-12)
    }

    /// Rings and gatherings pass the same bytes: every rank's keys and values to all others, again in the backward, and
    /// gradients back. Their number hardly depends on the ranks, and grouped queries make it small.
    @Test(arguments: [2, 8]) func gatheringsSendWhatRingsDo(ranks: Int) throws {
        let expected = 4 * 3 * 2 * 65536.0 * 2 * 1024 * Double(ranks - 1) / Double(ranks)
        for exchange in [Layout.ContextExchange.ring, .gather] {
            #expect(abs(try sent(work(exchange, context: ranks, kvHeads: 8)) / expected - 1) < 1e-12)
        }
    }

    /// Fang and Zhao 2024, USP: groups that exchange heads keep rings short. With one group, heads alone are exchanged.
    @Test func twoLevels() throws {
        let bytes = try [2, 4].map { try sent(work(.headsAndRing, heads: $0)) }
        let (ring, heads) = (try sent(work(.ring)), try sent(work(.heads)))
        #expect(ring > bytes[0] && bytes[0] > bytes[1] && bytes[1] > heads)
        // u = 2, four rings: (4hT/2)·2 passes, 3 exchanges of 2hT three times.
        let rows = 65536.0 / 8 * 4096
        let expected = 4 * 2 * (2 * 4 * rows / 2 + 3 * 3 * 2 * rows)
        #expect(abs(bytes[0] / expected - 1) < 1e-12)
    }

    /// With fewer key/value heads than ranks each is sent to several: as many bytes as if each rank had one.
    @Test func keyHeadsAreCopied() throws {
        let one = try sent(work(.heads, context: 16, kvHeads: 16))
        #expect(try sent(work(.heads, context: 16, kvHeads: 4)) == one)
        #expect(try sent(work(.heads, context: 16, kvHeads: 32)) > one)
        // The kept copies: queries and results of a row have 4,096 numbers, keys and values 2 · 512 once and 2 · 2,048 now.
        let kept = try [Layout.ContextExchange.ring, .heads].map {
            LayoutMemory(try work($0, context: 16, kvHeads: 4)).blockActivationBytes(rank: 0)
        }
        #expect(abs((kept[1] - kept[0]) / (4 * 2 * 65536 / 16 * (4096 + 2 * 2048 - 2 * 512)) - 1) < 1e-9)
    }

    /// Attention hides a ring where it is longer than the exchange. Gatherings and heads are exposed whole.
    @Test func onlyRingsHide() throws {
        func exposed(_ exchange: Layout.ContextExchange, _ sequence: Int) throws -> Double {
            try IterationTime(work(exchange, sequence: sequence)).breakdown.contextComm
        }
        #expect(try exposed(.ring, 1 << 20) == 0)
        let short = try exposed(.gather, 1 << 16)
        #expect(short > 0)
        // Latency aside, in proportion to the sequence.
        for exchange in [Layout.ContextExchange.gather, .heads] {
            #expect(abs(try exposed(exchange, 1 << 20) / exposed(exchange, 1 << 16) / 16 - 1) < 0.1)
        }
        let group = DeviceGroup(size: 8, stride: 1, cluster: TestCluster.h100())
        let whole = 2 * 2.0 * 65536 * 4096
        let expected = 4 * (group.gather(bytes: whole, count: 2) + 2 * group.gather(bytes: whole, count: 2))
        #expect(abs(short / expected - 1) < 1e-12)
    }

    /// Recomputing blocks whole exchanges again.
    @Test(arguments: Layout.ContextExchange.allCases.dropLast())
    func recomputationExchangesAgain(_ exchange: Layout.ContextExchange) throws {
        let (once, again) = (try work(exchange, sequence: 4096), try work(exchange, sequence: 4096, recompute: .full))
        #expect(sent(again) > sent(once))
        #expect(IterationTime(again).breakdown.contextComm > IterationTime(once).breakdown.contextComm)
    }

    /// Heads travel inside a node, rings between nodes.
    @Test func levelsOfTheNetwork() throws {
        let work = try work(.headsAndRing, context: 16, heads: 8)
        let (traffic, sent) = (Traffic(work, rank: 0), NetworkTraffic.sent(work, rank: 0).map(\.bytes))
        #expect(traffic.headExchanges.count == 2 && traffic.headExchanges[1] == 0)
        #expect(sent[1] >= traffic.context)
    }
}
