internal import Numbers
internal import Reading

/// Something that is done to a run on purpose, to try what becomes of it: `flip,step=7,rank=1`.
package struct Injection: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// One bit of the rank's weights or moments is turned.
        case flip
        /// The rank is killed by SIGKILL.
        case kill
        /// The rank is stopped by SIGSTOP and answers no more.
        case stop
        /// The rank fails with an error.
        case fail
        /// The rank sleeps for a while.
        case slow
        /// The rank's gradients become no numbers.
        case nan
    }

    package var kind: Kind
    /// The step in which it happens, counted from 0 as the log does.
    package var step: Int
    package var rank: Int
    /// `flip`: the tensor's name in a checkpoint; nil: drawn from what the rank holds.
    package var tensor: String?
    /// `flip`: an element of what the rank holds of the tensor; nil: drawn.
    package var element: Int?
    /// `flip`: the bit, 0 the lowest of the fraction; nil: drawn.
    package var bit: Int?
    /// What is drawn follows from this number, step and rank.
    package var seed: UInt64
    /// `slow`: seconds of sleep.
    package var seconds: Double

    /// How the line begins by which a rank says that it does what was asked: the launcher does not ask for it again.
    package static let mark = "injected: "

    /// The text of an option.
    package let text: String

    /// - Throws: one line that says what the text should be.
    package init(_ text: String) throws(Refusal) {
        let words = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard let kind = words.first.flatMap(Kind.init) else {
            let kinds = Kind.allCases.map(\.rawValue)
            throw Refusal("'\(words.first ?? "")' is none of \(kinds.joined(separator: ", ")); e.g. flip,step=7,rank=1")
        }
        var values: [String: String] = [:]
        for word in words.dropFirst() {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, Self.keys(of: kind).contains(parts[0]) else {
                throw Refusal(
                    "'\(word)' is none of the keys of \(kind.rawValue): "
                        + Self.keys(of: kind).map { $0 + "=" }.joined(separator: ", "))
            }
            guard values.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw Refusal("'\(parts[0])' is given twice")
            }
        }
        func count(_ key: String, to most: Int) throws(Refusal) -> Int? {
            guard let value = values[key] else { return nil }
            guard let number = Int(value), (0...most).contains(number) else {
                throw Refusal("\(key) takes 0 to \(Figures.grouped(most)), not '\(value)'")
            }
            return number
        }
        guard let step = try count("step", to: Bounds.steps.upperBound) else {
            throw Refusal("step= is missing, the step in which it happens, counted from 0")
        }
        let seconds = values["seconds"].map(Double.init) ?? 1
        guard let seconds, (0...86_400).contains(seconds) else {
            throw Refusal("seconds takes 0 to 86,400, not '\(values["seconds"] ?? "")'")
        }
        self.kind = kind
        self.step = step
        self.seconds = seconds
        self.text = text
        rank = try count("rank", to: Bounds.degree.upperBound) ?? 0
        tensor = values["tensor"]
        element = try count("element", to: 1 << 53)
        bit = try count("bit", to: 31)
        seed = UInt64(try count("seed", to: 1 << 53) ?? 1)
    }

    private static func keys(of kind: Kind) -> [String] {
        let further: [String] =
            switch kind {
            case .flip: ["tensor", "element", "bit", "seed"]
            case .slow: ["seconds"]
            case .kill, .stop, .fail, .nan: []
            }
        return ["step", "rank"] + further
    }

    /// Why a text names nothing that can be done.
    package struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        package let description: String

        init(_ description: String) { self.description = description }
    }
}
