import Costs
import Models
import Plans
import PricingSupport
import Testing

/// Taking tokens to their experts: copies by themselves or one a node, in 8 bits, hidden.
@Suite struct ExpertExchangeTests {
    private static let mixture = Model.Mixture(experts: 256, topK: 8, ffn: 2048, shared: 1, firstDense: 3, nodeLimit: 4)

    private func work(
        precision: Precision = .bf16, overlap: Layout.Overlap = Layout.Overlap(), limit: Int? = 4,
        _ change: (inout Framework) -> Void = { _ in }
    ) throws -> LayoutWork {
        var mixture = Self.mixture
        mixture.nodeLimit = limit
        let model = Model(
            family: .llama, layers: 32, hidden: 4096, heads: 32, kvHeads: 8, ffn: 14336, vocab: 32000, sequence: 4096,
            moe: mixture)
        var framework = Framework(name: "test")
        change(&framework)
        let layout = Layout(data: 64, expert: 64, sharding: .optimizer, overlap: overlap)
        var frameworks = Frameworks([framework])
        frameworks.named = "test"
        let plan = Plan(
            name: "", model: model, tokens: nil, cluster: TestCluster.h100(), devices: 64, batch: 64,
            precision: precision, layout: layout, frameworks: frameworks)
        return try Pricer(plan: plan).work(layout)
    }

    /// Bytes of the exchanges that a device sends inside its node and beyond: what the rings of gradients and weights
    /// over eight nodes of eight leave.
    private func exchanged(_ work: LayoutWork) -> (inside: Double, beyond: Double) {
        let sent = NetworkTraffic.sent(work, rank: 0).map(\.bytes)
        let rings = Traffic(work, rank: 0).gradients + Traffic(work, rank: 0).weights
        return (sent[0] - rings * 7 / 8, sent[1] - rings / 8)
    }

    /// Bytes a device sends: 29 blocks, there and back, forward and backward, 4,096 rows of 4,096 numbers of 2 bytes.
    private let rowBytes = 29.0 * 4 * 4096 * 4096 * 2

    /// 8 nodes of 8: 8 copies go to 64 devices alike.
    @Test func everyCopyByItself() throws {
        let sent = exchanged(try work())
        #expect(abs(sent.inside / (rowBytes * 8 * 7 / 64) - 1) < 1e-9)
        #expect(abs(sent.beyond / (rowBytes * 8 * 56 / 64) - 1) < 1e-9)
        #expect(exchanged(try work(limit: nil)) == sent)
    }

    /// One copy to each node that is reached: 4 · (1 − (3/4)⁸) = 3.6 of at most four, 8 · (1 − (7/8)⁸) = 5.25 of all
    /// eight, seven eighths of them others; inside, every copy but that for the device itself is handed on.
    @Test(arguments: [4, nil]) func onceToEachNode(limit: Int?) throws {
        let nodes = limit == 4 ? 4 * (1 - 6561.0 / 65536) : 8 * (1 - 5_764_801.0 / 16_777_216)
        let work = try work(limit: limit) { $0.dispatchOncePerNode = true }
        let sent = exchanged(work)
        #expect(abs(sent.inside / (rowBytes * 8 * 7 / 8) - 1) < 1e-9)
        #expect(abs(sent.beyond / (rowBytes * nodes * 7 / 8) - 1) < 1e-9)
        #expect(abs(Traffic(work, rank: 0).expert / (sent.inside + sent.beyond) - 1) < 1e-9)
        #expect(IterationTime(work).breakdown.expertComm < IterationTime(try self.work()).breakdown.expertComm)
    }

    /// 8-bit products alone send in 8 bits, and only there: three bytes a number there and back instead of four.
    @Test func eightBitDispatch() throws {
        let (wide, narrow) = (try work(precision: .fp8), try work(precision: .fp8) { $0.eightBitDispatch = true })
        #expect(abs(Traffic(narrow, rank: 0).expert / Traffic(wide, rank: 0).expert - 0.75) < 1e-12)
        let half = try work { $0.eightBitDispatch = true }
        #expect(Traffic(half, rank: 0).expert == Traffic(try work(), rank: 0).expert)
    }

    /// Hidden exchanges cost what sticks out of the compute beside them, and the compute lost to the rest.
    @Test func hiddenExchanges() throws {
        func step(hidden: Bool, contention: Double) throws -> Estimate.Breakdown {
            let overlap = Layout.Overlap(expert: hidden)
            return try IterationTime(work(overlap: overlap) { $0.contention = contention }).breakdown
        }
        let shown = try step(hidden: false, contention: 0.2)
        let compute = shown.compute
        let blocks = compute * 29 / 32
        // Longer than all compute beside it, or not: the blocks with experts hold nearly all of it.
        let free = try step(hidden: true, contention: 0).expertComm
        #expect(free < shown.expertComm && free >= max(0, shown.expertComm - compute))
        #expect(free <= max(0, shown.expertComm - 0.8 * blocks))
        let busy = try step(hidden: true, contention: 0.2).expertComm
        #expect(abs(busy - (free + 0.2 * (shown.expertComm - free))) < 1e-9 * shown.expertComm)
        #expect(try step(hidden: true, contention: 0).compute == compute)
    }
}
