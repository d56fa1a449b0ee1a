import Models
import Numbers
import Plans

/// Draws the rarer choices of a layout: stages without blocks, which blocks are recomputed, and which modules of them. They
/// have numbers of their own, so that a new one leaves all other plans as they were.
struct RandomChoices {
    private var numbers: SplitMix64

    init(seed: UInt64) { numbers = SplitMix64(seed: seed ^ 0x5157_4147_4553) }

    mutating func change(_ layout: inout Layout, model: Model) {
        if layout.layersPerStage != nil, numbers.chance(0.3) {
            layout.layersPerStage = split(model.layers, over: layout.stages)
        }
        if layout.recompute == .full, layout.recomputed == .all, numbers.chance(0.5) {
            let count = numbers.pick([1, 2, 3])
            layout.recomputed = numbers.pick([
                .every(count + 1), .runs(count + 1),
                .firstOfStage((0..<layout.stages).map { _ in numbers.pick([0, 1, 2, 3]) }),
            ])
        }
        if layout.recompute == .selective, numbers.chance(0.6) {
            let known = Inventory(model).modules
            layout.recomputeModules = RecomputeModules(known.filter { _ in numbers.chance(0.4) })
        }
    }

    /// Every block on any stage.
    private mutating func split(_ layers: Int, over stages: Int) -> [Int] {
        var sizes = [Int](repeating: 0, count: stages)
        for _ in 0..<layers { sizes[Int.random(in: 0..<stages, using: &numbers)] += 1 }
        return sizes
    }
}
