internal import Models
internal import Tensors

extension ParameterSet {
    /// Fills every tensor from a weights file. Adapters that it does not hold start as they do without a file.
    package func load(from file: any WeightSource, seed: UInt64 = 1) throws(TrainingError) {
        try fillUnits { (unit, target) throws(TrainingError) in
            for slot in unit.slots {
                if AdapterFile.isAdapter(slot.tensor.name), !file.contains(slot.tensor.name) {
                    Initialisation.fill(target + slot.offset, tensor: slot.tensor, seed: seed, share: unit.share)
                    continue
                }
                try file.copy(slot.tensor, to: target + slot.offset, share: unit.share)
                let values = UnsafeBufferPointer(start: target + slot.offset, count: slot.count)
                // The quick look first: one number that is none makes the sum of squares none.
                guard !VectorMath.sumOfSquares(target + slot.offset, count: slot.count).isFinite,
                    let foreign = values.first(where: { !$0.isFinite })
                else { continue }
                throw .weights(
                    path: file.path,
                    reason: "tensor \(slot.tensor.name) holds \(foreign.isNaN ? "NaN" : "infinite numbers"); "
                        + "the run that wrote it had diverged")
            }
        }
    }
}
