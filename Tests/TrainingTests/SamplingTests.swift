import Testing
import Training

@Suite struct SamplingTests {
    @Test func temperatureZeroTakesTheLikeliest() {
        let logits: [Float] = [0.5, 3, -1, 2.9]
        #expect(TextGenerator.sample(logits, count: 4, temperature: 0, random: 0.99) == 1)
    }

    @Test func drawsFollowTheSoftmax() {
        // Probabilities 1/8, 2/8, 5/8.
        let logits: [Float] = [0, 0.693_147_2, 1.609_437_9]
        var counts = [0, 0, 0]
        for draw in 0..<8000 {
            counts[TextGenerator.sample(logits, count: 3, temperature: 1, random: (Double(draw) + 0.5) / 8000)] += 1
        }
        #expect(abs(counts[0] - 1000) <= 2 && abs(counts[1] - 2000) <= 2 && abs(counts[2] - 5000) <= 2)
    }
}
