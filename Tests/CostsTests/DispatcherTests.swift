import Costs
import Models
import Plans
import PricingSupport
import Testing

/// The ways by which rows reach their experts.
@Suite struct DispatcherTests {
    private static let hidden = 1024

    private func work(
        _ dispatcher: Layout.Dispatcher?, experts: Int = 16, topK: Int = 3, limit: Int? = nil, expert: Int = 16,
        expertTensor: Int = 1, shared: Int = 0, overlap: Layout.Overlap = Layout.Overlap(),
        recompute: Layout.Recompute = .none
    ) throws -> LayoutWork {
        var mixture = Model.Mixture(experts: experts, topK: topK, ffn: 2048, shared: shared)
        mixture.nodeLimit = limit
        let model = Model(
            family: .llama, layers: 2, hidden: Self.hidden, heads: 16, ffn: 4096, vocab: 32000, sequence: 4096,
            moe: mixture)
        var layout = Layout(
            data: expert * expertTensor, expert: expert, expertTensor: expertTensor, recompute: recompute,
            overlap: overlap)
        layout.dispatcher = dispatcher
        #expect(layout.problems(for: model, batch: layout.data, devices: layout.data).isEmpty)
        let plan = Plan(
            name: "", model: model, tokens: nil, cluster: TestCluster.h100(), devices: layout.devices,
            batch: layout.data, precision: .bf16, layout: layout,
            frameworks: Frameworks([Framework(name: "test")], named: "test"))
        return try Pricer(plan: plan).work(layout)
    }

    /// Bytes of a device's rows in the two blocks, there and back, forward and backward.
    private let rowBytes = 2.0 * 4 * 4096 * Double(hidden) * 2

    struct Case: Sendable, CustomTestStringConvertible {
        var experts, topK, ranks: Int
        var limit: Int?

        var testDescription: String { "\(topK) of \(experts) over \(ranks), limit \(limit ?? 0)" }
    }

    static let cases = [
        Case(experts: 16, topK: 3, ranks: 16), Case(experts: 16, topK: 3, ranks: 8),
        Case(experts: 24, topK: 2, ranks: 24),
        Case(experts: 16, topK: 4, ranks: 16), Case(experts: 32, topK: 2, ranks: 32, limit: 2),
        Case(experts: 32, topK: 3, ranks: 16, limit: 1), Case(experts: 24, topK: 3, ranks: 24, limit: 2),
    ]

    /// Every choice of experts of a row of device 0, one after the other: nodes of eight devices that it is sent to, and
    /// devices of each node that it is handed on to from the one where it arrived.
    private func counted(_ row: Case) -> (inside: Double, beyond: Double) {
        let (nodes, held) = (max(1, row.ranks / 8), row.experts / row.ranks)
        let reached = (0..<1 << nodes).filter { $0.nonzeroBitCount == row.limit ?? nodes }
        var (inside, beyond, choices) = (0, 0, 0)
        for allowed in reached {
            for chosen in 0..<UInt64(1) << row.experts where chosen.nonzeroBitCount == row.topK {
                let ranks = (0..<row.experts).filter { chosen >> $0 & 1 == 1 }.map { $0 / held }
                guard ranks.allSatisfy({ allowed >> ($0 / 8) & 1 == 1 }) else { continue }
                choices += 1
                beyond += Set(ranks.map { $0 / 8 }).subtracting([0]).count
                // The row arrives at the first device of each node.
                inside += Set(ranks).filter { $0 % 8 != 0 }.count
            }
        }
        return (Double(inside) / Double(choices), Double(beyond) / Double(choices))
    }

    @Test(arguments: cases.filter { $0.experts <= 24 }) func aRowIsSentOnceToNodesAndRanks(_ row: Case) throws {
        for dispatcher in [Layout.Dispatcher.deepep, .hybridep] {
            let work = try work(dispatcher, experts: row.experts, topK: row.topK, limit: row.limit, expert: row.ranks)
            let (sent, counted) = (Traffic(work, rank: 0).exchanges, counted(row))
            #expect(abs(sent[0] / (rowBytes * counted.inside) - 1) < 1e-9)
            if row.ranks > 8 { #expect(abs(sent[1] / (rowBytes * counted.beyond) - 1) < 1e-9) }
        }
    }

    /// A copy for each expert, once to each node, once to each rank: each sends no more than the one before.
    @Test(arguments: cases) func fewerCopies(_ row: Case) throws {
        func seconds(_ dispatcher: Layout.Dispatcher) throws -> Double {
            let work = try work(dispatcher, experts: row.experts, topK: row.topK, limit: row.limit, expert: row.ranks)
            return IterationTime(work).breakdown.expertComm
        }
        #expect(try seconds(.deepep) <= seconds(.alltoall))
        #expect(try seconds(.hybridep) == seconds(.deepep))
    }

    /// Megatron-Core, MoEAllGatherTokenDispatcher: rows of all ranks of all slices, and sums scattered.
    @Test func gatheredRows() throws {
        for (expert, slices) in [(16, 1), (8, 2)] {
            let work = try work(.allgather, expert: expert, expertTensor: slices)
            let traffic = Traffic(work, rank: 0)
            #expect(abs(traffic.expertGathers / (rowBytes * 15) - 1) < 1e-12)
            #expect(traffic.exchanges.allSatisfy { $0 == 0 } && traffic.expertPieces == 0)
            let other = try self.work(.alltoall, expert: expert, expertTensor: slices)
            // The gathered rows, and what the allocator loses on them.
            let more = 16 * 4096.0 * Double(Self.hidden) * 2
            #expect(abs((LayoutMemory(work).peak - LayoutMemory(other).peak) / (1.05 * more) - 1) < 1e-9)
        }
    }

    /// Each slice of an expert needs the row.
    @Test func slicesGetTheRowToo() throws {
        let whole = Traffic(try work(.deepep, expert: 4), rank: 0)
        let sliced = Traffic(try work(.deepep, expert: 4, expertTensor: 2), rank: 0)
        // Of 4 (8) devices one is the own: 3/4 and 7/8 of the copies leave it.
        #expect(abs(sliced.exchanges[0] / whole.exchanges[0] / (2 * (7.0 / 8) / (3.0 / 4)) - 1) < 1e-9)
        #expect(sliced.expertPieces == 0)
    }

    @Test func nothingStatedIsTheSoftwaresWay() throws {
        #expect(IterationTime(try work(nil)) == IterationTime(try work(.alltoall)))
        let saved = [Layout.Dispatcher.alltoall, .deepep, .hybridep].map { dispatcher in
            (try? IterationTime(work(dispatcher)).breakdown.compute) ?? 0
        }
        // DeepEP sorts rows once, hybrid-ep never by itself.
        #expect(saved[0] > saved[1] && saved[1] > saved[2])
        #expect(abs((saved[0] - saved[1]) / (saved[1] - saved[2]) - 1) < 1e-9)
    }

    /// Shared experts hide as much as their products take, and no exchange twice.
    @Test(arguments: [Layout.Recompute.none, .full]) func behindSharedExperts(_ recompute: Layout.Recompute) throws {
        func exposed(_ shared: Int, _ isHidden: Bool) throws -> Double {
            let overlap = Layout.Overlap(sharedExperts: isHidden)
            return try IterationTime(work(.alltoall, shared: shared, overlap: overlap, recompute: recompute)).breakdown
                .expertComm
        }
        let whole = try exposed(1, false)
        let some = try [1, 2, 64].map { try exposed($0, true) }
        #expect(some[0] < whole && some[1] < some[0] && some[2] >= 0)
        #expect(some[2] < 0.05 * whole)
        #expect(try exposed(2, false) == whole)
    }
}
