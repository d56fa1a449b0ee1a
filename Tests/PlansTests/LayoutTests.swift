import Models
import Reading
import Schedules
import TestSupport
import Testing

import Plans

@Suite struct LayoutTests {
    let model = Model(family: .gpt, layers: 7, hidden: 96, heads: 6, vocab: 256, sequence: 64)

    func rules(_ layout: Layout, batch: Int = 12, devices: Int? = nil) -> [String] {
        layout.problems(for: model, batch: batch, devices: devices ?? layout.devices).map(\.description)
    }

    @Test func unevenStagesAreFine() {
        #expect(rules(Layout(pipeline: 3)) == [])
        #expect(rules(Layout(pipeline: 3, layersPerStage: [1, 2, 4])) == [])
        #expect(rules(Layout(pipeline: 9, layersPerStage: [0, 1, 1, 1, 1, 1, 1, 1, 0])) == [])
    }

    @Test func everyBrokenRuleIsReportedAtOnce() {
        let broken = rules(
            Layout(data: 5, tensor: 4, pipeline: 8, context: 3, sequenceParallel: true), batch: 12, devices: 100)
        #expect(broken.contains { $0.hasPrefix("devices: must be the product of the degrees") })
        #expect(broken.contains { $0.contains("must divide model.heads 6 (found 4); use 3 or 6") })
        #expect(broken.contains { $0.contains("twice context must divide model.sequence 64") })
        #expect(broken.contains { $0.contains("8 stages need at least as many layers") })
        #expect(broken.contains { $0.contains("must divide batch 12") })
        #expect(broken.contains { $0.contains("tensor · context 12 must divide model.sequence 64") })
        #expect(broken.count == 6)
    }

    @Test(arguments: [
        (Layout(data: 0), "layout.data: must be at least 1"), (Layout(microbatch: -1), "layout.microbatch"),
        (Layout(sequenceParallel: true), "needs tensor above 1"), (Layout(virtualStages: 2), "needs pipeline above 1"),
        (Layout(pipeline: 2, virtualStages: 2, schedule: .gpipe), "layout.schedule"),
        (Layout(pipeline: 2, virtualStages: 4, schedule: .interleaved), "8 stages need at least as many layers"),
        (Layout(pipeline: 2, layersPerStage: [8, -1]), "no stage has fewer than 0 layers"),
        (Layout(data: .max, tensor: .max), "at most 1,000,000,000"),
        (Layout(microbatch: .max), "at most 1,000,000,000"),
        (Layout(tensor: 1_000_000_000, pipeline: 1_000_000_000), "beyond any machine"),
        (Layout(data: 2, microbatch: 1_000_000_000), "must divide batch 12"),
    ])
    func eachRuleHasItsWords(_ layout: Layout, _ said: String) {
        let lines = layout.problems(for: model, batch: 12, devices: 1).map(\.description)
        #expect(lines.contains { $0.contains(said) }, "\(lines)")
    }

    @Test func tensorBeyondTheNodeIsOnlyAWarning() throws {
        let cluster = try Cluster.read("a100-80g-sxm", library: Checkout.library)
        let big = Model(family: .gpt, layers: 16, hidden: 2048, heads: 16, vocab: 512, sequence: 64)
        let layout = Layout(tensor: 16)
        #expect(layout.problems(for: big, batch: 16, devices: 16) == [])
        #expect(layout.warnings(cluster: cluster, model: big, batch: 16).count == 1)
        #expect(Layout(tensor: 8).warnings(cluster: cluster, model: big, batch: 16) == [])
    }

    /// It matters how far the innermost network reaches, and whether groups of neighbouring ranks cross its edge.
    @Test(arguments: [
        ("a100-80g-sxm", Layout(data: 8, tensor: 6), "groups such as ranks 6 to 11 cross"),
        ("a100-80g-sxm", Layout(data: 8, tensor: 3), "groups such as ranks 6 to 8 cross"),
        ("a100-80g-sxm", Layout(tensor: 6), nil), ("a100-80g-sxm", Layout(data: 2, tensor: 4), nil),
        ("a100-80g-sxm", Layout(data: 4, tensor: 16), "beyond the 8 devices that nvlink joins"),
        ("gb200-nvl72", Layout(data: 8, tensor: 8, pipeline: 9), nil), ("gb200-nvl72", Layout(tensor: 64), nil),
        ("gb300-nvl72", Layout(data: 72, tensor: 8), nil),
        ("gb200-nvl72", Layout(data: 36, tensor: 16), "groups such as ranks 64 to 79 cross"),
        ("gb200-nvl72", Layout(data: 2, tensor: 128), "beyond the 72 devices that nvlink joins"),
        ("laptop", Layout(tensor: 64), nil),
    ])
    func tensorGroupsThatCrossAreWarnedOf(_ cluster: String, _ layout: Layout, _ said: String?) throws {
        let cluster = try Cluster.read(cluster, library: Checkout.library)
        let warnings = layout.warnings(cluster: cluster, model: model, batch: 64 * layout.data).filter {
            $0.text.contains("slower network")
        }
        #expect(warnings.count == (said == nil ? 0 : 1), "\(warnings)")
        if let said { #expect(warnings.first?.text.contains(said) == true, "\(warnings)") }
        // The words are those of the grid.
        let reach = cluster.innermost?.reach ?? .max
        let grid = RankGrid(layout)
        let crosses = (0..<grid.size).contains { rank in
            Set(grid.group(of: rank, along: \.tensor).map { $0 / reach }).count > 1
        }
        #expect(crosses == (said != nil))
    }
}

/// Expected groups: Megatron-Core 0.12, `RankGenerator` with order tp-cp-ep-dp-pp and tp = `expert_tensor_parallel_size`.
@Suite struct ExpertGridTests {
    /// 2 · 2 · 3 = 12 ranks a stage: pieces of 2, 3 groups of experts, 2 copies.
    let grid = ExpertGrid(Layout(data: 3, tensor: 2, context: 2, expert: 3, expertTensor: 2))

    @Test func piecesAreInnermostThenExpertsThenCopies() {
        #expect(grid.copies == 2)
        let places = (0..<12).map { grid.coordinates(ofSeat: $0) }
        func seats(_ isMember: (ExpertGrid.Coordinates) -> Bool) -> [Int] { (0..<12).filter { isMember(places[$0]) } }
        #expect(seats { $0.expert == 1 && $0.copy == 0 } == [2, 3])
        #expect(seats { $0.tensor == 1 && $0.copy == 0 } == [1, 3, 5])
        #expect(seats { $0.tensor == 0 && $0.expert == 2 } == [4, 10])
        for (seat, place) in places.enumerated() { #expect(grid.seat(at: place) == seat) }
    }

    @Test func seatsAreTheRanksOfAStage() {
        let ranks = RankGrid(tensor: 2, context: 3, data: 4, pipeline: 5)
        for rank in 0..<ranks.size { #expect(ranks.seat(of: ranks.coordinates(of: rank)) == rank % 24) }
    }
}

@Suite struct RankGridTests {
    let grid = RankGrid(tensor: 2, context: 3, data: 4, pipeline: 5)

    @Test func ranksAndCoordinatesAreEachOthersInverse() {
        for rank in 0..<grid.size { #expect(grid.rank(at: grid.coordinates(of: rank)) == rank) }
    }

    @Test func tensorIsInnermostAndPipelineOutermost() {
        #expect(grid.coordinates(of: 1) == RankGrid.Coordinates(tensor: 1))
        #expect(grid.coordinates(of: 2) == RankGrid.Coordinates(context: 1))
        #expect(grid.coordinates(of: 6) == RankGrid.Coordinates(data: 1))
        #expect(grid.coordinates(of: 24) == RankGrid.Coordinates(pipeline: 1))
    }

    @Test func groupsAreThoseOfMegatron() {
        #expect(grid.group(of: 27, along: \.tensor) == [26, 27])
        #expect(grid.group(of: 1, along: \.context) == [1, 3, 5])
        #expect(grid.group(of: 1, along: \.data) == [1, 7, 13, 19])
        #expect(grid.group(of: 1, along: \.pipeline) == [1, 25, 49, 73, 97])
    }
}

@Suite struct StagePartitionTests {
    @Test(arguments: [
        (6, 2, 2, 0.05, [3, 3]), (7, 3, 3, 0.05, [2, 3, 2]), (6, 1, 1, 0.05, [6]), (8, 2, 2, 2.0, [5, 3]),
        (12, 4, 4, 0.9, [3, 3, 3, 3]), (12, 4, 4, 1.5, [3, 3, 4, 2]), (5, 4, 4, 0.0, [1, 1, 2, 1]),
        (8, 4, 2, 0.05, [2, 2, 2, 2]), (4, 4, 4, 9.0, [1, 1, 1, 1]),
        (126, 16, 16, 0.0, Array(repeating: 8, count: 14) + [7, 7]),
    ])
    func balances(_ layers: Int, _ stages: Int, _ ranks: Int, _ head: Double, _ expected: [Int]) {
        let partition = StagePartition(balancing: layers, stages: stages, ranks: ranks, headInBlocks: head)
        #expect(partition.sizes.reduce(0, +) == layers)
        #expect(partition.sizes.sorted() == expected.sorted())
        #expect(partition.sizes.last == expected.last || head == 0)
    }

    /// Against every way to cut, the rule of the brute-force search: heaviest rank, then largest stage, then squares.
    @Test(arguments: [(7, 3, 1), (9, 4, 1), (10, 2, 2), (11, 3, 2), (8, 2, 3)], [0.0, 0.05, 0.7, 1.6, 4.0])
    func isAsGoodAsTheBestOfAllCuts(_ shape: (Int, Int, Int), _ head: Double) {
        let (layers, ranks, virtualStages) = shape
        let stages = ranks * virtualStages
        func key(_ sizes: [Int]) -> [Int] {
            var load = [Double](repeating: 0, count: ranks)
            for (stage, size) in sizes.enumerated() { load[stage % ranks] += Double(size) }
            load[ranks - 1] += head
            let heaviest = ((load.max() ?? 0) * 1e4).rounded()
            return [Int(heaviest), sizes.max() ?? 0, sizes.reduce(0) { $0 + $1 * $1 }]
        }
        func cuts(_ layers: Int, _ stages: Int) -> [[Int]] {
            if stages == 1 { return [[layers]] }
            return (1...layers - stages + 1).flatMap { first in
                cuts(layers - first, stages - 1).map { [first] + $0 }
            }
        }
        let best = cuts(layers, stages).map(key).min { $0.lexicographicallyPrecedes($1) }
        let ours = StagePartition(balancing: layers, stages: stages, ranks: ranks, headInBlocks: head)
        #expect(ours.sizes.allSatisfy { $0 >= 1 })
        #expect(key(ours.sizes) == best)
    }

    @Test func aFoldedPipelineHasItsHeadOnRankZero() {
        let partition = StagePartition(balancing: 24, stages: 8, ranks: 4, headInBlocks: 2.5, folded: true)
        let sizes = partition.sizes
        let loads = (0..<4).map { sizes[$0] + sizes[7 - $0] }
        // The head weighs 2.5 blocks: 4 + 2.5 on rank 0, at most 7 on the others.
        #expect(loads == [4, 7, 7, 6])
        #expect(sizes[7] <= sizes[0])
    }

    @Test func aLayoutsOwnSplitIsTaken() {
        let model = Model(family: .gpt, layers: 7, hidden: 96, heads: 6, vocab: 256, sequence: 64)
        let partition = StagePartition(Layout(pipeline: 3, layersPerStage: [1, 2, 4]), model: model)
        #expect(partition.layers == [0..<1, 1..<3, 3..<7])
    }

    @Test func largeModelsAreQuick() {
        let partition = StagePartition(balancing: 10_000, stages: 4096, ranks: 1024, headInBlocks: 3)
        #expect(partition.sizes.reduce(0, +) == 10_000)
    }
}

extension RankGrid {
    /// The ranks that differ from `rank` along one degree only, in order.
    fileprivate func group(of rank: Int, along degree: WritableKeyPath<Coordinates, Int>) -> [Int] {
        let place = coordinates(of: rank)
        return (0..<size).filter { other in
            var moved = coordinates(of: other)
            moved[keyPath: degree] = place[keyPath: degree]
            return moved == place
        }
    }
}
