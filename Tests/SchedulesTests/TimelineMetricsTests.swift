import Schedules
import Testing

@Suite struct TimelineMetricsTests {
    /// One rank: forward 1–3, a send 2–5 half behind it, a collective 4–6, backward 6–8, optimizer 8–9.
    private let timeline = Timeline(
        name: "test",
        ranks: [
            [
                Timeline.Span(.compute, action: Action(.forward, stage: 0, microbatch: 0), start: 1, end: 3),
                Timeline.Span(.send, start: 2, end: 5, peer: 1),
                Timeline.Span(.collective, start: 4, end: 6),
                Timeline.Span(.compute, action: Action(.backward, stage: 0, microbatch: 0), start: 6, end: 8),
                Timeline.Span(.optimizer, start: 8, end: 9),
            ]
        ])

    @Test func thePipelineAndTheWhole() {
        #expect(timeline.makespan == 7)
        #expect(timeline.duration == 8)
        #expect(timeline.figures.map(\.busy) == [4])
        #expect(timeline.bubbleSpan == 3)
        #expect(timeline.bubbleFraction == 1 - 4.0 / 7)
    }

    @Test func sharesAreOfTheWholeDuration() {
        #expect(timeline.share(of: .compute) == 0.5)
        #expect(timeline.share(of: .optimizer) == 0.125)
        #expect(timeline.share(of: .send) == 0.375)
        // Of the transfers, 3 to 6 is in the open: the union, once.
        #expect(timeline.exposedCommunicationShare == 3.0 / 8)
    }

    /// A sum over tensor ranks lies inside its pass and holds it up; a message beside a pass does not.
    @Test func collectivesOfAPassAreInTheOpen() {
        let action = Action(.forward, stage: 0, microbatch: 0)
        let timeline = Timeline(
            name: "",
            ranks: [
                [
                    Timeline.Span(.compute, action: action, start: 0, end: 8),
                    Timeline.Span(.collective, action: action, start: 2, end: 3),
                    Timeline.Span(.send, action: action, start: 4, end: 5),
                ]
            ])
        #expect(timeline.exposedCommunicationShare == 1.0 / 8)
    }

    @Test func anEmptyTimelineHasNoTime() {
        for empty in [Timeline(name: "", ranks: []), Timeline(name: "", ranks: [[], []])] {
            #expect(empty.makespan == 0)
            #expect(empty.duration == 0)
            #expect(empty.bubbleFraction == 0)
            #expect(empty.bubbleSpan == 0)
            #expect(empty.share(of: .compute) == 0)
            #expect(empty.exposedCommunicationShare == 0)
        }
    }
}
