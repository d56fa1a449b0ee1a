/// Patterns of a shell: `*`, `?` and `[…]`.
enum ShellPattern {
    static func matches(_ text: String, _ pattern: String) -> Bool {
        let (letters, signs) = (Array(text), Array(pattern))
        var (at, sign) = (0, 0)
        // Where the last star stands, and how far its text goes.
        var star: (sign: Int, at: Int)?
        while at < letters.count {
            if sign < signs.count, signs[sign] == "*" {
                star = (sign, at)
                sign += 1
            } else if sign < signs.count, let end = one(letters[at], signs, sign) {
                (at, sign) = (at + 1, end)
            } else if let last = star {
                star = (last.sign, last.at + 1)
                (at, sign) = (last.at + 1, last.sign + 1)
            } else {
                return false
            }
        }
        return signs[sign...].allSatisfy { $0 == "*" }
    }

    /// Where the pattern goes on behind the part that stands for one letter; nil: it is another letter.
    private static func one(_ letter: Character, _ signs: [Character], _ start: Int) -> Int? {
        switch signs[start] {
        case "?": return start + 1
        case "\\" where start + 1 < signs.count: return signs[start + 1] == letter ? start + 2 : nil
        case "[":
            guard let end = signs[(start + 1)...].firstIndex(of: "]"), end > start + 1 else { fallthrough }
            var set = Array(signs[(start + 1)..<end])
            let isOther = set[0] == "!" || set[0] == "^"
            if isOther { set.removeFirst() }
            var (index, isIn) = (0, false)
            while index < set.count {
                if index + 2 < set.count, set[index + 1] == "-" {
                    isIn = isIn || set[index] <= letter && letter <= set[index + 2]
                    index += 3
                } else {
                    isIn = isIn || set[index] == letter
                    index += 1
                }
            }
            return isIn != isOther ? end + 1 : nil
        default: return signs[start] == letter ? start + 1 : nil
        }
    }
}
