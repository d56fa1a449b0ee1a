/// Actions as text: `"0F3"`, `"1I2"`, `"(0F4;1B2)OVERLAP_F_B"`.
extension Action: LosslessStringConvertible {
    /// The action's name: stage, letter, micro-batch.
    package var description: String {
        if kind == .fused { return "(\(stage)F\(microbatch);\(partnerStage)B\(partnerMicrobatch))OVERLAP_F_B" }
        return "\(stage)\(kind.letter)\(microbatch)"
    }

    /// The action of a name; nil for anything that is not exactly one action's name.
    package init?(_ description: String) {
        var reader = ActionReader(bytes: Array(description.utf8))
        guard let action = reader.action(), reader.isAtEnd else { return nil }
        self = action
    }
}

extension Action.Kind {
    /// F, B, I, W, S or T; F for a fused action, whose name has two letters.
    package var letter: Character {
        switch self {
        case .forward, .fused: "F"
        case .backward: "B"
        case .backwardInput: "I"
        case .backwardWeight: "W"
        case .softmax: "S"
        case .outputGradient: "T"
        }
    }
}

/// A cursor over the bytes of one action's name.
private struct ActionReader {
    var bytes: [UInt8]
    var position = 0

    var isAtEnd: Bool { position == bytes.count }

    /// Steps over `literal` if it comes next.
    mutating func take(_ literal: StaticString) -> Bool {
        let end = position + literal.utf8CodeUnitCount
        guard end <= bytes.count else { return false }
        for offset in 0..<literal.utf8CodeUnitCount where bytes[position + offset] != literal.utf8Start[offset] {
            return false
        }
        position = end
        return true
    }

    /// A number of at most nine digits, so that it fits `Int32`.
    mutating func number() -> Int? {
        let start = position
        var value = 0
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
            value = value * 10 + Int(bytes[position] - UInt8(ascii: "0"))
            position += 1
            if position - start > 9 { return nil }
        }
        return position > start ? value : nil
    }

    /// An action that is not fused.
    mutating func single() -> Action? {
        guard let stage = number() else { return nil }
        let kind: Action.Kind
        if take("F") {
            kind = .forward
        } else if take("B") {
            kind = .backward
        } else if take("I") {
            kind = .backwardInput
        } else if take("W") {
            kind = .backwardWeight
        } else if take("S") {
            kind = .softmax
        } else if take("T") {
            kind = .outputGradient
        } else {
            return nil
        }
        guard let microbatch = number() else { return nil }
        return Action(kind, stage: stage, microbatch: microbatch)
    }

    mutating func action() -> Action? {
        guard take("(") else { return single() }
        guard let forward = single(), forward.kind == .forward, take(";"), let backward = single(),
            backward.kind == .backward, take(")OVERLAP_F_B")
        else { return nil }
        return Action(
            forwardStage: Int(forward.stage), forwardMicrobatch: Int(forward.microbatch),
            backwardStage: Int(backward.stage), backwardMicrobatch: Int(backward.microbatch))
    }
}
