import Tensors
import Testing

@Suite struct VocabularyParallelCrossEntropyTests {
    /// Logits cut into `shards`, put together by the reductions a group of ranks would do.
    @Test(arguments: [(5, 24, 1), (5, 24, 3), (3, 130, 2), (2, 8, 8)], [1, 1e4] as [Float])
    func shardsTogetherEqualTheWhole(_ shape: (Int, Int, Int), _ spread: Float) {
        let (rows, vocab, shards) = shape
        let columns = vocab / shards
        let logits = Floats(random: rows * vocab, seed: 1, scale: spread)
        let targets = (0..<rows).map { Int32(($0 * 7 + 3) % vocab) }
        let pieces = (0..<shards).map { shard in
            Floats(rows * columns) { logits.pointer[$0 / columns * vocab + shard * columns + $0 % columns] }
        }
        let values = logits.doubles
        let expected = CrossEntropyTests.reference(values, targets, vocab: vocab)
        _ = CrossEntropy.lossAndGradient(
            logits: logits.matrix(rows, vocab), targets: targets, scale: 0.25)

        let maxima = Floats(rows) { _ in -.infinity }
        for piece in pieces {
            let own = Floats(rows)
            VocabularyParallelCrossEntropy.maxima(logits: piece.matrix(rows, columns), into: own.pointer)
            #expect(own.isIntact)
            for row in 0..<rows { maxima.pointer[row] = max(maxima.pointer[row], own.pointer[row]) }
        }
        let (sums, chosen) = (Floats(rows), Floats(rows))
        for (shard, piece) in pieces.enumerated() {
            let (ownSums, ownChosen) = (Floats(rows), Floats(rows))
            VocabularyParallelCrossEntropy.exponentials(
                logits: piece.matrix(rows, columns), maxima: maxima.pointer, targets: targets,
                firstToken: shard * columns, sums: ownSums.pointer, targetLogits: ownChosen.pointer)
            #expect(ownSums.isIntact && ownChosen.isIntact)
            VectorMath.add(into: sums.pointer, from: ownSums.pointer, count: rows)
            VectorMath.add(into: chosen.pointer, from: ownChosen.pointer, count: rows)
        }
        let loss = VocabularyParallelCrossEntropy.loss(
            maxima: maxima.pointer, sums: sums.pointer, targetLogits: chosen.pointer, targets: targets,
            rows: rows)
        #expect(abs(loss - expected) <= 1e-6 * max(1, abs(expected)))
        for (shard, piece) in pieces.enumerated() {
            VocabularyParallelCrossEntropy.gradient(
                exponentials: piece.matrix(rows, columns), sums: sums.pointer, targets: targets,
                firstToken: shard * columns, scale: 0.25)
            let whole = (0..<rows * columns).map { index in
                logits.doubles[index / columns * vocab + shard * columns + index % columns]
            }
            #expect(piece.isIntact)
            #expect(zip(piece.doubles, whole).allSatisfy { abs($0 - $1) < 2e-7 })
        }
        if spread == 1 {
            for index in stride(from: 0, to: values.count, by: 5) {
                let slope = centralDifference(values, index) {
                    0.25 * CrossEntropyTests.reference($0, targets, vocab: vocab)
                }
                let (row, column) = (index / vocab, index % vocab)
                let own = pieces[column / columns].doubles[row * columns + column % columns]
                #expect(abs(own - slope) < 1e-6)
            }
        }
    }
}

@Suite struct EmbeddingTests {
    @Test(arguments: [1, 2, 4], [3, 16, 35]) func shardsTogetherEqualTheWhole(_ shards: Int, _ width: Int) {
        let (vocab, batch, sequence) = (12, 2, 5)
        let rows = batch * sequence
        let tokens = (0..<rows).map { Int32($0 * 5 % vocab) }
        let (table, positions) = (Floats(random: vocab * width, seed: 1), Floats(random: 9 * width, seed: 2))
        // Positions of a zigzag shard.
        let places: [Int32] = [1, 2, 6, 7, 8]
        let y = Floats(rows * width)
        for shard in 0..<shards {
            let part = Floats(rows * width) { _ in .nan }
            let held = shard * vocab / shards..<(shard + 1) * vocab / shards
            TokenEmbedding.forward(
                tokens: tokens, table: table.matrix(vocab, width).rows(held), firstToken: held.lowerBound,
                y: part.matrix(rows, width))
            #expect(part.isIntact)
            VectorMath.add(into: y.pointer, from: part.pointer, count: rows * width)
        }
        // In two parts, as with sequence parallelism.
        for part in [0..<3, 3..<rows] {
            PositionEmbedding.addForward(
                positions: places, firstRow: part.lowerBound, table: positions.matrix(9, width),
                y: y.matrix(rows, width).rows(part))
        }
        let expected = (0..<rows * width).map { index -> Double in
            let (row, column) = (index / width, index % width)
            let place = Int(places[row % sequence])
            return Double(table.values[Int(tokens[row]) * width + column] + positions.values[place * width + column])
        }
        expectClose(y, expected, within: 0)

        let dy = Floats(random: rows * width, seed: 3)
        let (dTable, dPositions) = (Floats(random: table.count, seed: 4), Floats(random: positions.count, seed: 5))
        var (tableSums, positionSums) = (dTable.doubles, dPositions.doubles)
        for (index, value) in dy.doubles.enumerated() {
            let (row, column) = (index / width, index % width)
            tableSums[Int(tokens[row]) * width + column] += value
            positionSums[Int(places[row % sequence]) * width + column] += value
        }
        for shard in 0..<shards {
            let held = shard * vocab / shards..<(shard + 1) * vocab / shards
            TokenEmbedding.weightGradient(
                tokens: tokens, dy: dy.matrix(rows, width), dTable: dTable.matrix(vocab, width).rows(held),
                firstToken: held.lowerBound)
        }
        for part in [0..<3, 3..<rows] {
            PositionEmbedding.weightGradient(
                positions: places, firstRow: part.lowerBound, dy: dy.matrix(rows, width).rows(part),
                dTable: dPositions.matrix(9, width))
        }
        expectClose(dTable, tableSums)
        expectClose(dPositions, positionSums)
    }
}
