import Testing
import Training

@Suite struct SamplingTests {
    private func kept(_ logits: [Float], _ sampling: Sampling) -> [Int] { sampling.candidates(logits).map(\.token) }

    @Test func temperatureZeroTakesTheLikeliest() {
        let logits: [Float] = [0.5, 3, -1, 2.9, 3]
        #expect(Sampling(temperature: 0).token(logits, random: 0.99) == 1)
        #expect(Sampling(temperature: 0, topK: 3, topP: 0.1).token(logits, random: 0.99) == 1)
    }

    @Test func drawsFollowTheSoftmax() {
        // Probabilities 1/8, 2/8, 5/8.
        let logits: [Float] = [0, 0.693_147_2, 1.609_437_9]
        var counts = [0, 0, 0]
        for draw in 0..<8000 {
            counts[Sampling(temperature: 1).token(logits, random: (Double(draw) + 0.5) / 8000)] += 1
        }
        #expect(abs(counts[0] - 1000) <= 2 && abs(counts[1] - 2000) <= 2 && abs(counts[2] - 5000) <= 2)
    }

    /// The temperature divides the logits.
    @Test func temperaturesSharpen() {
        let found = Sampling(temperature: 0.5).candidates([0, 0.693_147_2] as [Float])
        // Odds 1 to 4 in place of 1 to 2.
        #expect(abs(found[0].weight / found[1].weight - 0.25) < 1e-6)
    }

    /// transformers' TopKLogitsWarper keeps what is as likely as the last that is kept.
    @Test func topKKeepsTies() {
        let logits: [Float] = [1, 2, 2, 0, 3, 2]
        #expect(kept(logits, Sampling(temperature: 1, topK: 1)) == [4])
        #expect(kept(logits, Sampling(temperature: 1, topK: 2)) == [1, 2, 4, 5])
        #expect(kept(logits, Sampling(temperature: 1, topK: 5)) == [0, 1, 2, 4, 5])
        #expect(kept(logits, Sampling(temperature: 1, topK: 99)) == [0, 1, 2, 3, 4, 5])
        let many = (0..<2000).map { Float(($0 * 7919) % 2000) }
        for count in [1, 17, 256, 257, 1999] {
            #expect(
                kept(many, Sampling(temperature: 1, topK: count))
                    == many.indices.filter { many[$0] >= Float(2000 - count) })
        }
    }

    /// transformers' TopPLogitsWarper drops the least likely while they have at most 1 − p together.
    @Test func topPIsInclusive() {
        // Probabilities 0.5, 0.25, 0.125, 0.125.
        let logits: [Float] = [0, -0.693_147_18, -1.386_294_36, -1.386_294_36]
        for (share, count) in [(0.4, 1), (0.499, 1), (0.51, 2), (0.74, 2), (0.76, 3), (0.874, 3), (0.88, 4), (1, 4)] {
            #expect(kept(logits, Sampling(temperature: 1, topP: share)).count == count, "\(share)")
        }
        #expect(kept(logits, Sampling(temperature: 1, topP: 1e-9)) == [0])
    }

    /// The temperature comes before the share, and the number before both are looked at.
    @Test func theOrderIsTransformers() {
        // Probabilities 0.4, 0.3, 0.2, 0.1; squared 16, 9, 4, 1 of 30.
        let logits: [Float] = [-0.916_290_7, -1.203_972_8, -1.609_437_9, -2.302_585_1]
        #expect(kept(logits, Sampling(temperature: 1, topP: 0.65)) == [0, 1])
        #expect(kept(logits, Sampling(temperature: 0.5, topP: 0.65)) == [0, 1])
        #expect(kept(logits, Sampling(temperature: 0.5, topP: 0.53)) == [0])
        #expect(kept(logits, Sampling(temperature: 1, topP: 0.53)) == [0, 1])
        // Of two tokens the first has 4/7 = 0.571.
        #expect(kept(logits, Sampling(temperature: 1, topK: 2, topP: 0.57)) == [0])
        #expect(kept(logits, Sampling(temperature: 1, topK: 2, topP: 0.58)) == [0, 1])
    }
}
