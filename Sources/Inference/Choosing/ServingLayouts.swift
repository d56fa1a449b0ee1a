internal import Costs
internal import Models
internal import Numbers
internal import Plans

extension ServingQuestion {
    /// Numbers of devices to try, in ascending order: divisors of a node, some nodes, then powers of two of nodes.
    var deviceCounts: [Int] {
        let node = max(1, min(cluster.devicesPerNode, 4096))
        let unit = Int.product(tensor ?? 1, pipeline ?? 1) ?? .max
        let nodes = Array(1...16) + (5...12).map { 1 << $0 } + [24, 48, 96, 192]
        let counts = Set(Divisors.of(node) + nodes.map { node * $0 })
        return counts.filter { unit <= $0 && $0 % unit == 0 }.sorted()
    }

    /// The fewest devices that hold the model and its sequences, or one sequence where the batch is open.
    func fewest(_ served: ServedModel) -> Int? {
        deviceCounts.first { count in
            guard let layouts = try? layouts(served, devices: count) else { return false }
            return layouts.contains { layout in
                MemoryPrice(served, cluster, work, layout).memory(
                    batch: takesLargestBatch ? 1 : work.batch, context: work.context
                ).fits
            }
        }
    }

    /// The layouts that obey the rules, those with few stages first.
    /// - Throws: `noLayout` with the reason where there is none.
    func layouts(_ served: ServedModel, devices: Int) throws(ServingError) -> [ServingLayout] {
        let model = served.model
        let mixtures = served.parts.mixtures.compactMap(\.mixture)
        let cut = model.widthsCutByTensor.filter { $0.name != "kvHeads" }
        let reach = max(1, cluster.innerReach)
        var found: [ServingLayout] = []
        for pipeline in pipeline.map({ [$0] }) ?? Divisors.of(devices) where devices % pipeline == 0 {
            guard pipeline <= model.layers else { continue }
            for tensor in tensor.map({ [$0] }) ?? Divisors.of(devices / pipeline)
            where devices / pipeline % tensor == 0 {
                guard self.tensor != nil || tensor <= reach, cut.allSatisfy({ $0.value % tensor == 0 }) else {
                    continue
                }
                let data = devices / pipeline / tensor
                let spread = mixtures.isEmpty || tensor * data == 1 ? [1] : [1, tensor * data]
                for expert in expert.map({ [$0] }) ?? spread {
                    guard tensor * data % expert == 0, mixtures.allSatisfy({ expert <= $0.experts }) else { continue }
                    guard expert == 1 || !mixtures.isEmpty else { continue }
                    guard expert > 1 || mixtures.allSatisfy({ $0.ffn % tensor == 0 }) else { continue }
                    // A copy without a sequence would be idle.
                    guard takesLargestBatch || data <= work.batch else { continue }
                    found.append(ServingLayout(tensor: tensor, pipeline: pipeline, data: data, expert: expert))
                }
            }
        }
        if found.isEmpty { throw .noLayout(whyNone(served, devices: devices)) }
        return found
    }

    private func whyNone(_ served: ServedModel, devices: Int) -> String {
        let model = served.model
        let count = Figures.grouped(devices)
        if let pipeline, devices % pipeline != 0 || pipeline > model.layers {
            return "pipeline \(pipeline) must divide \(count) devices, and be at most the \(model.layers) layers"
        }
        if let tensor {
            if devices % tensor != 0 { return "tensor \(tensor) must divide \(count) devices" }
            if let width = model.widthsCutByTensor.first(where: { $0.name != "kvHeads" && $0.value % tensor != 0 }) {
                return "tensor \(tensor) must divide \(width.name) \(Figures.grouped(width.value))"
            }
        }
        if let expert, expert > 1 {
            let mixtures = served.parts.mixtures.compactMap(\.mixture)
            if mixtures.isEmpty { return "expert \(expert): the model has no experts" }
            return "expert \(expert) must divide the devices of a stage, and be at most the number of experts"
        }
        return
            "no degrees divide the model over \(count) devices with a batch of \(Figures.grouped(work.batch)): every copy of "
            + "the model needs a sequence; fewer devices, or a larger batch, would do"
    }

    /// Why nothing fits on `devices`, with what would.
    func failure(_ served: ServedModel, devices: Int) throws(ServingError) -> ServingError {
        let layouts = try layouts(served, devices: devices)
        let batch = takesLargestBatch ? 1 : work.batch
        let prices = layouts.map { MemoryPrice(served, cluster, work, $0) }
        let memories = prices.map { $0.memory(batch: batch, context: work.context) }
        guard let least = memories.min(by: { $0.total < $1.total }) else { return .noLayout("there is no layout") }
        let narrower = StoredFormat.named.first { format in
            guard format.bytes < work.weights.bytes else { return false }
            var narrow = work
            narrow.weights = format
            let ends = format.usualEnds
            if ends.head.bytes < narrow.ends.bytes { narrow.ends = ends.head }
            if ends.table.bytes < narrow.table.bytes { narrow.table = ends.table }
            return layouts.contains {
                MemoryPrice(served, cluster, narrow, $0).memory(batch: batch, context: work.context).fits
            }
        }
        return .doesNotFit(
            DoesNotFit(
                devices: devices, device: cluster.device.name, needed: least.total, usable: least.usable,
                weights: work.weights.name, batch: batch, context: work.context, enough: fewest(served),
                narrower: narrower?.name,
                largestBatch: prices.compactMap { $0.largestBatch(context: work.context) }.max(),
                largestContext: prices.compactMap { $0.largestContext(batch: batch) }.max()))
    }
}
