package import Models
package import Plans

extension Cluster {
    /// The cluster file of a measured machine: a device is one process on one core, and a node is the whole machine.
    ///
    /// Every rate is computed by inverting the cost model's formulas, so that pricing the measured shapes gives the
    /// measured seconds. Throws if the measurement holds no usable figure.
    package init(
        measured: MachineMeasurement, model: Model, name: String = "local"
    ) throws(CostError) {
        guard measured.peakFLOPs > 0, measured.elementwiseSeconds > 0, !measured.products.isEmpty else {
            throw .badPlan("the measurement holds no rate")
        }
        // On a busy machine a product may have run at a quieter time than the measurement of the peak.
        let peak = measured.products.reduce(measured.peakFLOPs) { max($0, $1.flops / $1.seconds) }
        // Several shapes have the same size, so the efficiency of a size is total work over total time.
        let sizes = Dictionary(grouping: measured.products, by: \.flops)
        let matmul = sizes.sorted { $0.key < $1.key }.map { size, products in
            EfficiencyCurve.Point(
                size: size,
                share: min(1, size * Double(products.count) / (products.reduce(0) { $0 + $1.seconds } * peak)))
        }
        let attention = measured.attention.map { attention in
            let tokens = Double(attention.sequences * attention.sequence)
            let forward = 2 * tokens * Double(attention.sequence) * Double(attention.width)
            let work = forward * (1 + CostConstants.flashBackwardWork / CostConstants.flashBackwardShare)
            return EfficiencyCurve.Point(
                size: Double(attention.sequence),
                share: min(1, work / ((attention.forwardSeconds + attention.backwardSeconds) * peak)))
        }
        var device = Device(
            name: "one process of this machine", memoryBytes: measured.memoryBytes / Double(measured.cores),
            memoryBytesPerSecond: 1, memoryEfficiency: 1, peakFLOPs: [.fp32: peak],
            matmulEfficiency: EfficiencyCurve(points: matmul), attentionEfficiency: EfficiencyCurve(points: attention),
            launchSeconds: 0, reservedBytes: 64 * 0x1p20)
        // With a bandwidth of one byte a second, the cost model's seconds are the bytes that it counts.
        let layout = Layout(microbatch: max(1, measured.rows / model.sequence))
        guard let measuredBlock = ModelParts(model).denseBlocks.first else {
            throw .badPlan("the measured model has no dense block")
        }
        let block = BlockTimes(
            block: measuredBlock, sequence: model.sequence,
            rates: try DeviceRates(
                device: device, precision: .fp32, framework: Framework(name: Frameworks.processes)),
            device: DeviceShare(
                plan: Plan(
                    name: name, model: model, tokens: nil,
                    cluster: Cluster(name: name, device: device, devicesPerNode: 1, networks: []), devices: 1,
                    batch: 1, precision: .fp32, layout: nil),
                layout: layout, groups: LayoutGroups(layout, on: []), vocabulary: model.vocab, dropout: false,
                fusesNorms: false),
            gradientBytes: 4)
        device.memoryBytesPerSecond =
            block.elementwise / measured.elementwiseSeconds
        device.launchSeconds = measured.callSeconds
        let smallest = measured.transfers.min { $0.bytes < $1.bytes }
        let largest = measured.transfers.max { $0.bytes < $1.bytes }
        let latency = smallest?.seconds ?? 1e-6
        let bandwidth =
            largest.map { $0.bytes / max($0.seconds - latency, 1e-9) } ?? device.memoryBytesPerSecond
        self.init(
            name: name, device: device, devicesPerNode: measured.cores,
            networks: [
                Network(
                    name: "shared memory", devices: max(measured.cores, measured.processes),
                    bytesPerSecond: bandwidth, latencySeconds: latency, efficiency: 1)
            ])
    }
}
