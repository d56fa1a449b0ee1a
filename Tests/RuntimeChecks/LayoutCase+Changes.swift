internal import Models
internal import Plans

extension Layout {
    func every(_ step: Int) -> Layout {
        var layout = self
        layout.recomputed = .every(step)
        return layout
    }

    func byStage(_ counts: [Int]) -> Layout {
        var layout = self
        layout.recomputed = .firstOfStage(counts)
        return layout
    }
}

extension Model {
    /// The model with a norm for every head of queries and keys.
    var normingHeads: Model {
        var model = self
        model.block.qkNorm = .head
        return model
    }
}
