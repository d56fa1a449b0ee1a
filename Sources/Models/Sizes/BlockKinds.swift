/// The different shapes among a model's blocks, in the order of their first blocks, and the shape of every block.
///
/// A class, because every layout of a search asks for it and passing it on must not copy its lists.
package final class BlockKinds: Sendable {
    /// Every shape once.
    package let shapes: [BlockShape]
    /// Index into `shapes` of every block. The blocks of multi-token prediction follow the model's own.
    package let kindOfBlock: [Int]
    /// Blocks of multi-token prediction.
    package let predictors: Int
    /// Number of blocks of each kind among the first blocks: that of kind k among the first n stands at n · kinds + k.
    private let before: [Int]

    package var count: Int { shapes.count }
    package init(_ model: Model) {
        var shapes: [BlockShape] = []
        var kinds: [Int] = []
        kinds.reserveCapacity(model.layers)
        // Blocks of one entry of the pattern, with experts or without, have one shape.
        var numbers = [Int](repeating: -1, count: 2 * max(1, model.kinds.count))
        // Blocks that are alike may differ in what training changes.
        let isTuned = model.tuning != nil
        for layer in 0..<max(0, model.layers) {
            if isTuned {
                let shape = model.shape(ofBlock: layer)
                let known = shapes.firstIndex(of: shape)
                if known == nil { shapes.append(shape) }
                kinds.append(known ?? shapes.count - 1)
                continue
            }
            let entry = model.pattern.indices.contains(layer) ? model.pattern[layer] : 0
            let place = 2 * entry + (model.hasExperts(layer) ? 1 : 0)
            if numbers[place] < 0 {
                let shape = model.shape(ofBlock: layer)
                numbers[place] = shapes.firstIndex(of: shape) ?? shapes.count
                if numbers[place] == shapes.count { shapes.append(shape) }
            }
            kinds.append(numbers[place])
        }
        predictors = model.predictors
        if let shape = model.predictorShape {
            kinds += [Int](repeating: shapes.count, count: predictors)
            shapes.append(shape)
        }
        var before = [Int](repeating: 0, count: shapes.count)
        before.reserveCapacity((kinds.count + 1) * shapes.count)
        for (layer, kind) in kinds.enumerated() {
            for other in shapes.indices {
                before.append(before[layer * shapes.count + other] + (other == kind ? 1 : 0))
            }
        }
        self.shapes = shapes
        kindOfBlock = kinds
        self.before = before
    }

    /// Number of blocks of each kind among `blocks`.
    package func counts(in blocks: Range<Int>) -> [Int] {
        let (first, last) = (blocks.lowerBound * count, blocks.upperBound * count)
        return (0..<count).map { before[last + $0] - before[first + $0] }
    }

    /// Number of blocks of each kind in the whole model.
    package var counts: [Int] { counts(in: kindOfBlock.indices) }
}

extension Model {
    /// The shape of block `layer`: that of its kind, without experts if its place is a dense block's.
    package func shape(ofBlock layer: Int) -> BlockShape {
        var shape = pattern.indices.contains(layer) ? kinds[pattern[layer]].shape : block
        if let moe = shape.moe {
            if moe.hasExperts(layer) {
                // Blocks with experts are alike, whatever their places.
                shape.moe?.firstDense = 0
                shape.moe?.every = 1
            } else {
                shape.moe = nil
            }
        }
        if tuning != nil { shape.tuning = tuning(ofBlock: layer) }
        return shape
    }

    /// The model if all its blocks had `shape`.
    package func uniform(_ shape: BlockShape) -> Model {
        var model = self
        model.block = shape
        model.kinds = []
        model.pattern = []
        model.mtp = nil
        return model
    }

    /// The different shapes among the blocks, those of multi-token prediction included, each as a model of such blocks
    /// alone, with their numbers of blocks.
    package var kindsOfBlock: [(model: Model, count: Int)] {
        let kinds = BlockKinds(self)
        return zip(kinds.shapes, kinds.counts).map { (uniform($0), $1) }
    }

    /// Whether block `layer` has experts.
    package func hasExperts(_ layer: Int) -> Bool {
        guard pattern.indices.contains(layer) else { return moe?.hasExperts(layer) ?? false }
        return kinds[pattern[layer]].shape.moe?.hasExperts(layer) ?? false
    }

    /// Blocks with experts; 0 for a dense model.
    package var mixtureLayers: Int {
        guard !pattern.isEmpty else { return moe?.blocks(before: layers) ?? 0 }
        return (0..<layers).count(where: hasExperts)
    }

    /// Blocks without experts; all blocks of a dense model.
    package var denseLayers: Int { layers - mixtureLayers }
}
