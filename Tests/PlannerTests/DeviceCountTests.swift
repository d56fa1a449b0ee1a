import Costs
import Models
import Planner
import Plans
import Schedules
import TestSupport
import Testing

/// Any number of devices: which are used, with which batch, and that more are never slower.
@Suite struct DeviceCountTests {
    /// A small space, so that thousands of searches take seconds.
    private static let settings: SearchSettings = {
        var settings = SearchSettings()
        settings.top = 1
        settings.space.schedules = [.oneForwardOneBackward]
        settings.space.recompute = [.none, .full]
        settings.space.partialRecompute = false
        settings.space.sharding = [.optimizer]
        settings.space.microbatch.most = 1
        settings.threads = 1
        settings.space.sequenceParallel = [true]
        settings.space.hybridSharding = false
        settings.explainsMisfit = false
        return settings
    }()

    private static func plan(parameters: Double, isBatchFree: Bool) throws -> Plan {
        let model = Model.shaped(parameters: parameters)
        let batch = Model.defaultBatch(parameters: parameters, sequence: model.sequence)
        var plan = try Shipped.plan(model, on: "h100-80g-sxm", devices: 8, batch: batch, tokens: 1e12)
        plan.wantedBatch = isBatchFree ? batch : nil
        return plan
    }

    /// All numbers to 24, then about every twelfth part, odd as often as round; `boundsPassNothingOver` says that what
    /// happens between them is no different.
    private static let numbers: [Int] = {
        var numbers = Array(8...24)
        while let last = numbers.last, last < 20_000 { numbers.append(last + max(1, last / 12) + last % 3) }
        return (numbers.dropLast() + [500, 999, 1000, 1024, 1500, 2000, 3000, 5000, 7919, 10_000, 16_384, 20_000])
            .sorted()
    }()

    @Test(arguments: [1.3e9, 405e9], [false, true])
    func moreDevicesAreNeverSlower(parameters: Double, isBatchFree: Bool) throws {
        var plan = try Self.plan(parameters: parameters, isBatchFree: isBatchFree)
        var last = Double.infinity
        var answered = 0
        for devices in Self.numbers {
            plan.devices = devices
            guard let best = try? searchBestDeviceCount(plan: plan, settings: Self.settings).candidates.first else {
                #expect(last == .infinity, "\(devices) devices have no layout, though fewer have one")
                continue
            }
            let days = try #require(best.run?.days)
            #expect(days <= last, "\(devices) devices take longer than fewer")
            #expect(best.plan.paidDevices == devices && best.layout.devices == best.plan.devices)
            #expect(best.plan.batch % (best.layout.data * best.layout.microbatch) == 0)
            last = days
            answered += 1
        }
        #expect(answered > (parameters < 1e10 ? 80 : 40))
    }

    /// What is left out by bounds would not have been chosen: every allowed number searched by itself.
    @Test(arguments: [1.3e9, 100e9], [false, true])
    func boundsPassNothingOver(parameters: Double, isBatchFree: Bool) throws {
        var plan = try Self.plan(parameters: parameters, isBatchFree: isBatchFree)
        var days: [(devices: Int, days: Double)] = []
        for count in DeviceCounts(plan).between(1, 3000) {
            let best = try? search(plan: plan.using(count), settings: Self.settings).candidates.first
            if let run = best?.run { days.append((count, run.days)) }
        }
        for devices in [100, 333, 1000, 1500, 3000] {
            plan.devices = devices
            let least = days.filter { $0.devices <= devices }.map(\.days).min()
            #expect(
                try searchBestDeviceCount(plan: plan, settings: Self.settings).candidates.first?.run?.days == least)
        }
    }

    @Test func everyNumberBelowANodeAnswers() throws {
        var plan = try Self.plan(parameters: 1.3e9, isBatchFree: true)
        for devices in 1...17 {
            plan.devices = devices
            let best = try #require(try searchBestDeviceCount(plan: plan).candidates.first)
            #expect(best.plan.paidDevices == devices)
            #expect(best.plan.idleDevices <= 1)
        }
    }

    /// 405 billion parameters on 1,000 devices are close to 1,024: published as the fault that a batch of 4,096 left
    /// 1,000 devices at half the speed.
    @Test func roundNumbersAreCloseToPowersOfTwo() throws {
        for isBatchFree in [false, true] {
            var plan = try Self.plan(parameters: 405e9, isBatchFree: isBatchFree)
            func days(_ devices: Int) throws -> Double {
                plan.devices = devices
                var settings = SearchSettings()
                settings.top = 1
                return try #require(
                    try searchBestDeviceCount(plan: plan, settings: settings).candidates.first?.run?.days)
            }
            #expect(try days(1000) <= 1.08 * days(1024))
        }
    }

    /// Idle devices are paid for; they neither train nor fail the run.
    @Test func idleDevicesArePaidFor() throws {
        var plan = try Self.plan(parameters: 1.3e9, isBatchFree: false)
        plan.devices = 67
        let best = try #require(try searchBestDeviceCount(plan: plan, settings: Self.settings).candidates.first)
        #expect(best.plan.devices < 67 && best.plan.idleDevices == 67 - best.plan.devices)
        let run = try #require(best.run)
        #expect(abs(run.gpuHours / (run.days * 24 * 67) - 1) < 1e-12)
        let price = try #require(best.plan.cluster.pricePerDeviceHour)
        #expect(abs(try #require(run.cost) / (run.gpuHours * price) - 1) < 1e-12)
        // A plan that has only the used devices takes as many days.
        var alone = plan
        alone.devices = best.plan.devices
        #expect(try searchBestDeviceCount(plan: alone, settings: Self.settings).candidates.first?.run?.days == run.days)
        #expect(best.plan.idleRemark?.contains("of 67 devices are used") == true)
    }

    @Test func aChosenBatchStaysNearWhatIsCommon() {
        for wanted in [1, 7, 96, 384, 1024, 1536, 4096] {
            for devices in 1...2100 {
                let batch = BatchChoice.batch(near: wanted, devices: devices)
                #expect(batch <= wanted && Double(batch) >= 0.8 * Double(wanted))
            }
        }
        // Worked by hand: 1,000 = 125 · 8 and 4,000 = 125 · 32; 960 = 15 · 64 and 3,840 = 15 · 256.
        #expect(BatchChoice.batch(near: 4096, devices: 1000) == 4000)
        #expect(BatchChoice.batch(near: 4096, devices: 960) == 3840)
        #expect(BatchChoice.batch(near: 4096, devices: 1024) == 4096)
        #expect(BatchChoice.batch(near: 1536, devices: 768) == 1536)
        // Of a layout: the multiple of data · micro-batch nearest to it.
        #expect(BatchChoice.batch(near: 1024, layout: Layout(data: 48, microbatch: 2)) == 1056)
        #expect(BatchChoice.batch(near: 4, layout: Layout(data: 48)) == 48)
    }

    @Test func degreesThatAreFixedAreKept() throws {
        var plan = try Self.plan(parameters: 1.3e9, isBatchFree: true)
        plan.devices = 100
        var settings = Self.settings
        settings.space.tensor.fixed = 4
        settings.space.pipeline.fixed = 3
        let best = try #require(try searchBestDeviceCount(plan: plan, settings: settings).candidates.first)
        #expect(best.layout.tensor == 4 && best.layout.pipeline == 3 && best.plan.devices % 12 == 0)
        // All four of them are a statement about these devices.
        (settings.space.context.fixed, settings.space.data.fixed) = (1, 8)
        let error = #expect(throws: PlannerError.self) { try searchBestDeviceCount(plan: plan, settings: settings) }
        #expect(error?.description.contains("does not divide 100 devices") == true)
    }

    // MARK: - Limits

    private func all(_ plan: Plan, to most: Int) -> [Estimate] {
        DeviceCounts(plan).between(1, most).compactMap {
            try? search(plan: plan.using($0), settings: Self.settings).candidates.first
        }
    }

    @Test(arguments: [false, true])
    func aDeadlineIsMetOnTheFewest(isBatchFree: Bool) throws {
        let plan = try Self.plan(parameters: 100e9, isBatchFree: isBatchFree)
        let every = all(plan, to: 3000)
        for days in [300.0, 60, 25] {
            var limits = RunLimits()
            limits.days = days
            let found = try limitedRun(plan, keeping: limits, most: 3000, settings: Self.settings)
            let fewest = every.filter { $0.run?.days ?? .infinity <= days }.map(\.plan.devices).min()
            #expect(found.estimate.plan.devices == fewest)
            // The plan itself says the same: it keeps the deadline there, and on no device fewer.
            var sized = plan
            sized.devices = try #require(fewest)
            let there = try searchBestDeviceCount(plan: sized, settings: Self.settings).candidates.first?.run?.days
            #expect(try #require(there) <= days)
            sized.devices -= 1
            let below = try? searchBestDeviceCount(plan: sized, settings: Self.settings).candidates.first?.run?.days
            #expect(below ?? .infinity > days)
        }
    }

    @Test func aBudgetIsSpentOnTheFastestRun() throws {
        let plan = try Self.plan(parameters: 100e9, isBatchFree: false)
        let every = all(plan, to: 3000)
        let cheapest = every.map { $0.run?.gpuMonths ?? .infinity }.min() ?? 0
        for share in [1.02, 1.1, 1.4] {
            var limits = RunLimits()
            limits.gpuMonths = share * cheapest
            let found = try limitedRun(plan, keeping: limits, most: 3000, settings: Self.settings)
            let fastest = every.filter { ($0.run?.gpuMonths ?? .infinity) <= share * cheapest }
                .map { $0.run?.days ?? .infinity }.min()
            #expect(found.estimate.run?.days == fastest)
        }
        var limits = RunLimits()
        limits.gpuMonths = 0.9 * cheapest
        let error = #expect(throws: PlannerError.self) {
            try limitedRun(plan, keeping: limits, most: 3000, settings: Self.settings)
        }
        #expect(error?.description.contains("the nearest is") == true)
    }

    /// On every smaller number of devices a search of the whole space finds nothing that fits, too.
    @Test(arguments: [
        ("llama3-70b", "rtx-4090"), ("llama3-70b", "rtx-5090"), ("llama3-8b", "v100-32g-sxm"),
        ("mixtral-8x22b-v0.1", "h100-80g-sxm"),
    ])
    func fewestDevicesAreTheFewest(model: String, cluster: String) throws {
        var plan = try Shipped.plan(
            try Model.read(model, library: Checkout.library), on: cluster, devices: 1, batch: 512)
        plan.precision = plan.cluster.device.trainingPrecision
        plan.wantedBatch = 512
        plan.openKeys = [.framework]
        let fewest = try #require(fewestDevices(plan, upTo: 4096))
        var settings = SearchSettings()
        (settings.top, settings.simulates, settings.explainsMisfit) = (1, false, false)
        settings.space.anySoftware = true
        for count in DeviceCounts(plan, space: settings.space).between(max(1, fewest / 2), fewest) {
            let found = try? search(plan: plan.using(count), settings: settings)
            #expect((found == nil) == (count < fewest), "\(model) on \(count) \(cluster)")
        }
    }
}
