import Schedules

/// Timelines written out by hand: the drawings' input needs no simulator.
enum TimelineSamples {
    /// 1F1B of two ranks and two micro-batches, forward 1, backward 2.
    static let small = Timeline(
        name: "1f1b",
        ranks: [
            [compute("0F0", 0, 1), compute("0F1", 1, 2), compute("0B0", 4, 6), compute("0B1", 7, 9)],
            [compute("1F0", 1, 2), compute("1B0", 2, 4), compute("1F1", 4, 5), compute("1B1", 5, 7)],
        ])

    /// 1F1B of two ranks and two micro-batches as if measured: transfers of half a unit, a gradient reduction and an
    /// optimizer step, beginning at 100.
    static let measured: Timeline = {
        var timeline = Timeline(
            name: "1f1b <measured> & \"aligned\"",
            ranks: [
                [
                    compute("0F0", 0, 1), send("0F0", 1, 1.5, to: 1), compute("0F1", 1, 2),
                    send("0F1", 2, 2.5, to: 1), compute("0B0", 5, 7), compute("0B1", 8, 10),
                    Timeline.Span(.collective, start: 10, end: 11), Timeline.Span(.optimizer, start: 11, end: 12),
                ],
                [
                    compute("1F0", 1.5, 2.5), compute("1B0", 2.5, 4.5), send("1B0", 4.5, 5, to: 0),
                    compute("1F1", 4.5, 5.5), compute("1B1", 5.5, 7.5), send("1B1", 7.5, 8, to: 0),
                    Timeline.Span(.optimizer, start: 11, end: 12),
                ],
            ])
        for rank in timeline.ranks.indices {
            for index in timeline.ranks[rank].indices {
                timeline.ranks[rank][index].start += 100
                timeline.ranks[rank][index].end += 100
            }
        }
        return timeline
    }()

    /// One rank with so many micro-batches that no drawing has room for them one by one.
    static let dense = Timeline(name: "dense", ranks: [alternating(5000)])

    /// So many forwards of 1, each followed by its backward of 2.
    static func alternating(_ microbatches: Int) -> [Timeline.Span] {
        var spans: [Timeline.Span] = []
        for i in 0..<microbatches {
            let start = 3 * Double(i)
            spans.append(compute("0F\(i)", start, start + 1))
            spans.append(compute("0B\(i)", start + 1, start + 3))
        }
        return spans
    }

    static func compute(_ action: String, _ start: Double, _ end: Double) -> Timeline.Span {
        Timeline.Span(.compute, action: Action(action), start: start, end: end)
    }

    static func send(_ action: String, _ start: Double, _ end: Double, to peer: Int) -> Timeline.Span {
        Timeline.Span(.send, action: Action(action), start: start, end: end, peer: peer)
    }
}
