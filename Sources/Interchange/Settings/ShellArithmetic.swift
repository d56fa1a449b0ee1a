/// Whole numbers that a script computes between `$((` and `))`.
struct ShellArithmetic {
    private var letters: [Character]
    private var next = 0
    private var depth = 0
    private let value: (String) -> Int?

    /// The value of an expression; nil: it is none, or passes 64 bits.
    /// - Parameter value: the value of a variable.
    static func value(of text: String, value: @escaping (String) -> Int?) -> Int? {
        var parser = ShellArithmetic(letters: text.filter { !$0.isWhitespace && $0 != "$" }, value: value)
        guard let result = parser.sum(), parser.next == parser.letters.count else { return nil }
        return result
    }

    private init(letters: String, value: @escaping (String) -> Int?) {
        self.letters = Array(letters)
        self.value = value
    }

    private var current: Character? { next < letters.count ? letters[next] : nil }

    private mutating func sum() -> Int? {
        guard var total = product() else { return nil }
        while let sign = current, sign == "+" || sign == "-" {
            next += 1
            guard let term = product() else { return nil }
            let (result, overflow) =
                sign == "+" ? total.addingReportingOverflow(term) : total.subtractingReportingOverflow(term)
            guard !overflow else { return nil }
            total = result
        }
        return total
    }

    private mutating func product() -> Int? {
        guard var total = factor() else { return nil }
        while let sign = current, "*/%".contains(sign) {
            next += 1
            guard let term = factor() else { return nil }
            if sign == "*" {
                let (result, overflow) = total.multipliedReportingOverflow(by: term)
                guard !overflow else { return nil }
                total = result
            } else {
                guard term != 0, term != -1 else { return nil }
                total = sign == "/" ? total / term : total % term
            }
        }
        return total
    }

    private mutating func factor() -> Int? {
        if current == "(" {
            depth += 1
            defer { depth -= 1 }
            guard depth < 64 else { return nil }
            next += 1
            guard let inner = sum(), current == ")" else { return nil }
            next += 1
            return inner
        }
        if current == "{" { next += 1 }
        var name = ""
        while let character = current, character.isLetter || character.isNumber || character == "_" {
            name.append(character)
            next += 1
        }
        if current == "}" { next += 1 }
        guard !name.isEmpty else { return nil }
        return Int(name) ?? value(name)
    }
}
