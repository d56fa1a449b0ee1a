import Foundation

/// The number that somebody gets who works a printed formula out, with nothing of the program's own: names and numbers are put in
/// a list, brackets are answered from the inside out.
enum FormulaByHand {
    struct Problem: Error, CustomStringConvertible {
        var description: String
    }

    private enum Token: Equatable {
        case number(Double)
        case word(String)
        case sign(Character)
    }

    static func value(_ text: String, _ values: [String: Double]) throws -> Double {
        var stack: [(operators: [Token], numbers: [Double], function: String?, arguments: [Double])] = []
        var (operators, numbers): ([Token], [Double]) = ([], [])
        var (function, arguments): (String?, [Double]) = (nil, [])
        var before: Token?

        func finish() throws -> Double {
            while let last = operators.popLast() { try apply(last) }
            guard numbers.count == 1, let value = numbers.popLast() else {
                throw Problem(description: "'\(text)' is no formula")
            }
            return value
        }
        func apply(_ sign: Token) throws {
            guard case .sign(let sign) = sign, let right = numbers.popLast() else {
                throw Problem(description: "a number is missing in '\(text)'")
            }
            if sign == "~" { return numbers.append(-right) }
            guard let left = numbers.popLast() else { throw Problem(description: "a number is missing in '\(text)'") }
            switch sign {
            case "+": numbers.append(left + right)
            case "−": numbers.append(left - right)
            case "·": numbers.append(left * right)
            case "/": numbers.append(left / right)
            case "^": numbers.append(pow(left, right))
            default: throw Problem(description: "'\(sign)' in '\(text)'")
            }
        }
        func strength(_ sign: Token) -> Int {
            switch sign {
            case .sign("+"), .sign("−"): 1
            case .sign("·"), .sign("/"): 2
            case .sign("~"): 3
            default: 4
            }
        }

        let tokens = try tokens(text)
        for (index, token) in tokens.enumerated() {
            defer { before = token }
            switch token {
            case .number(let number): numbers.append(number)
            case .word(let name):
                if index + 1 < tokens.count, tokens[index + 1] == .sign("(") { continue }
                guard let value = values[name] else { throw Problem(description: "no value for \(name) in '\(text)'") }
                numbers.append(value)
            case .sign("("):
                stack.append((operators, numbers, function, arguments))
                (operators, numbers, arguments, function) = ([], [], [], nil)
                if case .word(let name)? = before { function = name }
            case .sign(","): arguments.append(try finish())
            case .sign(")"):
                arguments.append(try finish())
                let value = try call(function, arguments)
                guard let outer = stack.popLast() else { throw Problem(description: "a bracket too many in '\(text)'") }
                (operators, numbers, function, arguments) = outer
                numbers.append(value)
            case .sign(let sign):
                var sign = sign
                let isFirst: Bool =
                    switch before {
                    case nil: true
                    case .sign(let last)?: last != ")"
                    default: false
                    }
                if sign == "−", isFirst { sign = "~" }
                while let last = operators.last, sign != "~", sign != "^", strength(last) >= strength(.sign(sign)) {
                    operators.removeLast()
                    try apply(last)
                }
                operators.append(.sign(sign))
            }
        }
        guard stack.isEmpty else { throw Problem(description: "a bracket is missing in '\(text)'") }
        return try finish()
    }

    private static func call(_ function: String?, _ arguments: [Double]) throws -> Double {
        switch (function, arguments.count) {
        case (nil, 1): return arguments[0]
        case ("max"?, 1...): return arguments.max() ?? .nan
        case ("min"?, 1...): return arguments.min() ?? .nan
        case ("ceil"?, 1): return ceil(arguments[0])
        case ("floor"?, 1): return floor(arguments[0])
        case ("sqrt"?, 1): return sqrt(arguments[0])
        case ("exp"?, 1): return exp(arguments[0])
        case ("ln"?, 1): return log(arguments[0])
        default: throw Problem(description: "\(function ?? "brackets") of \(arguments.count) numbers")
        }
    }

    private static func tokens(_ text: String) throws -> [Token] {
        var tokens: [Token] = []
        var rest = Substring(text)
        while let first = rest.first {
            if first == " " {
                rest.removeFirst()
            } else if first.isNumber {
                let number = rest.prefix { $0.isNumber || $0 == "." }
                guard let value = Double(number) else { throw Problem(description: "'\(number)' is no number") }
                tokens.append(.number(value))
                rest = rest.dropFirst(number.count)
            } else if first.isLetter {
                let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
                tokens.append(.word(String(word)))
                rest = rest.dropFirst(word.count)
            } else {
                tokens.append(.sign(first))
                rest.removeFirst()
            }
        }
        return tokens
    }
}

/// One printed explanation, read back from the text or from the document.
struct PrintedLine {
    var figure: String
    var formula = ""
    var inputs: [String: Double] = [:]
    var value = 0.0
    /// How much of the value the last digit is.
    var digit = 0.0

    /// From the text of `--explain`.
    static func lines(text: String) throws -> [PrintedLine] {
        var lines: [PrintedLine] = []
        var part = ""
        var inputs = ""
        func close() throws {
            guard !lines.isEmpty else { return }
            for input in inputs.components(separatedBy: ", ") where !input.isEmpty {
                let sides = input.components(separatedBy: " = ")
                guard sides.count == 2 else { throw FormulaByHand.Problem(description: "input '\(input)'") }
                lines[lines.count - 1].inputs[sides[0].trimmingCharacters(in: .whitespaces)] = try number(sides[1])
                    .value
            }
            inputs = ""
        }
        for row in text.components(separatedBy: "\n").dropFirst() {
            let words = row.trimmingCharacters(in: .whitespaces)
            if row.hasPrefix("What the symbols stand for") { break }
            if row.hasPrefix("      ") {
                if part == "=" { lines[lines.count - 1].formula += " " + words }
                if part == "with" { inputs += (inputs.hasSuffix(",") ? " " : "") + words }
            } else if row.hasPrefix("    ") {
                part = String(words.prefix { $0 != " " })
                let rest = String(words.dropFirst(part.count + 1))
                if part == "=" { lines[lines.count - 1].formula = rest }
                if part == "with" { inputs = rest }
            } else if row.hasPrefix("  ") {
                try close()
                guard let colon = words.range(of: ": ", options: .backwards) else {
                    throw FormulaByHand.Problem(description: "no value in '\(row)'")
                }
                let value = try number(String(words[colon.upperBound...]))
                lines.append(
                    PrintedLine(figure: String(words[..<colon.lowerBound]), value: value.value, digit: value.digit))
            }
        }
        try close()
        return lines
    }

    /// The number a text begins with, and the size of its last digit.
    private static func number(_ text: String) throws -> (value: Double, digit: Double) {
        let word = text.prefix { $0 != " " }.replacing(",", with: "")
        if word == "infinity" { return (.infinity, 0) }
        guard let value = Double(word) else {
            throw FormulaByHand.Problem(description: "'\(text)' begins with no number")
        }
        let mantissa = word.prefix { $0 != "e" }
        let decimals = mantissa.firstIndex(of: ".").map { mantissa.distance(from: $0, to: mantissa.endIndex) - 1 } ?? 0
        let exponent = word.firstIndex(of: "e").flatMap { Int(word[word.index(after: $0)...]) } ?? 0
        return (value, pow(10, Double(exponent - decimals)))
    }

    /// From the document of `--json --explain`.
    static func lines(json: String) throws -> [PrintedLine] {
        let document = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        guard let lines = document?["explanation"] as? [[String: Any]] else {
            throw FormulaByHand.Problem(description: "no explanation in the document")
        }
        func number(_ value: Any?) -> Double { value as? Double ?? (value as? String == "Infinity" ? .infinity : .nan) }
        return lines.map { line in
            var inputs: [String: Double] = [:]
            for input in line["inputs"] as? [[String: Any]] ?? [] {
                inputs[input["symbol"] as? String ?? ""] = number(input["value"])
            }
            return PrintedLine(
                figure: line["figure"] as? String ?? "", formula: line["formula"] as? String ?? "", inputs: inputs,
                value: number(line["value"]))
        }
    }
}
