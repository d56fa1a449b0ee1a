internal import Costs
package import Models
internal import Numbers
package import Plans

/// A question about serving: which model answers what, on which devices. What is left open is chosen: the fewest devices that
/// hold it, the degrees with the most tokens a second, the largest batch.
package struct ServingQuestion: Hashable, Sendable {
    package var model: Model
    package var cluster: Cluster
    /// What is asked; its batch is not read where `takesLargestBatch`.
    package var work: Workload
    /// nil: the fewest that hold the model and its sequences.
    package var devices: Int?
    /// Degrees; nil: chosen.
    package var tensor: Int?
    package var pipeline: Int?
    package var expert: Int?
    /// Whether the batch is the largest that fits.
    package var takesLargestBatch = false

    package init(model: Model, cluster: Cluster, work: Workload, devices: Int? = nil) {
        (self.model, self.cluster, self.work, self.devices) = (model, cluster, work, devices)
    }

    /// The fastest layout that fits.
    /// - Parameter ignoringMemory: whether layouts count that need more memory than there is; `devices` must be stated.
    /// - Throws: `ServingError`; `doesNotFit` with the smallest changes that would do.
    package func estimate(ignoringMemory: Bool = false) throws(ServingError) -> ServingEstimate {
        let served = try checked()
        if ignoringMemory, let devices {
            var best: ServingEstimate?
            for layout in try layouts(served, devices: devices) {
                let found = try ServingPrice(served, cluster, work, layout).estimate()
                if found.outputTokensPerSecond > best?.outputTokensPerSecond ?? -1 { best = found }
            }
            if let best { return best }
        }
        guard let devices else { return try onFewestDevices(served) }
        if let best = try best(served, devices: devices) { return best }
        throw try failure(served, devices: devices)
    }

    /// The fewest devices on which the model and its sequences fit, by memory alone; nil: none of those tried.
    package func fewestDevices() throws(ServingError) -> Int? {
        let served = try checked()
        return fewest(served)
    }

    private func checked() throws(ServingError) -> ServedModel {
        guard cluster.groups == nil else {
            throw .contradiction("\(cluster.name) has groups of unlike devices; name the cluster of one of them")
        }
        let values =
            [work.batch, work.prompt, work.output, work.chunk] + [devices, tensor, pipeline, expert].compactMap(\.self)
        guard values.allSatisfy({ $0 >= 1 }), values.allSatisfy({ $0 <= MemoryPrice.mostTokens / 2 }) else {
            throw .contradiction("batch, prompt, output, devices and degrees must be from 1 to 536,870,912")
        }
        return try ServedModel(model)
    }

    /// The estimate of one layout, with the largest batch where that is asked for; nil: it does not fit.
    private func estimate(_ served: ServedModel, _ layout: ServingLayout) throws(ServingError) -> ServingEstimate? {
        var price = try ServingPrice(served, cluster, work, layout)
        if takesLargestBatch {
            guard let batch = price.largestBatch() else { return nil }
            var work = work
            work.batch = batch
            price = try ServingPrice(served, cluster, work, layout)
        } else if !price.memory().fits {
            return nil
        }
        return price.estimate()
    }

    private func best(_ served: ServedModel, devices: Int) throws(ServingError) -> ServingEstimate? {
        var best: ServingEstimate?
        for layout in try layouts(served, devices: devices) {
            guard let found = try estimate(served, layout) else { continue }
            if found.outputTokensPerSecond > best?.outputTokensPerSecond ?? -1 { best = found }
        }
        return best
    }

    private func onFewestDevices(_ served: ServedModel) throws(ServingError) -> ServingEstimate {
        guard let devices = fewest(served), let best = try best(served, devices: devices) else {
            throw try failure(served, devices: deviceCounts.last ?? 1)
        }
        return best
    }
}
