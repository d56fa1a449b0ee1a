internal import MPI
internal import Schedules

extension TimelineRecorder {
    /// The measured timeline of some ranks of `world`, times from the earliest span on. Every rank calls it; only rank 0
    /// gets the timeline.
    func gather(name: String, of members: [Int], over world: Communicator) throws(MPIError) -> Timeline? {
        let packed = spans.flatMap(Self.pack)
        let bytes = packed.withUnsafeBytes { Array($0) }
        guard let all = try world.gather(bytes, to: 0) else { return nil }
        // What holds up a pass was noted before the pass.
        var ranks = members.map { Self.unpack(all[$0]).sorted { ($0.start, -$0.end) < ($1.start, -$1.end) } }
        let origin = ranks.compactMap { $0.first?.start }.min() ?? 0
        for rank in ranks.indices {
            for index in ranks[rank].indices {
                ranks[rank][index].start -= origin
                ranks[rank][index].end -= origin
            }
        }
        return Timeline(name: name, ranks: ranks)
    }

    private static let fields = 10

    private static func pack(_ span: Timeline.Span) -> [Double] {
        let activity = Timeline.Activity.allCases.firstIndex(of: span.activity) ?? 0
        let action = span.action
        return [
            Double(activity), span.start, span.end, span.bytes, Double(span.peer),
            Double(action.map { Int($0.kind.rawValue) } ?? -1), Double(action?.stage ?? -1),
            Double(action?.microbatch ?? -1), Double(action?.partnerStage ?? -1),
            Double(action?.partnerMicrobatch ?? -1),
        ]
    }

    private static func unpack(_ bytes: [UInt8]) -> [Timeline.Span] {
        let numbers = bytes.withUnsafeBytes { raw in
            (0..<raw.count / 8).map { raw.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self) }
        }
        return stride(from: 0, to: numbers.count - fields + 1, by: fields).map { base in
            var action: Action?
            if let kind = numbers[base + 5] < 0 ? nil : Action.Kind(rawValue: UInt8(numbers[base + 5])) {
                let (stage, microbatch) = (Int(numbers[base + 6]), Int(numbers[base + 7]))
                action =
                    kind == .fused
                    ? Action(
                        forwardStage: stage, forwardMicrobatch: microbatch, backwardStage: Int(numbers[base + 8]),
                        backwardMicrobatch: Int(numbers[base + 9]))
                    : Action(kind, stage: stage, microbatch: microbatch)
            }
            return Timeline.Span(
                Timeline.Activity.allCases[Int(numbers[base])], action: action, start: numbers[base + 1],
                end: numbers[base + 2], bytes: numbers[base + 3], peer: Int(numbers[base + 4]))
        }
    }
}
