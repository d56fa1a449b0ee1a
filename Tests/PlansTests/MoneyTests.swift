import Foundation
import Numbers
import Plans
import Reading
import Testing

/// Prices with currencies, costs beside the devices, failures and dates.
@Suite struct MoneyTests {
    private static func read(_ keys: String) throws(PlanProblems) -> Plan {
        try Plan.read(
            text: """
                name: money
                model: {family: llama, layers: 4, hidden: 256, heads: 4, ffn: 512, vocab: 1000, sequence: 512}
                tokens: 1B
                devices: 16
                batch: 16
                layout: {data: 16}
                cluster: h100-80g-sxm
                \(keys)
                """, path: "money.yaml")
    }

    private static func problems(_ keys: String) -> [String] {
        do {
            _ = try read(keys)
            return []
        } catch { return error.problems.map(\.description) }
    }

    @Test func aBareNumberIsDollars() throws {
        let price = try #require(try Self.read("price: 1.8").cluster.price)
        #expect(price.perHour == 1.8 && price.currency == .usd)
    }

    @Test(arguments: ["CNY", "RMB", "rmb"]) func theYuanHasTwoNames(code: String) throws {
        let plan = try Self.read("price: {perGpuHour: 14, currency: \(code)}")
        #expect(plan.currency == .cny && plan.cluster.pricePerDeviceHour == 14)
    }

    /// 14 yuan at 7 yuan a dollar are 2 dollars; 0.9 euros a dollar make that 1.8 euros.
    @Test func amountsAreConvertedByTheStatedRates() throws {
        let dollars = try Self.read("price: {perGpuHour: 14, currency: CNY}\ncurrency: USD\nexchangeRates: {CNY: 7}")
        #expect(dollars.cluster.pricePerDeviceHour == 2 && dollars.currency == .usd)
        let euros = try Self.read(
            "price: {perGpuHour: 14, currency: RMB}\ncurrency: EUR\nexchangeRates: {CNY: 7, EUR: 0.9}\n"
                + "costs: {currency: USD, staff: {people: 2, perMonth: 100}}")
        #expect(abs(try #require(euros.cluster.pricePerDeviceHour) - 1.8) < 1e-12)
        #expect(abs(try #require(euros.money.costs.staff).perMonth - 90) < 1e-12)
    }

    /// 30,000 over four years of 8,766 hours, of which 80 % are used: 1.0695; with 0.3 of upkeep 1.3695.
    @Test func boughtDevicesCostTheirDepreciation() throws {
        let plan = try Self.read(
            "price: {purchase: {perGpu: 30000, years: 4, utilisation: 80 %, upkeepPerGpuHour: 0.3}}")
        let price = try #require(plan.cluster.price)
        #expect(abs(price.perHour - 1.369473) < 1e-6)
        let bought = try #require(price.purchase)
        // At a rent of 2.3 an hour saves 2 dollars: 15,000 hours.
        #expect(abs(try #require(bought.breakEvenHours(rent: 2.3)) - 15_000) < 1e-6)
        #expect(bought.breakEvenHours(rent: 0.3) == nil)
        // With a rent, the rent counts.
        let both = try Self.read("price: {perGpuHour: 2.5, purchase: {perGpu: 30000, years: 4}}")
        #expect(both.cluster.pricePerDeviceHour == 2.5)
    }

    @Test(arguments: [
        ("price: {perGpuHour: 2, currency: USB}", "price.currency: must be USD, EUR"),
        ("price: {perGpuHour: 2, currency: USB}", "did you mean 'USD'?"),
        ("price: {currency: EUR}", "price.perGpuHour: is missing"),
        ("price: -1", "price: must be at least 0"),
        ("price: {perGpuHour: 2, currncy: EUR}", "currncy"),
        (
            "price: {perGpuHour: 14, currency: CNY}\ncurrency: USD",
            "price: prices are in CNY and answers in USD"
        ),
        ("exchangeRates: {USD: 2}", "exchangeRates.USD: is 1 by itself"),
        ("exchangeRates: {XYZ: 2}", "exchangeRates.XYZ: is no currency"),
        ("exchangeRates: {CNY: 0}", "exchangeRates.CNY: must be at least"),
        ("price: {perGpuHour: 2, range: [3, 4]}", "price.range: must be two prices around perGpuHour"),
        ("price: {perGpuHour: 2, billing: reserved, preemptionsPerNodeDay: 1}", "only spot capacity is taken away"),
        ("price: {purchase: {years: 3}}", "price.purchase.perGpu: is missing"),
        ("costs: {storage: {size: 5 TB}}", "costs.storage.perTerabyteMonth: is missing"),
        ("failures: {perDay: 1, perNodeDay: 2}", "failures.perNodeDay: perDay states the failures too"),
        ("failures: {restart: 15}", "failures.restart: has no unit"),
        ("failures: {spareNodes: 2}", "failures.spareNodes: stand in while failed nodes are repaired"),
        ("start: 2027-02-30", "start: must be a day from 1900 to 9999"),
        ("gridFactor: 57", "gridFactor: has no unit"),
    ]) func wrongKeysAreOneLine(keys: String, said: String) {
        let lines = Self.problems(keys)
        #expect(lines.count == 1 && lines[0].contains(said), "\(lines)")
    }

    @Test func theKeysAreWrittenAndReadBack() throws {
        let plan = try Self.read(
            """
            price: {perGpuHour: 14, currency: RMB, range: [12, 18], billing: spot, preemptionsPerNodeDay: 0.1}
            currency: CNY
            exchangeRates: {EUR: 0.9, CNY: 7.1}
            costs: {currency: CNY, storage: {size: 500 TB, perTerabyteMonth: 150}, egress: {size: 1 TB, perTerabyte: 600}, staff: {people: 12, perMonth: 60000}, perKilowattHour: 0.6}
            failures: {perNodeDay: 0.0065, detection: 5 min, restart: 10 min, repair: 24 h, spareNodes: 2, nodeWrite: 2 GB/s, storageWrite: 20 GB/s}
            gridFactor: 0.585 kg/kWh
            start: 2027-01-15
            """)
        let again = try Plan.read(text: plan.yaml(library: .standard()), path: "again.yaml")
        #expect(again.cluster == plan.cluster)
        #expect(again.money == plan.money)
        #expect(again.start == plan.start && again.start?.description == "2027-01-15")
        #expect(plan.cluster.gridFactor == 585)
        #expect(plan.failures.outage == 900)
    }

    /// A rate of nodes or of the run stands over that of devices; spot capacity adds to either.
    @Test func failuresAreGivenByDeviceByNodeOrByDay() throws {
        let device = try #require(try Self.read("").meanTimeBetweenFailures)
        #expect(abs(device / (50_677 * 3600 / 16) - 1) < 1e-12)
        #expect(try Self.read("failures: {perDay: 1}").meanTimeBetweenFailures == 86_400)
        // Two nodes, each once in ten days.
        #expect(try Self.read("failures: {perNodeDay: 0.1}").meanTimeBetweenFailures == 432_000)
        let spot = "price: {perGpuHour: 1, billing: spot, preemptionsPerNodeDay: 0.5}"
        #expect(try Self.read("failures: {perDay: 1}\n\(spot)").meanTimeBetweenFailures == 43_200)
        #expect(try Self.read("failures: {perDay: 0}").meanTimeBetweenFailures == nil)
    }

    /// Erlang's loss formula in textbooks: 10 erlangs on 10 servers lose 21.46 %, on 20 servers 0.187 %; one server with
    /// one erlang loses a half.
    @Test(arguments: [(10.0, 10, 0.21458), (10, 20, 0.0018690), (1, 1, 0.5), (3, 0, 1)])
    func lossIsErlangs(load: Double, servers: Int, share: Double) {
        #expect(abs(Plan.erlangLoss(load: load, servers: servers) / share - 1) < 1e-4)
    }

    /// A node a day that takes a day to repair: without spares every failure waits a day, with one half of them wait for
    /// half a day.
    @Test func sparesShortenTheWait() throws {
        let alone = try Self.read("failures: {perDay: 1, repair: 24 h}")
        #expect(alone.repairWait == 86_400)
        let spared = try Self.read("failures: {perDay: 1, repair: 24 h, spareNodes: 1}")
        #expect(spared.repairWait == 21_600)
        #expect(spared.rentedDevices == 24 && spared.paidDevices == 16)
    }

    /// What is missing inside a map is reported at the map, not at the first line of the file.
    @Test(arguments: [
        ("price: 2\nfailures: {perDay: 1, spareNodes: 2}", "failures.spareNodes", 9),
        ("price: {perGpuHour: 2, currency: CNY}\ncurrency: USD\nexchangeRates: {EUR: 0.9}", "exchangeRates", 10),
        ("currency: USD\nprice: {perGpuHour: 2, currency: CNY}", "price", 9),
        ("price: 2\ncosts: {currency: CNY, staff: {people: 2, perMonth: 1}}", "costs", 9),
        ("price: 2\ncosts: {storage: {size: 3 TB}}", "costs.storage.perTerabyteMonth", 9),
    ]) func missingAmountsSayWhere(keys: String, field: String, line: Int) throws {
        do {
            _ = try Self.read(keys)
            Issue.record("\(keys) is read")
        } catch {
            let problem = try #require(error.problems.first { $0.field == field }, "\(error.problems)")
            #expect(problem.line == line && (problem.column ?? 0) > 1, "\(problem)")
        }
    }
}
