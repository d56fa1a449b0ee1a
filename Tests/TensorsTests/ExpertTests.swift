import Tensors
import Testing

@Suite struct ExpertTests {
    static let (tokens, chosen, experts, width) = (7, 2, 5, 19)
    static let choices: [Int32] = [3, 0, 0, 3, 4, 1, 3, 4, 0, 1, 1, 3, 3, 0]

    static func sorted() -> (counts: [Int32], places: [Int32]) {
        var counts = [Int32](repeating: -1, count: experts)
        var places = [Int32](repeating: -1, count: tokens * chosen)
        ExpertRows.sort(
            choices: choices, counts: &counts, places: &places, tokens: tokens, chosen: chosen, experts: experts)
        return (counts, places)
    }

    @Test func sortingIsStable() {
        let (counts, places) = Self.sorted()
        #expect(counts == [4, 3, 0, 5, 2])
        let order = places.indices.sorted {
            (Self.choices[$0], $0) < (Self.choices[$1], $1)
        }
        #expect(order.enumerated().allSatisfy { places[$0.element] == Int32($0.offset) })
    }

    @Test func permutingAndItsGradient() {
        let (_, places) = Self.sorted()
        let (slots, width) = (Self.tokens * Self.chosen, Self.width)
        let x = Floats(random: Self.tokens * width, seed: 1)
        let rows = Floats(slots * width) { _ in .nan }
        ExpertRows.permute(
            x: x.matrix(Self.tokens, width), places: places, rows: rows.matrix(slots, width), chosen: Self.chosen)
        var expected = [Double](repeating: 0, count: rows.count)
        var inverse = [Int](repeating: 0, count: slots)
        for (index, place) in places.enumerated() {
            inverse[Int(place)] = index
            for d in 0..<width { expected[Int(place) * width + d] = x.doubles[index / Self.chosen * width + d] }
        }
        expectClose(rows, expected, within: 0)

        let dRows = Floats(random: rows.count, seed: 2)
        for accumulate in [false, true] {
            let dx = Floats(x.count) { _ in accumulate ? 1 : .nan }
            ExpertRows.permuteGradient(
                dRows: dRows.matrix(slots, width), places: places, dx: dx.matrix(Self.tokens, width),
                chosen: Self.chosen, accumulate: accumulate)
            var sums = [Double](repeating: accumulate ? 1 : 0, count: x.count)
            for (index, value) in dRows.doubles.enumerated() {
                sums[inverse[index / width] / Self.chosen * width + index % width] += value
            }
            expectClose(dx, sums)
        }
    }

    static func combined(_ rows: [Double], _ weights: [Double], _ places: [Int32]) -> [Double] {
        var y = [Double](repeating: 0, count: tokens * width)
        for (index, place) in places.enumerated() {
            for d in 0..<width { y[index / chosen * width + d] += weights[index] * rows[Int(place) * width + d] }
        }
        return y
    }

    @Test func unpermutingAndItsGradient() {
        let (_, places) = Self.sorted()
        let (slots, width) = (Self.tokens * Self.chosen, Self.width)
        let (rows, weights) = (Floats(random: slots * width, seed: 1), Floats(random: slots, seed: 2))
        let expected = Self.combined(rows.doubles, weights.doubles, places)
        for accumulate in [false, true] {
            let y = Floats(Self.tokens * width) { _ in accumulate ? 1 : .nan }
            ExpertRows.unpermute(
                rows: rows.matrix(slots, width), places: places, weights: weights.pointer,
                y: y.matrix(Self.tokens, width), chosen: Self.chosen, accumulate: accumulate)
            expectClose(y, expected.map { $0 + (accumulate ? 1 : 0) })
        }
        let dy = Floats(random: Self.tokens * width, seed: 3)
        let (dRows, dWeights) = (Floats(rows.count) { _ in .nan }, Floats(slots) { _ in .nan })
        ExpertRows.unpermuteGradient(
            dy: dy.matrix(Self.tokens, width), rows: rows.matrix(slots, width), places: places,
            weights: weights.pointer, dRows: dRows.matrix(slots, width), dWeights: dWeights.pointer,
            chosen: Self.chosen)
        let (rowValues, weightValues, dyValues) = (rows.doubles, weights.doubles, dy.doubles)
        expectClose(
            dRows,
            rowValues.indices.map { index in
                centralDifference(rowValues, index) { dot(Self.combined($0, weightValues, places), dyValues) }
            })
        expectClose(
            dWeights,
            weightValues.indices.map { index in
                centralDifference(weightValues, index) { dot(Self.combined(rowValues, $0, places), dyValues) }
            })
    }

    @Test func blocksAreRegroupedByExpertAndBack() {
        let counts: [Int32] = [2, 0, 3, 1, 1, 0]  // two senders, three experts
        // A row is named by sender, expert and number.
        var (sent, byExpert): ([Float], [Float]) = ([], [])
        for group in 0..<2 {
            for expert in 0..<3 {
                for row in 0..<Int(counts[group * 3 + expert]) { sent.append(Float(group * 100 + expert * 10 + row)) }
            }
        }
        for expert in 0..<3 { byExpert += sent.filter { Int($0) % 100 / 10 == expert } }
        let x = Floats(sent.count * 2) { sent[$0 / 2] }
        let (y, back) = (Floats(x.count) { _ in .nan }, Floats(x.count) { _ in .nan })
        let rows = sent.count
        ExpertRows.regroup(x: x.matrix(rows, 2), counts: counts, y: y.matrix(rows, 2), groups: 2, experts: 3)
        #expect(y.values == byExpert.flatMap { [$0, $0] } && y.isIntact)
        ExpertRows.regroup(
            x: y.matrix(rows, 2), counts: counts, y: back.matrix(rows, 2), groups: 2, experts: 3, inverse: true)
        #expect(back.values == x.values && back.isIntact)
    }
}
