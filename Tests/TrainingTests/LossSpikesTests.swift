import Testing
import Training

struct LossSpikesTests {
    /// Losses around 3 that go up and down by a tenth.
    private let usual: [Double] = (0..<40).map { (step: Int) -> Double in 3 + 0.05 * Double((step * 7) % 5 - 2) }

    @Test func aJumpIsASpikeAndTheUsualIsNot() {
        var spikes = LossSpikes()
        for loss in usual { #expect(spikes.next(loss) == nil) }
        let mean = spikes.next(4)
        #expect(mean.map { abs($0 - 3) < 0.05 } == true)
        #expect(spikes.next(3.1) == nil && spikes.next(2) == nil)
    }

    @Test func aRunThatGoesOnTellsTheSame() {
        var (whole, marks) = (LossSpikes(), [Bool]())
        let losses = usual + [4, 3.1, 3] + usual
        for loss in losses { marks.append(whole.next(loss) != nil) }
        #expect(marks.contains(true))
        for start in losses.indices {
            var resumed = LossSpikes(after: Array(losses[..<start]))
            for step in start..<losses.count { #expect((resumed.next(losses[step]) != nil) == marks[step]) }
        }
    }

    @Test func fewStepsAndNumbersThatAreNoneSayNothing() {
        var spikes = LossSpikes()
        for loss in [3.0, 9, 3, 9, 100] { #expect(spikes.next(loss) == nil) }
        var flat = LossSpikes()
        for _ in 0..<20 { #expect(flat.next(2) == nil) }
        // A hair's breadth above losses that do not move.
        #expect(flat.next(2.01) == nil && flat.next(.nan) == nil && flat.next(.infinity) == nil)
        #expect(flat.next(2.1) != nil)
    }
}
