extension Action {
    /// The action itself, or the forward and the backward of a fused action.
    package var parts: CollectionOfTwo {
        guard kind == .fused else { return CollectionOfTwo(self, nil) }
        return CollectionOfTwo(
            Action(.forward, stage: Int(stage), microbatch: Int(microbatch)),
            Action(.backward, stage: Int(partnerStage), microbatch: Int(partnerMicrobatch)))
    }

    /// One or two actions, stored without an array.
    package struct CollectionOfTwo: Sequence, IteratorProtocol, Sendable {
        private var first: Action?
        private var second: Action?

        init(_ first: Action, _ second: Action?) {
            self.first = first
            self.second = second
        }

        package mutating func next() -> Action? {
            defer {
                first = second
                second = nil
            }
            return first
        }
    }
}
