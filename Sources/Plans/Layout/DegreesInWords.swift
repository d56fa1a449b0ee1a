extension Layout {
    /// The degrees of the layout in one line, alike for equal ones: a trace carries them, so that it is laid over no other layout.
    package var degreesInWords: String {
        let degrees = [
            ("tensor", tensor), ("context", context), ("pipeline", pipeline), ("data", data), ("expert", expert),
            ("expertTensor", expertTensor), ("micro-batch", microbatch),
        ]
        let always: Set = ["tensor", "pipeline", "data", "micro-batch"]
        return degrees.filter { $0.1 > 1 || always.contains($0.0) }.map { "\($0.0) \($0.1)" }.joined(separator: " · ")
    }
}
