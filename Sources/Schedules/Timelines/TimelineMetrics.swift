extension Timeline {
    /// Figures of one rank, in the timeline's unit of time.
    package struct RankFigures: Hashable, Codable, Sendable {
        /// Start of the first computed action; 0 if the rank computed nothing.
        package var start: Double
        /// End of the last computed action.
        package var end: Double
        /// Time spent computing actions.
        package var busy: Double
        /// Time the rank waits between its first and last action.
        package var bubbleSpan: Double { end - start - busy }
    }

    /// The figures of every rank.
    package var figures: [RankFigures] {
        ranks.map { spans in
            var figures = RankFigures(start: .infinity, end: 0, busy: 0)
            for span in spans where span.activity == .compute {
                figures.start = min(figures.start, span.start)
                figures.end = max(figures.end, span.end)
                figures.busy += span.duration
            }
            if figures.start == .infinity { figures.start = 0 }
            return figures
        }
    }

    /// Time from the first action's start to the last action's end: the pipeline without the optimizer after it.
    package var makespan: Double {
        let compute = ranks.joined().lazy.filter { $0.activity == .compute }
        guard let first = compute.map(\.start).min(), let last = compute.map(\.end).max() else { return 0 }
        return last - first
    }

    /// Time from the first span's start to the last span's end, everything included.
    package var duration: Double {
        guard let first = ranks.joined().lazy.map(\.start).min(), let last = ranks.joined().lazy.map(\.end).max() else {
            return 0
        }
        return last - first
    }

    /// Fraction of the ranks' time in the pipeline that is not compute: 1 − Σ busy / (p · makespan).
    package var bubbleFraction: Double {
        let all = Double(ranks.count) * makespan
        return all > 0 ? 1 - figures.lazy.map(\.busy).reduce(0, +) / all : 0
    }

    /// The longest wait of any rank between its first and last action, which is the bubble of the zero-bubble papers: each of
    /// many iterations without a barrier loses that much.
    package var bubbleSpan: Double { figures.map(\.bubbleSpan).max() ?? 0 }

    /// Fraction of all ranks' time, over the whole duration, that spans of one activity take. Transfers that run at once
    /// count once each, so the fraction may pass 1.
    package func share(of activity: Activity) -> Double {
        let all = Double(ranks.count) * duration
        let time = ranks.joined().lazy.filter { $0.activity == activity }.map(\.duration).reduce(0, +)
        return all > 0 ? time / all : 0
    }

    /// Fraction of all ranks' time, over the whole duration, in which communication is not hidden by compute or optimizer. A
    /// collective of an action (a sum over tensor ranks) counts whole: the action waits for it.
    package var exposedCommunicationShare: Double {
        let all = Double(ranks.count) * duration
        return all > 0 ? ranks.lazy.map(Self.exposedCommunication).reduce(0, +) / all : 0
    }

    /// Time of one rank covered by communication and by neither compute nor optimizer, and by collectives of actions.
    private static func exposedCommunication(_ spans: [Span]) -> Double {
        let communication: Set<Activity> = [.send, .receive, .collective]
        let work: Set<Activity> = [.compute, .optimizer]
        let busy = union(spans.lazy.filter { work.contains($0.activity) })
        let either = union(spans.lazy.filter { work.contains($0.activity) || communication.contains($0.activity) })
        return either - busy + union(spans.lazy.filter { $0.activity == .collective && $0.action != nil })
    }

    /// Total time covered by spans, which are ordered by start.
    private static func union(_ spans: some Sequence<Span>) -> Double {
        var length = 0.0
        var covered = -Double.infinity
        for span in spans where span.end > covered {
            length += span.end - max(span.start, covered)
            covered = span.end
        }
        return length
    }

    /// Most activations, counted in stages, that each rank holds at once.
    package func peakActivations(release: ActivationRelease) -> [Int] {
        ranks.map { spans in
            release.peak(of: spans.lazy.filter { $0.activity == .compute }.compactMap(\.action))
        }
    }
}
