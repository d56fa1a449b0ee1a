extension BlockShape.OutputGate {
    /// Numbers in a row of the gate.
    /// - Parameter attended: numbers in a row of the attention's result.
    func width(heads: Int, attended: Int) -> Int {
        switch self {
        case .none: 0
        case .elementwise: attended
        case .head: heads
        }
    }

    /// Formula of `width`; nil without a gate.
    /// - Parameter attended: formula of the numbers in a row of the attention's result.
    func words(attended: String) -> String? {
        switch self {
        case .none: nil
        case .elementwise: attended
        case .head: "a"
        }
    }
}

extension Part {
    /// Adds the product of the attention's result with a gate of `width` numbers in a row. The core's result is kept
    /// beside the gated one.
    mutating func addGate(_ width: Int, attended: Extent) {
        guard width > 0 else { return }
        let gate = Extent(.all, cut: width)
        kept.append(Kept(attended, role: .productInput))
        forward.kernels.append([Stored(attended, times: 2), Stored(gate)])
        backward.kernels.append([Stored(attended, times: 3), Stored(gate, times: 2)])
        otherKernels += 1
    }
}
