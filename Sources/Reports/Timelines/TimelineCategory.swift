internal import Schedules

/// The kind of activity that a piece of a drawn timeline shows.
enum TimelineCategory: Int, CaseIterable {
    case forward, backward, backwardInput, backwardWeight, fused
    /// S and T of a divided output layer.
    case softmax, outputGradient
    /// Forwards and backwards together, too short to be drawn one by one.
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
            case .softmax: self = .softmax
            case .outputGradient: self = .outputGradient
            }
        case .send, .receive, .collective: self = .communication
        case .optimizer: self = .optimizer
        case .idle: self = .idle
        }
    }

    /// The category's name in legends.
    var name: String {
        switch self {
        case .forward: "forward"
        case .backward: "backward"
        case .backwardInput: "input gradient"
        case .backwardWeight: "weight gradient"
        case .fused: "forward and backward fused"
        case .softmax: "output layer: softmax"
        case .outputGradient: "output layer: gradients"
        case .mixed: "forwards and backwards"
        case .optimizer: "optimizer"
        case .communication: "communication"
        case .idle: "idle"
        }
    }

    /// Whether the category occupies the rank's compute: no two spans of work overlap.
    var isWork: Bool { self != .communication && self != .idle }
}
