import Costs
import Models
import Plans
import PricingSupport
import Testing

/// Collectives among tensor ranks that run with the product next to them.
@Suite struct TensorOverlapTests {
    private func exposed(
        _ way: Framework.Abilities.TensorOverlap?, sequenceParallel: Bool = true, tensor: Int = 8, hidden: Int = 8192,
        rate: Double = 450e9, multiprocessors: Double? = nil, contention: Double = 0
    ) throws -> (tensor: Double, compute: Double) {
        let model = Model(
            family: .gpt, layers: 2, hidden: hidden, heads: 64, vocab: 1024, sequence: 2048)
        var framework = Framework(name: "test")
        framework.contention = contention
        if let way { framework.abilities.tensorOverlap = way }
        var cluster = TestCluster.h100()
        cluster.device.multiprocessors = multiprocessors
        cluster.networks[0].bytesPerSecond = rate
        cluster.networks[0].latencySeconds = 0
        var layout = Layout(tensor: tensor, sequenceParallel: sequenceParallel)
        layout.overlap.tensor = way != nil
        let plan = Plan(
            name: "", model: model, tokens: nil, cluster: cluster, devices: tensor, batch: 1, precision: .bf16,
            layout: layout, frameworks: Frameworks([framework], named: "test"))
        let parts = IterationTime(try Pricer(plan: plan).work(layout)).breakdown
        return (parts.tensorComm, parts.compute)
    }

    /// The ends' collectives are never hidden; two blocks' are. Where products are long, a quarter of each scattered
    /// result of the forward is all that is left: two of the eight collectives of a block, at a quarter each.
    @Test func longProductsHideAllButTheLastPieces() throws {
        let whole = try exposed(nil).tensor
        let hidden = try exposed(.userBuffers, hidden: 8192, rate: 450e9).tensor
        let bytes = 33_554_432.0
        let one = bytes * 7 / 8 / 342e9
        let expected = 15 * one
        #expect(abs((whole - hidden) / expected - 1) < 1e-9)
    }

    /// On a slow network what the products take is hidden and the rest is not: no more than in chunks of all products.
    @Test(arguments: [1e9, 1e10, 5e10, 2e11]) func shortProductsHideWhatTheyTake(rate: Double) throws {
        let whole = try exposed(nil, rate: rate).tensor
        let hidden = try exposed(.userBuffers, rate: rate).tensor
        #expect(hidden < whole && hidden > 0)
        #expect(try exposed(Framework.Abilities.TensorOverlap.none, rate: rate).tensor == whole)
        // What is hidden cannot be longer than the compute.
        #expect(whole - hidden <= (try exposed(nil, rate: rate).compute))
    }

    /// User buffers carry gatherings and scatterings; all-reduces stay.
    @Test func sumsStay() throws {
        let whole = try exposed(nil, sequenceParallel: false).tensor
        #expect(try exposed(.userBuffers, sequenceParallel: false).tensor == whole)
        #expect(try exposed(.chunks, sequenceParallel: false).tensor < whole)
    }

    /// A ring exchange takes one multiprocessor, other collectives sixteen; the software's own share where the device
    /// does not say how many it has.
    @Test func multiprocessorsThatCollectivesTake() throws {
        let bytes = 33_554_432.0
        let one = bytes * 7 / 8 / 342e9
        let free = try exposed(.userBuffers).tensor
        let taken = try exposed(.userBuffers, multiprocessors: 132).tensor - free
        // Of each block: two gatherings forward and two backward around rings; three quarters of two scatterings forward,
        // and two scatterings backward, by kernels.
        let units = 4 * 1 + 3.5 * 16
        let expected = 2 * one * units / 132
        #expect(abs(taken / expected - 1) < 1e-9)
        // Inputs that are gathered again cost the software's share with and without.
        let own = try exposed(.userBuffers, contention: 0.2).tensor - free
        let share = 2 * one * 9.5 * 0.2
        #expect(abs(own / share - 1) < 1e-9)
    }

    @Test func softwareThatCannotIsNamed() {
        var abilities = Framework.Abilities()
        let model = Model(family: .gpt, layers: 2, hidden: 1024, heads: 16, vocab: 1024, sequence: 2048)
        var layout = Layout(tensor: 2)
        layout.overlap.tensor = true
        func said() -> [String] { abilities.obstacles(to: layout, model: model, name: "it") }
        #expect(said().isEmpty)
        abilities.tensorOverlap = .userBuffers
        #expect(said() == ["it hides tensor collectives only with sequenceParallel"])
        layout.sequenceParallel = true
        #expect(said().isEmpty)
        abilities.tensorOverlap = .none
        #expect(said() == ["it does not hide tensor collectives"])
    }
}
