internal import Models
internal import Plans

/// Products and launches of a block of which training does not change all weights.
extension BlockTimes {
    /// Seconds of all products: frozen ones have no gradient of weights, adapters have all three products. Weights in few
    /// bits are made whole before every product that reads them (bitsandbytes, `MatMul4Bit`: in the forward, and again in the
    /// backward).
    func products(_ tuned: TunedBlock) -> Products {
        var sum = Products()
        let isQuantized = tuned.quantizedBytes != nil
        for (index, product) in block.products.enumerated() {
            let (rows, inputs, outputs) = measure.shape(product)
            // Adapters stand behind the block's own products. A recipe leaves them in 16 bits.
            let isAdapter = index >= tuned.changes.count
            let high = isAdapter ? rates.recipe != nil : isHigh(product)
            sum.forward += rates.product(rows, outputs, inputs, high: high)
            sum.input += rates.product(rows, inputs, outputs, high: high)
            let changes = isAdapter || tuned.changes[index]
            if changes {
                sum.weight += rates.accumulate(inputs, outputs, rows, accumulatorBytes: gradientBytes, high: high)
            } else if isQuantized {
                let seconds = dequantization(inputs * outputs, tuned)
                sum.forward += seconds
                sum.input += seconds
            }
        }
        guard let mixture = block.mixture else { return sum }
        let experts = experts(tuned, mixture)
        sum.forward += experts.forward
        sum.input += experts.input
        sum.weight += experts.weight
        return sum
    }

    /// Seconds of the products of all experts on a device.
    func experts(_ tuned: TunedBlock, _ mixture: Model.Mixture) -> Products {
        var sum = Products()
        let isQuantized = tuned.quantizedBytes != nil
        let held = Double(mixture.experts) / device.expert
        var trained = 0.0
        for (index, product) in block.expertProducts.enumerated() {
            let (rows, inputs, outputs) = measure.shape(product)
            let isAdapter = index >= tuned.changesExperts.count
            let seconds =
                held * rates.product(max(1, rows / held), outputs, inputs, high: isAdapter && rates.recipe != nil)
                / rates.framework.experts
            sum.forward += seconds
            sum.input += seconds
            let changes = isAdapter || tuned.changesExperts[index]
            if changes {
                sum.weight += seconds
                trained += held * inputs * outputs
            } else if isQuantized {
                let seconds = held * dequantization(inputs * outputs, tuned)
                sum.forward += seconds
                sum.input += seconds
            }
        }
        if trained > 0 { sum.weight += rates.memory(2 * gradientBytes * trained) }
        return sum
    }

    /// Seconds of the products of adapters in a module that runs again, and of making its matrices whole of their few bits.
    func adapters(again work: Recomputation) -> Double {
        guard let tuned = block.tuned else { return 0 }
        var seconds = 0.0
        for product in work.adapters {
            let (rows, inputs, outputs) = measure.shape(product)
            seconds += rates.product(rows, outputs, inputs, high: rates.recipe != nil)
        }
        for product in work.quantized {
            let (_, inputs, outputs) = measure.shape(product)
            seconds += dequantization(inputs * outputs, tuned)
        }
        return seconds
    }

    /// Seconds of reading `weights` in few bits and writing them in the format that products read.
    private func dequantization(_ weights: Double, _ tuned: TunedBlock) -> Double {
        rates.memory((rates.elementBytes + (tuned.quantizedBytes ?? 0)) * weights)
    }

    /// Launches of a forward and of a backward as a share of those of the same block without adapters and without frozen
    /// weights, and the share of such a backward that belongs to gradients of weights.
    func tunedLaunches(_ tuned: TunedBlock) -> (forward: Double, backward: Double, weights: Double) {
        let held = Double(block.mixture?.experts ?? 0) / device.expert
        let adapters = Double(tuned.adapters.count) + held * Double(tuned.expertAdapters.count)
        let own = Double(tuned.changes.count) + held * Double(tuned.changesExperts.count)
        let changed =
            Double(tuned.changes.count(where: { $0 })) + held * Double(tuned.changesExperts.count(where: { $0 }))
        let kernels = Double(block.otherKernels - 2 * (tuned.adapters.count + tuned.expertAdapters.count))
        // An adapter launches two products and two kernels in a forward; a backward launches four products and two kernels.
        let weights = changed + 2 * adapters
        let forward = own + kernels + coreLaunches
        let backward = 2 * own + kernels + coreLaunches
        guard forward > 0 else { return (1, 1, 0) }
        let quantized = tuned.quantizedBytes == nil ? 0 : own - changed
        return (
            (forward + 4 * adapters + quantized) / forward,
            (backward - (own - changed) + 6 * adapters + quantized) / backward, weights / backward
        )
    }
}
