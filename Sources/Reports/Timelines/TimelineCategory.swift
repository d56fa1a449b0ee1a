internal import Schedules

/// What a piece of a drawn timeline shows.
enum TimelineCategory: Int, CaseIterable {
    case forward, backward, backwardInput, backwardWeight, fused
    /// Both forwards and backwards, too short to draw one by one.
    case mixed
    case optimizer, communication, idle

    init(_ span: Timeline.Span) {
        switch span.activity {
        case .compute:
            switch span.action?.kind {
            case .forward, nil: self = .forward
            case .backward: self = .backward
            case .backwardInput: self = .backwardInput
            case .backwardWeight: self = .backwardWeight
            case .fused: self = .fused
            }
        case .send, .receive, .collective: self = .communication
        case .optimizer: self = .optimizer
        case .idle: self = .idle
        }
    }

    /// As the legends name it.
    var name: String {
        switch self {
        case .forward: "forward"
        case .backward: "backward"
        case .backwardInput: "input gradient"
        case .backwardWeight: "weight gradient"
        case .fused: "forward and backward fused"
        case .mixed: "forwards and backwards"
        case .optimizer: "optimizer"
        case .communication: "communication"
        case .idle: "idle"
        }
    }

    /// Whether it occupies the rank, so that nothing else of the kind runs at the same time.
    var isWork: Bool { self != .communication && self != .idle }
}
