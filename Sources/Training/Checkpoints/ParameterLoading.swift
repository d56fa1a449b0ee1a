internal import Models
internal import Tensors

extension ParameterSet {
    /// Fills every tensor from a weights file.
    package func load(from file: SafeTensorsFile) throws(TrainingError) {
        try fillUnits { (unit, target) throws(TrainingError) in
            for slot in unit.slots {
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
