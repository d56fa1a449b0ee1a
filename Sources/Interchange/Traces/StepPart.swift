/// A part of a step's time that a plan prices: those of the breakdown, with the halves of it that a trace tells apart.
package enum StepPart: Int, CaseIterable, Hashable, Sendable {
    case compute, recompute, tensor, context, expert
    /// Gathering and reduction of shards inside passes.
    case shardedData
    /// Reduction and gathering outside of passes.
    case reduction
    /// Compute lost to messages beside it.
    case contention
    case bubble, messages
    /// Host time that passes wait for.
    case host
    /// Norm of the gradients, waiting for the slowest node, host work around the step.
    case outside
    case optimizer
    /// Copies to the host and back.
    case offload

    /// The part's name in the breakdown of an estimate.
    package var breakdownName: String {
        switch self {
        case .compute: "compute"
        case .recompute: "recompute"
        case .tensor: "tensorComm"
        case .context: "contextComm"
        case .expert: "expertComm"
        case .shardedData, .reduction: "dataComm"
        case .contention, .messages: "pipelineComm"
        case .bubble: "pipelineBubble"
        case .host, .outside: "other"
        case .optimizer: "optimizer"
        case .offload: "hostComm"
        }
    }
}

/// Parts whose times a trace cannot tell apart.
package struct StepParts: OptionSet, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package init(_ part: StepPart) { rawValue = 1 << UInt16(part.rawValue) }

    package static let computing: StepParts = [StepParts(.compute), StepParts(.recompute)]
    package static let tensor = StepParts(.tensor)
    package static let context = StepParts(.context)
    package static let expert = StepParts(.expert)
    package static let data: StepParts = [StepParts(.shardedData), StepParts(.reduction)]
    package static let pipeline: StepParts = [StepParts(.bubble), StepParts(.messages), StepParts(.contention)]
    package static let other: StepParts = [StepParts(.host), StepParts(.outside)]
    package static let outside = StepParts(.outside)
    package static let optimizer = StepParts(.optimizer)
    package static let offload = StepParts(.offload)

    package var list: [StepPart] { StepPart.allCases.filter { contains(StepParts($0)) } }

    /// Names in the breakdown of an estimate, each once.
    package var breakdownNames: [String] {
        list.map(\.breakdownName).reduce(into: []) { names, name in if !names.contains(name) { names.append(name) } }
    }

    /// The parts in words.
    package var words: String {
        let all: [(StepParts, String)] = [
            (StepParts(.compute), "compute"), (StepParts(.recompute), "recompute"),
            (.tensor, "tensor-parallel communication"), (.context, "context-parallel exchange"),
            (.expert, "expert-parallel exchange"), (.data, "data-parallel reduction"),
            (StepParts(.shardedData), "gathering of shards in passes"),
            (StepParts(.reduction), "data-parallel reduction after the passes"),
            ([StepParts(.bubble), StepParts(.messages)], "pipeline waiting and messages"),
            (StepParts(.bubble), "pipeline bubble"), (StepParts(.messages), "pipeline messages"),
            (.optimizer, "optimizer"),
            (.offload, "copies to the host"), (.other, "idle, host and rest"),
            (StepParts(.host), "host work in passes"),
            (.outside, "rest of the step"),
        ]
        var (rest, found) = (self, [String]())
        for (parts, name) in all where !parts.isDisjoint(with: rest) && rest.isSuperset(of: parts) {
            found.append(name)
            rest.subtract(parts)
        }
        if found.isEmpty { return "compute lost to messages" }
        return found.count < 2
            ? found.joined() : found.dropLast().joined(separator: ", ") + " and " + (found.last ?? "")
    }
}
