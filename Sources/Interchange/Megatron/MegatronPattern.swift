/// Which blocks have experts.
enum MegatronPattern {
    /// - Parameters:
    ///   - text: a number n (the first of every n blocks), or a sum of lists such as `[0]*3+[1]*58`.
    ///   - isList: whether the text is a list without brackets.
    /// - Returns: nil: it is neither, or another number of blocks.
    static func blocks(_ text: String, isList: Bool, layers: Int) -> [Bool]? {
        if !isList, let step = Int(text) {
            return step > 0 ? (0..<layers).map { $0 % step == 0 } : nil
        }
        let plain = text.filter { !$0.isWhitespace && !"()'\"".contains($0) }
        var pattern: [Bool] = []
        for term in (isList && !plain.contains("[") ? "[\(plain)]" : plain).split(separator: "+") {
            let parts = term.split(separator: "*")
            guard let list = parts.first, list.hasPrefix("["), list.hasSuffix("]"), parts.count <= 2 else { return nil }
            let ones = list.dropFirst().dropLast().split(separator: ",").map {
                $0 == "1" ? true : $0 == "0" ? false : nil
            }
            let times = parts.count == 2 ? Int(parts[1]) : 1
            guard let times, times >= 0, times <= layers, !ones.contains(nil),
                pattern.count + ones.count * times <= layers
            else { return nil }
            for _ in 0..<times { pattern += ones.compactMap { $0 } }
        }
        return pattern.count == layers ? pattern : nil
    }
}
